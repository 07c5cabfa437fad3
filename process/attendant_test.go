package process

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestAttendantsOfTheLab(t *testing.T) {
	const id = "64a13813554acfbcc2a1b950cf603092d07002d72171d63ff9701e8bd60446a7"
	r := NewResolver(ResolverConfig{ProcRoot: "testdata/lab/proc", PIDs: labPIDs(t)})
	c := workload.Candidate{
		Identity: container("podman", id[:12], id[:12]), FullID: id, Cgroup: "/machine.slice/libpod-" + id + ".scope",
	}
	if got := r.Resolve(&c); got != workload.NoOpinion || c.Name != "pweb" {
		t.Errorf("opinion %d, name %q", got, c.Name)
	}
}

func TestAttended(t *testing.T) {
	const uid = "b1f3c2d4-0000-4111-8222-0123456789ab"
	full := strings.Repeat("ab", 32)
	conmon := func(id, name string) []string {
		return []string{"/usr/bin/conmon", "--api-version", "1", "-c", id, "-u", id, "-n", name, "--exit-command-arg", "-n"}
	}
	pod := workload.Kubernetes{Namespace: "shop", Pod: "cart-0", UID: uid}
	for _, tt := range []struct {
		what        string
		path, want  workload.Identity
		fullID      string
		comm        string
		args        []string
		metadata    workload.Metadata
		insideGroup bool
	}{
		{
			what: "podman", path: container("podman", "ab", "ab"), want: container("podman", "ab", "web"),
			fullID: full, comm: "conmon", args: conmon(full, "web"),
		},
		{
			what: "another container's conmon", path: container("podman", "ab", "ab"), want: container("podman", "ab", "ab"),
			fullID: full, comm: "conmon", args: conmon(strings.Repeat("cd", 32), "web"),
		},
		{
			what: "a Podman pod has no name of its own", path: container("podman", "ab", "ab"), want: container("podman", "ab", "ab"),
			fullID: full, comm: "conmon", args: conmon(strings.Repeat("cd", 32), "abababababab-infra"),
		},
		{
			what: "CRI-O's pod", path: container("kubernetes", uid, uid), want: container("kubernetes", uid, "cart-0"),
			comm: "conmon", args: conmon(full, "k8s_POD_cart-0_shop_"+uid+"_0"), metadata: workload.Metadata{Kubernetes: pod},
		},
		{
			what: "conmon inside the pod", path: container("kubernetes", uid, uid), want: container("kubernetes", uid, "cart-0"),
			comm: "conmon", args: conmon(full, "k8s_app_cart-0_shop_"+uid+"_3"), metadata: workload.Metadata{Kubernetes: pod}, insideGroup: true,
		},
		{
			what: "another pod's", path: container("kubernetes", "other", "other"), want: container("kubernetes", "other", "other"),
			comm: "conmon", args: conmon(full, "k8s_POD_cart-0_shop_"+uid+"_0"),
		},
		{
			what: "CRI-O without kubelet's groups", path: container("cri-o", "ab", "ab"), want: container("cri-o", "ab", "app"),
			fullID: full, comm: "conmon", args: conmon(full, "k8s_app_cart-0_shop_"+uid+"_0"), metadata: workload.Metadata{Kubernetes: pod},
		},
		{
			what: "nerdctl", path: container("containerd", "ab", "ab"), want: container("containerd", "ab", "ab"), fullID: full, comm: "containerd-shim",
			args:     []string{"/usr/bin/containerd-shim-runc-v2", "-namespace", "prod", "-id", full},
			metadata: workload.Metadata{Namespace: "prod"},
		},
		{
			what: "ctr", path: container("containerd", "redis", "redis"), want: container("containerd", "redis", "redis"), comm: "containerd-shim",
			args:     []string{"/usr/bin/containerd-shim-runc-v2", "-namespace", "default", "-id", "redis"},
			metadata: workload.Metadata{Namespace: "default"},
		},
		{
			what: "somebody else's shim", path: container("containerd", "redis", "redis"), want: container("containerd", "redis", "redis"),
			comm: "containerd-shim", args: []string{"/usr/bin/containerd-shim-runc-v2", "-namespace", "default", "-id", "other"},
		},
	} {
		t.Run(tt.what, func(t *testing.T) {
			f := newFakeProc(t)
			f.put(50, tt.comm, 4, tt.args...)
			f.putChild(60, 50, "app", 5, "/app")
			f.putChild(61, 60, "worker", 6, "/app")
			pids := []int{61, 60}
			if tt.insideGroup {
				pids = append(pids, 50)
			}
			c := workload.Candidate{Identity: tt.path, FullID: tt.fullID, Cgroup: "/group"}
			oneGroup(f, map[string][]int{"/group": pids}).Resolve(&c)
			if diff := cmp.Diff(tt.want, c.Identity); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.metadata, c.Metadata); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseCRIOName(f *testing.F) {
	f.Add("k8s_POD_cart-0_shop_b1f3c2d4-0000-4111-8222-0123456789ab_0")
	f.Add("k8s______")
	f.Fuzz(func(t *testing.T, name string) {
		k, container, ok := parseCRIOName(name)
		if ok && (!strings.HasPrefix(name, "k8s_"+container+"_"+k.Pod+"_"+k.Namespace+"_"+k.UID+"_") || k.Pod == "" || k.UID == "") {
			t.Errorf("%q is %+v in %q", name, k, container)
		}
		if !ok && (k != workload.Kubernetes{} || container != "") {
			t.Errorf("%q is nothing, and still %+v", name, k)
		}
	})
}
