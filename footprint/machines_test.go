package footprint

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func image(path string, capacity, allocated uint64) workload.DiskLayer {
	return workload.DiskLayer{Path: path, Capacity: workload.Known(capacity), Allocated: workload.Known(allocated)}
}

func machines(uuids ...string) []*workload.Workload {
	r := workload.NewRegistry(workload.Config{})
	for i, u := range uuids {
		r.Found(u, workload.Candidate{
			Identity: workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: u, Name: u}, Cgroup: "/" + u, Inode: uint64(i + 1), Group: group{},
		})
	}
	return r.Refresh()
}

func TestMachines(t *testing.T) {
	dir := files(t, map[string]int{"full": 65536})
	empty := filepath.Join(dir, "empty")
	put(t, empty, nil)
	if err := os.Truncate(empty, 1<<20); err != nil {
		t.Fatal(err)
	}
	list := machines("a", "b", "bare", "hung", "net", "raw")
	list[1].ID = "b~17"
	known := workload.Known
	asked := ""
	m := NewMachines(func(_ context.Context, uuids []string) (map[string][]workload.Disk, error) {
		asked = strings.Join(uuids, " ")
		iso := workload.Disk{Target: "hda", Common: true, Layers: []workload.DiskLayer{image("/iso", 60, 61)}}
		return map[string][]workload.Disk{
			"a":    {{Target: "vda", Layers: []workload.DiskLayer{image("/a", 1000, 30), image("/base", 900, 200)}}, iso},
			"b":    {{Target: "vda", Layers: []workload.DiskLayer{image("/b", 2000, 40), image("/base", 900, 200)}}, {Target: "vdb", Layers: []workload.DiskLayer{image("/dev/null", 500, 500)}}, iso},
			"bare": {},
			"net":  {{Target: "vda", Layers: []workload.DiskLayer{{Capacity: known(77)}}}, iso},
			"raw": {
				{Target: "vda", Layers: []workload.DiskLayer{image(empty, 1<<20, 1<<20)}},
				{Target: "vdb", Layers: []workload.DiskLayer{image(filepath.Join(dir, "full"), 65536, 65536)}},
				{Target: "vdc", Layers: []workload.DiskLayer{image(filepath.Join(dir, "closed"), 5, 5), image("/lone", 5, 3)}},
			},
		}, errors.New("hung hangs")
	}, "/proc/self/mountinfo")
	p := newPolled(list, m)
	p.begin()
	p.step(t.Context(), 0)
	if asked != "a b bare hung net raw" {
		t.Errorf("asked for %q", asked)
	}
	at := known(1_700_000_000_000_000_000)
	for i, want := range []workload.Footprint{
		{Unique: known(30), Shared: known(261), Allocated: known(30), Capacity: known(1000), Updated: at},
		{Unique: known(540), Shared: known(261), Allocated: known(540), Capacity: known(2500), Updated: at},
		{Unique: known(0), Shared: known(0), Allocated: known(0), Capacity: known(0), Updated: at},
		{},
		// Of what nobody tells there is no sum.
		{Shared: known(61), Capacity: known(77), Updated: at},
		{Unique: known(65541), Shared: known(3), Allocated: known(65541), Capacity: known(1<<20 + 65541), Updated: at},
	} {
		same(t, list[i].ID, p.Of(list[i]), want)
	}
	same(t, "host", p.Host(), []workload.HostFootprint{{Kind: "vm", Runtime: "libvirt", Unique: 30 + 540 + 65541, Shared: 264}})
	if n := strings.Count(p.log.String(), "hung hangs"); n != 1 {
		t.Errorf("told %d times", n)
	}
}
