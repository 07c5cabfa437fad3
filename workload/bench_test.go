package workload

import (
	"fmt"
	"testing"
)

const many = 10_000

func crowd() *host {
	h := newHost()
	for i := range many {
		id := fmt.Sprintf("%012x", i*2654435761)
		h.Found("/docker/"+id, container(id, uint64(i+1), using(1, 1)))
	}
	h.Refresh()
	for range seekings {
		h.Refresh()
	}
	return h
}

func BenchmarkRefreshSettled(b *testing.B) {
	h := crowd()
	b.ReportAllocs()
	for b.Loop() {
		h.Refresh()
	}
}

func BenchmarkRefreshNewcomer(b *testing.B) {
	h := crowd()
	g := using(1, 1)
	b.ReportAllocs()
	for i := uint64(many); b.Loop(); i += 2 {
		h.Found("/docker/new", container("new", i+2, g))
		h.Refresh()
	}
}

func BenchmarkRefreshNewHelper(b *testing.B) {
	h := crowd()
	for i, w := range h.Refresh() {
		h.FoundOverhead(fmt.Sprint(i), Owner{FullID: w.ID}, using(1, 1))
	}
	g := using(1, 1)
	b.ReportAllocs()
	for b.Loop() {
		h.FoundOverhead("new", Owner{FullID: "new"}, g)
		h.Refresh()
	}
}

func BenchmarkSetMachines(b *testing.B) {
	h := newHost()
	machines := make([]Machine, 1000)
	for i := range machines {
		machines[i] = machine(fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), fmt.Sprint(i), i+1)
		h.Found(fmt.Sprint(i), domain(fmt.Sprint(i), i+1, using(1, 1)))
	}
	h.SetMachines(machines)
	h.Refresh()
	b.ReportAllocs()
	for b.Loop() {
		h.SetMachines(machines)
	}
}

func BenchmarkReadWithOverhead(b *testing.B) {
	h := newHost()
	h.Found("a", container("a", 1, using(1, 1)))
	h.FoundOverhead("m", Owner{FullID: "a"}, using(1, 1))
	w := h.Refresh()[0]
	var u Usage
	b.ReportAllocs()
	for b.Loop() {
		u.Reset()
		_ = w.Read(&u)
	}
}
