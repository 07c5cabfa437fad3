package footprint

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestInstances(t *testing.T) {
	dir := files(t, map[string]int{"storage-pools/p/containers/c1/rootfs/a": 50_000})
	walker := newTestWalker()
	size, err := walker.size(t.Context(), dir+"/storage-pools/p/containers/c1")
	if err != nil {
		t.Fatal(err)
	}
	list := workloads([]string{"incus", "c1", "c1"}, []string{"incus", "c2", "c2"}, []string{"incus", "other_c3", "c3"})
	known := workload.Known
	p := newPolled(list, NewInstances("incus", dir, walker, func(_ context.Context, ids []string) ([]workload.Volume, error) {
		if got := strings.Join(ids, " "); got != "c1 c2 other_c3" {
			t.Errorf("asked for %s", got)
		}
		return []workload.Volume{
			{ID: "c1", Directory: "storage-pools/p/containers/c1"},
			{ID: "c2", Directory: "storage-pools/p/containers/gone"},
			{ID: "other_c3", Used: known(70), Size: known(700)},
			{ID: "nobody", Used: known(1)},
		}, errors.New("one is missing")
	}))
	p.begin()
	p.step(t.Context(), 0)
	at := known(1_700_000_000_000_000_000)
	for i, want := range []workload.Footprint{
		{Unique: known(size.bytes), Shared: known(0), Allocated: known(size.bytes), Updated: at},
		{},
		{Unique: known(70), Allocated: known(70), Capacity: known(700), Updated: at},
	} {
		same(t, list[i].ID, p.Of(list[i]), want)
	}
	for _, part := range []string{"one is missing", "/gone"} {
		if !strings.Contains(p.log.String(), part) {
			t.Errorf("%q is not told", part)
		}
	}
}
