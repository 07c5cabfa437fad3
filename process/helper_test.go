package process

import (
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestOwner(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for _, tt := range []struct {
		name, comm string
		args       []string
		want       workload.Owner
	}{
		{"docker", shimComm, []string{"/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", id, "-address", "x"}, workload.Owner{FullID: id}},
		{"ctr", shimComm, []string{"containerd-shim-runc-v2", "-namespace", "default", "-id", "c1"}, workload.Owner{Cgroup: "/default/c1"}},
		{"a shim that starts another", shimComm, []string{"containerd-shim-runc-v2", "-namespace", "moby", "-id", id, "start"}, workload.Owner{}},
		{"a shim of nobody", shimComm, []string{"containerd-shim-runc-v2"}, workload.Owner{}},
		{"podman", conmonComm, []string{"/usr/bin/conmon", "--api-version", "1", "-c", id, "-u", "x"}, workload.Owner{FullID: id}},
		{"conmon by hand", conmonComm, []string{"/usr/bin/conmon", "-c", "me"}, workload.Owner{}},
		{"slirp4netns", "slirp4netns", []string{"slirp4netns", "-c", "/run/netns/" + id, "tap0"}, workload.Owner{FullID: id}},
		{"docker-proxy", "docker-proxy", []string{"/usr/bin/docker-proxy", "-proto", "tcp", "-container-ip", "172.17.0.2"}, workload.Owner{}},
	} {
		got, ok := owner(tt.comm, tt.args)
		if ok != (tt.want != workload.Owner{}) || ok && got != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
	}
}
