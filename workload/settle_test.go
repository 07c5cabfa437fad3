package workload

import (
	"errors"
	"testing"
	"time"
)

func TestEmptyGroupIsNotShown(t *testing.T) {
	h, g := newHost(), using(1, 1)
	g.stopped.Store(true)
	h.Found("a", container("a", 1, g))
	h.expect(t)
	g.stopped.Store(false)
	w := h.expect(t, "docker/a/a")[0]
	g.stopped.Store(true)
	var u Usage
	if err := w.Read(&u); !errors.Is(err, ErrGone) {
		t.Errorf("reading an empty group: %v", err)
	}
}

func TestPatience(t *testing.T) {
	asked := 0
	h := newHost(
		resolver(func(*Candidate) Opinion { asked++; return Wait }),
		resolver(func(c *Candidate) Opinion { c.Name = "told"; return Settled }),
	)
	g := using(1, 1)
	g.stopped.Store(true)
	h.Found("a", container("a", 1, g))
	h.expect(t)
	// An empty directory uses up nobody's patience.
	h.clock.pass(time.Hour)
	g.stopped.Store(false)
	h.expect(t)
	h.clock.pass(time.Second - 1)
	h.expect(t)
	h.clock.pass(1)
	h.expect(t, "docker/a/told")
	asked = 0
	h.expect(t, "docker/a/told")
	if asked != 0 {
		t.Error("a settled workload is asked about again")
	}
}

func TestIdentityIsDecidedOnce(t *testing.T) {
	kind, name, hypervisor := KindContainer, "first", ""
	h := newHost(resolver(func(c *Candidate) Opinion {
		c.Kind, c.Name, c.Hypervisor = kind, name, hypervisor
		if kind == KindVM {
			c.Runtime, c.ID = "kata", "other"
		}
		return Settled
	}))
	h.Found("a", container("a", 1, using(1, 1)))
	before := h.expect(t, "docker/a/first")[0]
	name = "second"
	h.Changed("a")
	if w := h.expect(t, "docker/a/first")[0]; w != before {
		t.Error("nothing changed, and the workload did")
	}
	kind = KindVM
	h.expect(t, "docker/a/first")
	h.Changed("a")
	// What it turned out to be has a name of its own.
	after := h.expect(t, "kata/a/second")[0]
	if after == before || before.Kind != KindContainer || after.Kind != KindVM {
		t.Errorf("promoted %p %s to %p %s", before, before.Kind, after, after.Kind)
	}
	hypervisor = "qemu"
	h.Changed("a")
	if w := h.expect(t, "kata/a/second")[0]; w.Hypervisor != "qemu" {
		t.Errorf("the monitor came late and is %q", w.Hypervisor)
	}
	h.Changed("nobody")
	h.expect(t, "kata/a/second")
}

// namer is a Namer made of a function, which counts whom it was told to expect.
type namer struct {
	name     func(c *Candidate) Opinion
	expected int
}

func (n *namer) Name(c *Candidate) Opinion { return n.name(c) }

func (n *namer) Expect(*Candidate) { n.expected++ }

func TestNamesAreDecidedOnce(t *testing.T) {
	opinion, name := Wait, "c1"
	n := &namer{name: func(c *Candidate) Opinion {
		if c.Runtime != "incus" {
			t.Errorf("asked what a candidate of %q is called", c.Runtime)
		}
		c.Name, c.Metadata.Image = name, "debian/"+name
		return opinion
	}}
	kind := KindContainer
	h := &host{clock: &clock{at: time.Unix(1_700_000_000, 0)}}
	h.Registry = NewRegistry(Config{
		Resolvers: []Resolver{resolver(func(c *Candidate) Opinion { c.Kind, c.Runtime = kind, "incus"; return Settled })},
		Namers:    []Namer{n}, Now: h.clock.now,
	})
	h.Found("a", container("a", 1, using(1, 1)))
	if n.expected != 1 {
		t.Errorf("told %d times of a newcomer", n.expected)
	}
	h.expect(t)
	h.clock.pass(5*time.Second - 1)
	// It ran already, and there may be a thousand of them to ask for.
	h.expect(t)
	h.Found("new", container("new", 9, using(1, 1)))
	h.expect(t)
	h.clock.pass(1)
	w := h.expect(t, "incus/a/c1")[0]
	h.clock.pass(time.Second - 1)
	h.expect(t, "incus/a/c1", "incus/new/c1")
	h.Gone("new")
	if w.Metadata.Image != "debian/c1" {
		t.Errorf("%+v", w.Metadata)
	}
	opinion, name = Settled, "c2"
	h.Changed("a")
	h.expect(t, "incus/a/c1")
	// What it is may become known later, and it keeps its name then too.
	kind = KindVM
	h.Changed("a")
	w = h.expect(t, "incus/a/c1")[0]
	if w.Kind != KindVM || w.Metadata.Image != "debian/c1" {
		t.Errorf("%s %+v", w.Kind, w.Metadata)
	}
	h.Found("b", container("b", 2, using(1, 1)))
	h.expect(t, "incus/a/c1", "incus/b/c2")
}

