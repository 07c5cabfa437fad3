package workload

import (
	"errors"
	"testing"
)

func TestOverheadFindsItsOwner(t *testing.T) {
	const full = "0123456789abcdef"
	for _, tt := range []struct {
		name  string
		owner Owner
		found bool
	}{
		{"by full id", Owner{FullID: full}, true},
		{"by id", Owner{FullID: "b"}, false},
		{"by cgroup", Owner{Cgroup: "/docker/a"}, true},
		{"by cgroup, when the id is nobody's", Owner{FullID: "nobody", Cgroup: "/docker/a"}, true},
		{"by what is inside", Owner{FullID: "inner"}, true},
		{"of nobody", Owner{}, false},
		{"of somebody who is gone", Owner{Cgroup: "/docker/z"}, false},
	} {
		for _, first := range []bool{false, true} {
			h, g := newHost(), using(1, 1)
			c := container("a", 1, g)
			c.FullID = full
			// What is inside is known once the group was read.
			inside := func() { g.set(func(g *fakeGroup) { g.inside = "cri-inner.scope" }) }
			if first {
				h.FoundOverhead("m", tt.owner, using(7, 3))
				h.Refresh()
			}
			h.Found("a", c)
			h.Found("p", Candidate{Identity: Identity{KindVM, "qemu", "q", "q"}, Origin: OriginProcess, Group: using(1, 1)})
			h.Refresh()
			if !first {
				h.FoundOverhead("m", tt.owner, using(7, 3))
				h.Refresh()
			}
			inside()
			list := h.expect(t, "docker/a/a", "qemu/q/q")
			u, other := read(t, list[0]), read(t, list[1])
			if (u.Overhead.CPU == Known(7) && u.Overhead.Memory == Known(3)) != tt.found || other.Overhead != (Overhead{}) {
				t.Errorf("%s, helper first %v: overhead %v, another's %v", tt.name, first, u.Overhead, other.Overhead)
			}
			if u.CPU.Usage != Known(1) || u.Memory.Resident != Known(1) {
				t.Errorf("%s: overhead is folded into the rest: %v, %v", tt.name, u.CPU.Usage, u.Memory.Resident)
			}
		}
	}
}

// A container that is made in a pod long after the pod, and after its shim.
func TestOverheadOfALateContainer(t *testing.T) {
	h, g := newHost(), using(1, 1)
	h.Found("pod", container("pod", 1, g))
	h.FoundOverhead("shim", Owner{FullID: "inner"}, using(7, 3))
	for range 10 {
		h.Refresh()
	}
	g.set(func(g *fakeGroup) { g.inside = "inner" })
	h.Changed("pod")
	if u := read(t, h.expect(t, "docker/pod/pod")[0]); u.Overhead.CPU != Known(7) {
		t.Errorf("overhead %v", u.Overhead)
	}
}

func TestOverheadIsACounter(t *testing.T) {
	h := newHost()
	h.Found("a", container("a", 1, using(1, 1)))
	one, two := using(7, 3), using(20, 4)
	h.FoundOverhead("1", Owner{Cgroup: "/docker/a"}, one)
	h.FoundOverhead("2", Owner{Cgroup: "/docker/a"}, two)
	absent := Value{}
	expect := func(step string, cpu, memory Value) {
		t.Helper()
		if u := read(t, h.expect(t, "docker/a/a")[0]); u.Overhead != (Overhead{cpu, memory}) {
			t.Errorf("%s: %v, want %v, %v", step, u.Overhead, cpu, memory)
		}
	}
	expect("two", Known(27), Known(7))
	two.stopped.Store(true)
	expect("one ended", Known(27), Known(3))
	h.FoundOverhead("0", Owner{Cgroup: "/docker/a"}, using(0, 1))
	expect("another came meanwhile", Known(27), Known(4))
	h.GoneOverhead("0")
	h.GoneOverhead("2")
	expect("and is gone", Known(27), Known(3))
	h.Found("b", container("b", 2, using(1, 1)))
	h.Gone("b")
	expect("others come and go", Known(27), Known(3))
	h.FoundOverhead("3", Owner{Cgroup: "/docker/a"}, using(1, 1))
	expect("another took its place", Known(28), Known(4))
	one.set(func(g *fakeGroup) { g.err = errors.New("too many open files") })
	expect("one cannot be read", Unreadable(), Unreadable())
	for _, key := range []string{"1", "3", "nobody"} {
		h.GoneOverhead(key)
	}
	expect("none is left", absent, absent)
}

func TestOverheadFollowsAPromotion(t *testing.T) {
	kind := KindContainer
	h := newHost(resolver(func(c *Candidate) Opinion { c.Kind = kind; return Settled }))
	h.Found("a", container("a", 1, using(1, 1)))
	h.FoundOverhead("1", Owner{FullID: "a"}, using(7, 3))
	h.FoundOverhead("2", Owner{FullID: "a"}, using(20, 3))
	read(t, h.expect(t, "docker/a/a")[0])
	h.GoneOverhead("2")
	h.Refresh()
	kind = KindVM
	h.Changed("a")
	if w := h.expect(t, "docker/a/a")[0]; w.Kind != KindVM || read(t, w).Overhead.CPU != Known(27) {
		t.Errorf("%s has overhead %v", w.Kind, read(t, w).Overhead)
	}
}

func TestOverheadFollowsAUnion(t *testing.T) {
	h := newHost()
	for i, key := range []string{"/good/a", "/bad/a"} {
		c := container("a", uint64(i+1), using(1, 1))
		c.Shared, c.Cgroup = true, key
		h.Found(key, c)
		h.FoundOverhead(key, Owner{Cgroup: key}, using(7, 3))
		if want := Known(7 * uint64(i+1)); read(t, h.expect(t, "docker/a/a")[0]).Overhead.CPU != want {
			t.Errorf("%d groups have not %v", i+1, want)
		}
	}
	h.GoneOverhead("/bad/a")
	h.Gone("/bad/a")
	// Another lead, and one helper less.
	if u := read(t, h.expect(t, "docker/a/a")[0]); u.Overhead != (Overhead{Known(14), Known(3)}) {
		t.Errorf("overhead %v", u.Overhead)
	}
}

// The new run has its own overhead, and nothing of the last one's.
func TestOverheadOfANewRun(t *testing.T) {
	h := newHost()
	h.Found("a", container("a", 1, using(1, 1)))
	h.FoundOverhead("1", Owner{FullID: "a"}, using(7, 3))
	h.FoundOverhead("2", Owner{FullID: "a"}, using(20, 3))
	read(t, h.expect(t, "docker/a/a")[0])
	h.GoneOverhead("2")
	h.Refresh()
	h.Found("a", container("a", 2, using(1, 1)))
	if u := read(t, h.expect(t, "docker/a/a")[0]); u.Overhead.CPU != Known(7) {
		t.Errorf("overhead %v", u.Overhead)
	}
}
