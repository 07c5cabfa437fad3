package cgroupfs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// told is an Events that remembers what happens below one group: the host's
// hierarchy is everybody's.
type told struct {
	below string
	mu    sync.Mutex
	list  []workload.Event
	// each has every event as well, if somebody waits for it.
	each chan workload.Event
}

func (l *told) Happened(e workload.Event) {
	if e.Cgroup != "" && !strings.HasPrefix(e.Cgroup, l.below+"/") {
		return
	}
	l.mu.Lock()
	l.list = append(l.list, e)
	l.mu.Unlock()
	if l.each != nil {
		l.each <- e
	}
}

// take is what was told since it was last asked for: "kind", with a mark unless it was witnessed.
func (l *told) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []string{}
	for _, e := range l.list {
		list = append(list, string(e.Kind)+[]string{"", " late", " adopted"}[e.Witness])
	}
	l.list = nil
	return list
}

func (l *told) count() map[workload.EventKind]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := map[workload.EventKind]int{}
	for _, e := range l.list {
		count[e.Kind]++
	}
	return count
}

// listen is follow, with somebody who is told.
func listen(t *testing.T, p grounds) (*followed, *told) {
	t.Helper()
	mount, top := p.at()
	f, l := follow(t, mount, nil), &told{below: top}
	f.cfg.Events = l
	return f, l
}

// until looks, as scrapes do, until all that is wanted was told.
func (f *followed) until(l *told, want ...string) {
	f.t.Helper()
	var got []string
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		if err := f.Sync(); err != nil {
			f.t.Fatal(err)
		}
		got = append(got, l.take()...)
		if len(got) >= len(want) || time.Now().After(deadline) {
			break
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		f.t.Errorf("told (-want +got):\n%s", diff)
	}
}

// watchesBelow counts the watches of what is below a group, and of the group.
func (f *followed) watchesBelow(top string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := 0
	for _, watched := range []map[int32]*node{f.watched, f.heard} {
		for _, n := range watched {
			if strings.HasPrefix(n.path, top) {
				count++
			}
		}
	}
	return count
}

func TestSignals(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		f, l := listen(t, p)
		f.until(l)
		watches := f.watchesBelow(l.below)

		p.mkdir(scope)
		f.until(l, "created")
		stop := p.start(scope)
		f.until(l, "populated")
		stop()
		f.until(l, "empty")
		stop = p.start(scope)
		f.until(l, "populated")
		stop()
		p.remove(scope)
		f.until(l, "empty", "removed")

		// What lies in a workload, and what is none, says nothing of its own.
		stop = p.start("lxc.payload.c1")
		stopInner := p.start("lxc.payload.c1/system.slice/" + scope)
		stopHost := p.start("some.service")
		f.until(l, "created", "populated")
		stopHost()
		stopInner()
		stop()
		p.remove("lxc.payload.c1")
		p.remove("some.service")
		f.until(l, "empty", "removed")
		if got := f.watchesBelow(l.below); got != watches {
			t.Errorf("%d watches at first, %d in the end", watches, got)
		}
	})
}

// TestSignalsBetweenLooks has everything happen before anybody looks.
func TestSignalsBetweenLooks(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		f, l := listen(t, p)
		f.until(l)
		p.mkdir(scope)
		p.remove(scope)
		f.until(l, "missed")

		// The second has the place of the first.
		p.mkdir(scope)
		p.remove(scope)
		p.mkdir(scope)
		f.until(l, "created", "missed")
		p.remove(scope)
		f.until(l, "removed")

		// What a walk sees before its notice comes is no miss.
		p.mkdir("a.slice/" + scope)
		f.until(l, "created")
		p.remove("a.slice")
		f.until(l, "removed")
		p.mkdir(scope)
		f.mu.Lock()
		err := f.reconcile()
		f.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		f.until(l, "created late")
	})
}

func TestSignalsWhatWasThere(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		stop := p.start(scope)
		f, l := listen(t, p)
		f.until(l, "created adopted", "populated adopted")
		stop()
		f.until(l, "empty")
		p.remove(scope)
		f.until(l, "removed")
	})
}

// TestSignalsOverflow loses notices, and has the walk find out.
func TestSignalsOverflow(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		f, l := listen(t, p)
		gone := p.start("lxc.payload.c1")
		f.until(l, "created adopted", "populated adopted")
		gone()
		p.remove("lxc.payload.c1")
		stop := p.start(scope)
		_, _ = f.in.take(time.Minute, func(notice) {})
		f.apply(notice{mask: unix.IN_Q_OVERFLOW})
		f.until(l, "missed", "empty late", "removed late", "created late", "populated late")
		stop()
		f.until(l, "empty")
	})
}

