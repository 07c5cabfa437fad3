package footprint

import (
	"context"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestEngine(t *testing.T) {
	id := func(c string) string { return strings.Repeat(c, 64) }
	r := workload.NewRegistry(workload.Config{})
	for i, c := range []string{"a", "b", "c", "d"} {
		r.Found(c, workload.Candidate{
			Identity: workload.Identity{Kind: workload.KindContainer, Runtime: "podman", ID: id(c)[:12], Name: c},
			FullID:   id(c), Cgroup: "/" + c, Inode: uint64(i + 1), Group: group{},
		})
	}
	list := r.Refresh()
	known := workload.Known
	layers := []workload.Layer{{Key: "base", Bytes: known(100)}, {Key: "app", Bytes: known(10)}}
	asked := []string(nil)
	p := newPolled(list, NewEngine("podman", func(_ context.Context, ids []string) ([]workload.Storage, error) {
		asked = ids
		return []workload.Storage{
			{ID: id("a"), Written: known(1), Layers: layers},
			{ID: id("b"), Written: known(0), Layers: layers[:1]},
			{ID: id("5"), Pod: id("c"), Written: known(2), Layers: layers},
			{ID: id("6"), Pod: id("c"), Written: known(4), Layers: layers[:1]},
			{ID: id("7"), Written: known(9)},
		}, nil
	}))
	p.begin()
	p.step(t.Context(), 0)
	same(t, "asked", asked, []string{id("a"), id("b"), id("c"), id("d")})
	at := known(1_700_000_000_000_000_000)
	for i, want := range []workload.Footprint{
		{Unique: known(1), Shared: known(110), Allocated: known(1), Updated: at},
		{Unique: known(0), Shared: known(100), Allocated: known(0), Updated: at},
		{Unique: known(6), Shared: known(110), Allocated: known(6), Updated: at},
		{},
	} {
		same(t, list[i].Name, p.Of(list[i]), want)
	}
	same(t, "host", p.Host(), []workload.HostFootprint{{Kind: "container", Runtime: "podman", Unique: 7, Shared: 110}})
}