func TestCollidingLabels(t *testing.T) {
	h, first := newHost(), using(1, 1)
	h.Found("u1", container("c1", 11, first))
	h.expect(t, "docker/c1/c1")
	h.Found("u0", container("c1", 12, using(1, 1)))
	h.expect(t, "docker/c1/c1", "docker/c1~12/c1")
	h.Gone("u1")
	h.expect(t, "docker/c1~12/c1")
	h.Found("u2", container("c1", 13, using(1, 1)))
	h.expect(t, "docker/c1/c1", "docker/c1~12/c1")
	h.Found("u3", container("c1~12", 14, using(1, 1)))
	h.expect(t, "docker/c1/c1", "docker/c1~12/c1", "docker/c1~12~14/c1~12")
	h.Found("u4", container("c1~15", 16, using(1, 1)))
	h.Refresh()
	h.Found("u5", container("c1", 15, using(1, 1)))
	h.expect(t, "docker/c1/c1", "docker/c1~12/c1", "docker/c1~12~14/c1~12", "docker/c1~15/c1~15", "docker/c1~16/c1")
}

// A machine that is started again gets its labels back, though the group of
// the last run is still being removed.
func TestRestartBesideTheOldGroup(t *testing.T) {
	h, old := newHost(), using(1, 1)
	h.Found("run1", container("c1", 11, old))
	h.expect(t, "docker/c1/c1")
	old.stopped.Store(true)
	h.Found("run2", container("c1", 12, using(2, 2)))
	if w := h.expect(t, "docker/c1/c1")[0]; w.Inode != 12 {
		t.Error("the old run is shown")
	}
	h.Gone("run1")
	h.expect(t, "docker/c1/c1")
}

func TestNewRunUnderTheSameKey(t *testing.T) {
	for _, gone := range []bool{false, true} {
		h := newHost()
		h.Found("a", container("a", 1, using(1, 1)))
		first := h.expect(t, "docker/a/a")[0]
		h.Found("a", container("a", 1, using(9, 9)))
		if h.expect(t, "docker/a/a")[0] != first {
			t.Error("the same run is another workload")
		}
		if gone {
			h.Gone("a")
		}
		h.Found("a", container("a", 2, using(5, 5)))
		next := h.expect(t, "docker/a/a")[0]
		if u := read(t, next); next == first || next.Inode != 2 || u.CPU.Usage != Known(5) {
			t.Errorf("gone %v: the new run is inode %d with %v", gone, next.Inode, u.CPU.Usage)
		}
	}
}

func TestOrderAndOldLists(t *testing.T) {
	h := newHost()
	for i, id := range []string{"b", "a", "c"} {
		h.Found(id, container(id, uint64(i+1), using(1, 1)))
	}
	old := h.expect(t, "docker/a/a", "docker/b/b", "docker/c/c")
	h.Gone("b")
	h.expect(t, "docker/a/a", "docker/c/c")
	if len(old) != 3 || old[1].ID != "b" {
		t.Error("a list that a reader holds was changed")
	}
}

type failing struct{ r *Registry }

func (s failing) Sync() error {
	s.r.Report("b", false)
	return ErrGone
}

type finding struct{ r *Registry }

func (s finding) Sync() error {
	s.r.Found("a", container("a", 1, using(1, 1)))
	s.r.Report("a", true)
	return nil
}

func TestSourcesAndStatuses(t *testing.T) {
	h := newHost()
	h.Add(failing{h.Registry})
	h.Add(finding{h.Registry})
	h.expect(t, "docker/a/a")
	heard := h.clock.now()
	h.clock.pass(time.Minute)
	// It fails once, however often that is told; one that never was up has not failed.
	h.Report("a", false)
	h.Report("a", false)
	got := h.Statuses()
	if len(got) != 2 || got[0] != (Status{Source: "a", Heard: heard, Failures: 1}) || got[1] != (Status{Source: "b"}) {
		t.Errorf("statuses are %+v", got)
	}
}

func TestUndecided(t *testing.T) {
	h := newHost(resolver(func(*Candidate) Opinion { return Wait }))
	h.Found("a", container("a", 1, using(1, 1)))
	idle := using(1, 1)
	idle.stopped.Store(true)
	h.Found("never", container("never", 2, idle))
	for _, step := range []struct {
		pass      time.Duration
		undecided int
	}{{0, 1}, {time.Second - 1, 1}, {1, 0}} {
		h.clock.pass(step.pass)
		h.Refresh()
		if got := h.Undecided(); got != step.undecided {
			t.Errorf("%v later: %d undecided, want %d", step.pass, got, step.undecided)
		}
	}
}
