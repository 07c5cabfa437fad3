package collector

import (
	"runtime"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

// TestFillAllocatesNothing is the promise of the hot path.
func TestFillAllocatesNothing(t *testing.T) {
	registry := many(500)
	p := newPage(All(), nil)
	list := registry.Refresh()
	if err := p.fill(list); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(20, func() {
		if err := p.fill(list); err != nil {
			t.Error(err)
		}
	}); n > 2 {
		t.Errorf("%v allocations a scrape of 500 workloads", n)
	}
}

// TestGatherAllocatesByScrapeOnly compares few workloads with many: what a
// scrape allocates is the registry's part, and no workload adds to it.
func TestGatherAllocatesByScrapeOnly(t *testing.T) {
	allocs := func(n int) float64 {
		g := everything(many(n))
		text(t, g)
		return testing.AllocsPerRun(10, func() {
			_, done, err := g.Gather()
			done()
			if err != nil {
				t.Error(err)
			}
		})
	}
	few, lots := allocs(10), allocs(1000)
	t.Logf("%v allocations with 10 workloads, %v with 1000", few, lots)
	if lots > few+20 {
		t.Errorf("%v allocations with 10 workloads, %v with 1000", few, lots)
	}
}

func many(n int) *workload.Registry {
	candidates := make([]workload.Candidate, n)
	for i := range candidates {
		candidates[i] = container(i + 1)
	}
	return newRegistry(candidates...)
}

// TestRowMemory holds the page to its part of the memory that a workload may cost.
func TestRowMemory(t *testing.T) {
	const n, budget = 2000, 12 << 10
	list := many(n).Refresh()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	p := newPage(All(), nil)
	if err := p.fill(list); err != nil {
		t.Fatal(err)
	}
	each := (heap() - before) / n
	runtime.KeepAlive(p)
	t.Logf("%d bytes a workload", each)
	if each > budget {
		t.Errorf("%d bytes a workload, the budget is %d", each, budget)
	}
}