// TestSignalsUnwatchable has no inotify: each walk finds out.
func TestSignalsUnwatchable(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		f, l := listen(t, p)
		_ = f.in.close()
		f.in = nil
		f.degrade(unix.EMFILE)
		f.until(l)
		stop := p.start(scope)
		f.until(l, "created late", "populated late")
		stop()
		f.until(l, "empty late")
		p.remove(scope)
		f.until(l, "removed late")
	})
}

// TestSignalsEmpty has a group of which it is known that it is empty: nobody reads
// it to find out, and the first process is seen all the same, as is the end of
// its watch.
func TestSignalsEmpty(t *testing.T) {
	p := newLive(t)
	f, l := listen(t, p)
	f.until(l)
	p.mkdir("lxc.payload.c1")
	f.until(l, "created")
	reads := f.cfg.FS.Reads()
	if got := f.running(l.below); len(got) != 0 || f.cfg.FS.Reads() != reads {
		t.Errorf("%v run; %d files were read", got, f.cfg.FS.Reads()-reads)
	}
	_, stop := p.run("lxc.payload.c1")
	f.until(l, "populated")
	f.want(l.below, "container/lxc/c1")
	stop()
	f.until(l, "empty")

	f.mu.Lock()
	defer f.mu.Unlock()
	for wd, n := range f.heard {
		if n.path == l.below+"/lxc.payload.c1" && wd == n.signals.events {
			if !n.group.quiet.Load() {
				t.Error("an empty group is to be read")
			}
			f.apply(notice{wd: wd, mask: unix.IN_IGNORED})
			if n.group.quiet.Load() {
				t.Error("a group that nobody watches is not to be read")
			}
			return
		}
	}
	t.Error("not watched")
}

// TestSignalsShared has one pod in two groups: neither is the workload.
func TestSignalsShared(t *testing.T) {
	p := newFake(t)
	f, l := listen(t, p)
	f.until(l)
	p.start("garden/good/h")
	p.start("garden/bad/h")
	p.start(scope)
	f.until(l, "created", "populated")
}

func TestSignalsOOM(t *testing.T) {
	p := newFake(t)
	p.start("lxc.payload.c1")
	p.write("lxc.payload.c1/memory.events", "oom_kill 3\n")
	f, l := listen(t, p)
	now := time.Hour
	f.in.now = func() time.Duration { return now }
	f.until(l, "created adopted", "populated adopted")
	p.write("lxc.payload.c1/memory.events", "oom_kill 4\n")
	f.until(l, "oom_kill")
	// A storm of notices is not looked into one by one for long.
	for _, n := range f.heard {
		for n.signals.heeds(notice{at: now, wd: n.signals.memory}) {
		}
	}
	p.write("lxc.payload.c1/memory.events", "oom_kill 5\n")
	f.until(l)
	now += 2 * memoryGap
	p.write("lxc.payload.c1/memory.events", "oom_kill 6\n")
	f.until(l, "oom_kill")

	// The notice of the end may come before that of the kill.
	stop := p.start(scope)
	f.until(l, "created", "populated")
	p.write(scope+"/memory.events", "oom_kill 1\n")
	stop()
	f.until(l, "oom_kill", "empty")
}

