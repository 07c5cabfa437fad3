package workload

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeGroup is a group in which the test decides what happens.
type fakeGroup struct {
	stopped atomic.Bool
	mu      sync.Mutex
	usage   Usage
	err     error
	inside  string
}

func (g *fakeGroup) Read(u *Usage) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped.Load() {
		return ErrGone
	}
	if g.err == nil {
		*u = g.usage
	}
	return g.err
}

func (g *fakeGroup) Running() bool { return !g.stopped.Load() }

func (g *fakeGroup) Holds(fullID string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside != "" && strings.Contains(g.inside, fullID)
}

func (g *fakeGroup) set(change func(g *fakeGroup)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

// using is a group that has used so much CPU time and memory.
func using(cpu, memory uint64) *fakeGroup {
	g := &fakeGroup{}
	g.usage.CPU.Usage, g.usage.Memory.Resident = Known(cpu), Known(memory)
	return g
}

// clock is a time that passes when the test says so.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// resolver is a Resolver made of a function.
type resolver func(c *Candidate) Opinion

func (f resolver) Resolve(c *Candidate) Opinion { return f(c) }

// host is a Registry and its clock.
type host struct {
	*Registry
	clock *clock
}

func newHost(resolvers ...Resolver) *host {
	c := &clock{at: time.Unix(1_700_000_000, 0)}
	return &host{NewRegistry(Config{Resolvers: resolvers, Now: c.now}), c}
}

func container(id string, inode uint64, g Group) Candidate {
	return Candidate{
		Identity: Identity{KindContainer, "docker", id, id}, Origin: OriginCgroup,
		Cgroup: "/docker/" + id, Inode: inode, Group: g,
	}
}

const (
	uuid1 = "8a0fe0b5-3c53-4f5b-9d0c-2b7b3e4f5a6b"
	uuid2 = "0e2f8f5e-6d4f-4c2b-9c53-6d4e5dc16755"
)

// domain is a libvirt machine's group as its path tells it: no UUID.
func domain(name string, id int, g Group) Candidate {
	return Candidate{
		Identity: Identity{Kind: KindVM, Runtime: "libvirt", Name: name}, Origin: OriginCgroup,
		Cgroup: "/machine/" + name, Inode: uint64(id), Domain: Domain{Driver: "qemu", ID: id}, Group: g,
	}
}

// expect compares what runs with runtime/id, in order.
func (h *host) expect(t *testing.T, want ...string) []*Workload {
	t.Helper()
	list := h.Refresh()
	got := make([]string, 0, len(list))
	for _, w := range list {
		got = append(got, w.Runtime+"/"+w.ID+"/"+w.Name)
	}
	if a, b := strings.Join(got, " "), strings.Join(want, " "); a != b {
		t.Fatalf("runs %q, want %q", a, b)
	}
	return list
}

func read(t *testing.T, w *Workload) Usage {
	t.Helper()
	var u Usage
	if err := w.Read(&u); err != nil {
		t.Fatal(err)
	}
	return u
}
