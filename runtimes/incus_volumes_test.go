package runtimes

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestVolumes(t *testing.T) {
	const root = `"expanded_devices":{"eth0":{"type":"nic"},"root":{"path":"/","pool":"default","type":"disk"}}`
	instance := func(name, project, kind, devices string) string {
		return `{"name":"` + name + `","project":"` + project + `","type":"` + kind + `",` + devices + `}`
	}
	s := &sizesOf{answers: map[string]string{
		"/1.0/instances": `{"type":"sync","metadata":[` + strings.Join([]string{
			instance("c1", "default", "container", root), instance("v1", "two", "virtual-machine", root), instance("z", "", "container", root),
			instance("unasked", "default", "container", root), instance("bad", "default", "container", root),
			instance("diskless", "default", "container", `"expanded_devices":{}`),
			instance("up", "default", "container", `"expanded_devices":{"root":{"path":"/","pool":"..","type":"disk"}}`),
		}, ",") + `]}`,
		"/1.0/storage-pools/default/volumes/container/c1/state":       `{"metadata":{"usage":null}}`,
		"/1.0/storage-pools/default/volumes/virtual-machine/v1/state": `{"metadata":{"usage":null}}`,
		"/1.0/storage-pools/default/volumes/container/z/state":        `{"metadata":{"usage":{"used":500,"total":1000}}}`,
		"/1.0/storage-pools/default/volumes/container/bad/state":      `rubbish`,
	}}
	v := NewVolumes("incus", serveSizes(t, s))
	got, err := v.Volumes(t.Context(), []string{"c1", "two_v1", "z", "bad", "diskless", "up"})
	if err == nil || !strings.Contains(err.Error(), "/bad/") {
		t.Errorf("one that is not understood: %v", err)
	}
	slices.SortFunc(got, func(a, b workload.Volume) int { return strings.Compare(a.ID, b.ID) })
	values(t, "volumes", got, []workload.Volume{
		{ID: "c1", Directory: "storage-pools/default/containers/c1"},
		{ID: "two_v1", Directory: "storage-pools/default/virtual-machines/two_v1"},
		{ID: "z", Used: workload.Known(500), Size: workload.Known(1000)},
	})
	if !slices.Contains(s.asked, "/1.0/storage-pools/default/volumes/virtual-machine/v1/state?project=two") {
		t.Errorf("asked for %q", s.asked)
	}
	if n := s.count("/volumes/"); n != 4 {
		t.Errorf("%d were asked about: %q", n, s.asked)
	}
	for what, answer := range map[string]string{"rubbish": "rubbish", "no list": `{"metadata":5}`, "cut off": `{"metadata":[`} {
		s.answers["/1.0/instances"] = answer
		if got, err := v.Volumes(t.Context(), []string{"c1"}); err == nil || len(got) > 0 {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	if _, err := NewVolumes("incus", "/nowhere/s").Volumes(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody there: %v", err)
	}
}

// What Debian trixie's Incus answered of a container in a pool of directories.
func TestVolumesCaptured(t *testing.T) {
	s := &sizesOf{answers: map[string]string{
		"/1.0/instances": string(captured(t, "sizes-incus-instances.json")), "/1.0/storage-pools/default/volumes/container/c1/state": string(captured(t, "sizes-incus-volume.json")),
	}}
	got, err := NewVolumes("incus", serveSizes(t, s)).Volumes(t.Context(), []string{"c1"})
	if err != nil {
		t.Fatal(err)
	}
	values(t, "incus", got, []workload.Volume{{ID: "c1", Directory: "storage-pools/default/containers/c1"}})
}
