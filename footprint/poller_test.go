package footprint

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// polled is a Poller over fakes, and what it logs.
type polled struct {
	*Poller
	clock *fakeClock
	log   *strings.Builder
}

func newPolled(list []*workload.Workload, sources ...Source) *polled {
	p := &polled{clock: &fakeClock{time.Unix(1_700_000_000, 0)}, log: &strings.Builder{}}
	p.Poller = New(Config{
		List: func() []*workload.Workload { return list }, Sources: sources, Now: p.clock.now,
		Logger: slog.New(slog.NewTextHandler(p.log, nil)),
	})
	return p
}

func (p *polled) pass(d time.Duration) { p.clock.at = p.clock.at.Add(d) }

func TestSharedOnce(t *testing.T) {
	list := workloads([]string{"docker", "a", "a"}, []string{"docker", "b", "b"}, []string{"podman", "c", "c"}, []string{"podman", "d", "d"})
	docker := &source{runtime: "docker", holds: map[string]Holding{
		"a": {Items: []Item{common("base", 100), common("app", 20), own("rw:a", 3)}, Allocated: workload.Known(3), Capacity: workload.Known(50)},
		"b": {Items: []Item{common("base", 100), own("rw:b", 4)}},
	}}
	podman := &source{runtime: "podman", holds: map[string]Holding{
		// The same file, a directory that both call their own, one thing twice,
		// and one that could not be had.
		"c": {Items: []Item{common("base", 100), own("tree", 7), own("tree", 7)}},
		"d": {Items: []Item{{Key: "lost", Bytes: workload.Unreadable()}, own("tree", 7), common("other", 1)}},
	}}
	p := newPolled(list, docker, podman)
	p.begin()
	p.step(context.Background(), 0)
	p.step(context.Background(), 1)
	at, known := workload.Known(1_700_000_000_000_000_000), workload.Known
	for i, want := range []workload.Footprint{
		{Unique: known(3), Shared: known(120), Allocated: known(3), Capacity: known(50), Updated: at},
		{Unique: known(4), Shared: known(100), Updated: at},
		{Unique: known(0), Shared: known(107), Updated: at},
		{Unique: workload.Unreadable(), Shared: known(8), Updated: at},
	} {
		same(t, list[i].ID, p.Of(list[i]), want)
	}
	same(t, "host", p.Host(), []workload.HostFootprint{
		{Kind: "container", Runtime: "docker", Unique: 7, Shared: 120},
		{Kind: "container", Runtime: "podman", Unique: 0, Shared: 8},
	})
	// Who is left alone with the tree has it alone.
	p.Settle(list[2:3])
	same(t, "c alone", p.Of(list[2]), workload.Footprint{Unique: known(7), Shared: known(100), Updated: at})
	same(t, "host", p.Host(), []workload.HostFootprint{{Kind: "container", Runtime: "podman", Unique: 7, Shared: 100}})
	same(t, "a gone", p.Of(list[0]), workload.Footprint{})
}

func TestWhenItLooks(t *testing.T) {
	list := workloads([]string{"docker", "a", "a"}, []string{"docker", "b", "b"}, []string{"nobody", "n", "n"})
	s := &source{runtime: "docker", holds: map[string]Holding{"a": {}, "b": {}}}
	p := newPolled(list[:1], s)
	p.begin()
	ctx := context.Background()
	step := func(what string, wait time.Duration, asked ...string) {
		t.Helper()
		s.asked = nil
		if got := p.step(ctx, 0); got != wait {
			t.Errorf("%s: back in %v, want %v", what, got, wait)
		}
		want := [][]string(nil)
		if asked != nil {
			want = [][]string{asked}
		}
		same(t, what, s.asked, want)
	}
	step("start", 30*time.Second, "a")
	step("at once again", time.Hour)
	p.pass(29 * time.Second)
	p.Settle(append(list[:1:1], workloads([]string{"docker", "c", "c"})...))
	step("one that ran before", 30*time.Second, "c")
	p.Settle(list[:1])
	<-p.wake[0]
	p.clock.at = time.Unix(1_700_000_000, 0)
	p.pass(50 * time.Minute)
	p.Settle(list)
	if len(p.wake[0]) != 1 {
		t.Error("a newcomer wakes nobody")
	}
	step("newcomer", 30*time.Second)
	p.pass(30 * time.Second)
	step("newcomer has settled", 30*time.Second, "b")
	p.pass(5 * time.Minute)
	p.Settle(list)
	step("not yet", 4*time.Minute+30*time.Second)
	p.pass(5 * time.Minute)
	step("due", 30*time.Second, "a")
	p.pass(time.Hour)
	p.Settle(list)
	step("due together", 30*time.Second, "a", "b")
	p.pass(61 * time.Minute)
	step("nobody scrapes", time.Hour)
	<-p.wake[0]
	p.Settle(list)
	if len(p.wake[0]) != 1 {
		t.Error("a scrape after a silence wakes nobody")
	}
	step("somebody does", 30*time.Second, "a", "b")
}

func TestFailures(t *testing.T) {
	list := workloads([]string{"docker", "a", "a"})
	s := &source{runtime: "docker", holds: map[string]Holding{"a": {Items: []Item{own("x", 5)}}}}
	p := newPolled(list, s)
	p.begin()
	ctx := context.Background()
	p.step(ctx, 0)
	before := p.Of(list[0])
	s.holds, s.err = nil, errors.New("broken")
	for range 3 * 12 {
		p.pass(time.Hour)
		p.Settle(list)
		p.step(ctx, 0)
		if p.clock.at.Sub(time.Unix(1_700_000_000, 0)) <= 3*time.Hour {
			same(t, "old numbers", p.Of(list[0]), before)
		}
	}
	same(t, "too old", p.Of(list[0]), workload.Footprint{})
	if _, wait := p.due(0, p.clock.at); wait != 5*time.Minute {
		t.Errorf("tried again in %v", wait)
	}
	if n := strings.Count(p.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, p.log)
	}
	s.err = nil
	p.pass(5 * time.Minute)
	p.step(ctx, 0)
	if !strings.Contains(p.log.String(), "seen again") {
		t.Errorf("the end of it is not told:\n%s", p.log)
	}
	s.err = &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}
	p.pass(time.Hour)
	p.Settle(list)
	p.step(ctx, 0)
	if n := strings.Count(p.log.String(), "level=WARN"); n != 1 || !strings.Contains(p.log.String(), "not for this user") {
		t.Errorf("what is forbidden is a failure:\n%s", p.log)
	}
}

// blocking is a Source that never answers by itself.
type blocking struct{ source }

func (*blocking) Look(ctx context.Context, _ []*workload.Workload) (map[*workload.Workload]Holding, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A source that hangs delays neither the others nor the end.
func TestRun(t *testing.T) {
	list := workloads([]string{"docker", "a", "a"}, []string{"podman", "b", "b"})
	s := &source{runtime: "podman", holds: map[string]Holding{"b": {Items: []Item{own("x", 5)}}}}
	p := newPolled(list, &blocking{source{runtime: "docker"}}, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); p.Of(list[1]) == (workload.Footprint{}); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the other source is not asked")
		}
		p.Settle(list)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