// TestSignalsStamps compares each stamp with the test's own, taken just before.
func TestSignalsStamps(t *testing.T) {
	l := newLive(t)
	f, heard := listen(t, l)
	f.until(heard)
	heard.each = make(chan workload.Event, 16)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()

	pid, stop := l.run("some.service")
	defer stop()
	move := func(to string) {
		if err := os.WriteFile(l.abs(to)+"/cgroup.procs", fmt.Append(nil, pid), 0o644); err != nil {
			t.Error(err)
		}
	}
	off := map[workload.EventKind][]time.Duration{}
	var all []time.Duration
	step := func(kind workload.EventKind, do func()) {
		before := workload.Boottime()
		do()
		select {
		case e := <-heard.each:
			if e.Kind != kind || e.Witness != workload.Witnessed || e.When < before {
				t.Errorf("%+v, want %s after %v", e, kind, before)
			}
			off[kind], all = append(off[kind], e.When-before), append(all, e.When-before)
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: not within 10 s", kind)
		}
	}
	for range 50 {
		step(workload.EventCreated, func() { l.mkdir(scope) })
		step(workload.EventPopulated, func() { move(scope) })
		// It lives a little: the kernel tells of a file once in 10 ms.
		<-time.After(20 * time.Millisecond)
		step(workload.EventEmpty, func() { move("some.service") })
		step(workload.EventRemoved, func() { l.remove(scope) })
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, kind := range slices.Sorted(maps.Keys(off)) {
		median, p95 := quantiles(off[kind])
		t.Logf("%-9s n=%d median %v, 95th percentile %v", kind, len(off[kind]), median, p95)
	}
	median, p95 := quantiles(all)
	const aimMedian, aimP95, noise = 2 * time.Millisecond, 15 * time.Millisecond, 10
	t.Logf("all       n=%d median %v (aim %v), 95th percentile %v (aim %v)", len(all), median, aimMedian, p95, aimP95)
	if median > noise*aimMedian || p95 > noise*aimP95 {
		t.Errorf("median %v, 95th percentile %v", median, p95)
	}
}

func quantiles(list []time.Duration) (median, p95 time.Duration) {
	slices.Sort(list)
	return list[len(list)/2], list[len(list)*95/100]
}

// TestSignalsChurn makes and removes 200 groups a second, then as many as it
// can: each is told of or counted, and nothing is left.
//
//	drill cgroup: 200 groups a second, then as many as the kernel makes
//	shows: each start is told of or counted as missed; no watch, descriptor or goroutine is left
func TestSignalsChurn(t *testing.T) {
	l := newLive(t)
	f, heard := listen(t, l)
	f.until(heard)
	pid, stop := l.run("some.service")
	defer stop()
	move := func(to string) {
		if err := os.WriteFile(l.abs(to)+"/cgroup.procs", fmt.Append(nil, pid), 0o644); err != nil {
			t.Error(err)
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	goroutines, descriptors, watches := runtime.NumGoroutine(), openDescriptors(t), f.watchesBelow(heard.below)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()

	made := 0
	cycle := func() {
		made++
		// Each other one has the name of the one before.
		name := "lxc.payload.again"
		if made%2 == 0 {
			name = fmt.Sprintf("lxc.payload.c%d", made)
		}
		l.mkdir(name)
		if made%4 < 2 {
			move(name)
			move("some.service")
		}
		l.remove(name)
	}
	settled := func() map[workload.EventKind]int {
		eventually(t, "all to be told of", func() bool {
			c := heard.count()
			return c[workload.EventCreated]+c[workload.EventMissed] >= made && c[workload.EventRemoved] >= c[workload.EventCreated]
		})
		return heard.count()
	}
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for range 600 {
		<-pace.C
		cycle()
	}
	c := settled()
	t.Logf("200 a second: %d made, %d created, %d missed, %d populated", made, c[workload.EventCreated], c[workload.EventMissed], c[workload.EventPopulated])
	for range 2000 {
		cycle()
	}
	c = settled()
	t.Logf("and at once: %d made, %d created, %d missed, %d populated", made, c[workload.EventCreated], c[workload.EventMissed], c[workload.EventPopulated])
	if got := c[workload.EventCreated] + c[workload.EventMissed]; got != made {
		t.Errorf("%d made, %d told of", made, got)
	}
	if c[workload.EventRemoved] != c[workload.EventCreated] || c[workload.EventPopulated] != c[workload.EventEmpty] {
		t.Errorf("not each beginning has its end: %v", c)
	}
	if got := f.watchesBelow(heard.below); got != watches {
		t.Errorf("%d watches at first, %d in the end", watches, got)
	}
	eventually(t, "the kernel to have as many watches as the tree", func() bool { return kernelWatches(t) == f.Watches() })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	// Run has closed the inotify descriptor.
	if got := openDescriptors(t); got > descriptors {
		t.Errorf("%d descriptors at first, %d in the end", descriptors, got)
	}
}

// TestSignalsCloseIsNoEnd has the exporter stop, and not the workload.
func TestSignalsCloseIsNoEnd(t *testing.T) {
	p := newFake(t)
	p.start(scope)
	f, l := listen(t, p)
	f.until(l, "created adopted", "populated adopted")
	f.Close()
	if got := l.take(); len(got) != 0 {
		t.Errorf("told %q", got)
	}
	if got := f.Watches(); got != 0 {
		t.Errorf("%d watches", got)
	}
}
