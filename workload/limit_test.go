package workload

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestLimit has more workloads than may be shown come and go.
//
//	drill process: more workloads than `--workload.max`
//	shows: those that were there stay, the others are counted in `workload_exporter_workloads_hidden`; a free place goes to the next
func TestLimit(t *testing.T) {
	var log strings.Builder
	r := NewRegistry(Config{Most: 3, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	found := func(id string) { r.Found(id, container(id, uint64(id[0]), using(1, 1))) }
	want := func(hidden int, ids string) {
		t.Helper()
		var got strings.Builder
		for _, w := range r.Refresh() {
			got.WriteString(w.ID)
		}
		if all, h := r.Population(); got.String() != ids || h != hidden || all != len(ids)+hidden {
			t.Errorf("%s of %d, %d hidden; want %s, %d", got.String(), all, h, ids, hidden)
		}
	}
	for id := range strings.SplitSeq("mnp", "") {
		found(id)
	}
	want(0, "mnp")
	// Earlier in the order, and later to come.
	for id := range strings.SplitSeq("cab", "") {
		found(id)
		want(strings.Index("cab", id)+1, "mnp")
	}
	r.Gone("n")
	want(2, "amp")
	// A restart keeps its place.
	r.Gone("p")
	r.Found("p2", container("p", 99, using(1, 1)))
	want(2, "amp")
	r.Gone("a")
	r.Gone("b")
	want(0, "cmp")
	if n := strings.Count(log.String(), "More workloads"); n != 1 || strings.Count(log.String(), "shown again") != 1 {
		t.Errorf("log:\n%s", log.String())
	}

	unlimited := NewRegistry(Config{})
	for i := range 20 {
		unlimited.Found(fmt.Sprint(i), container(fmt.Sprint(i), uint64(i+1), using(1, 1)))
	}
	if all, hidden := unlimited.Population(); len(unlimited.Refresh()) != 20 || hidden != 0 {
		t.Errorf("%d of %d hidden without a limit", hidden, all)
	}
}
