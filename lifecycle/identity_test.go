package lifecycle

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// inside is a Group that runs.
type inside struct{}

func (inside) Read(*workload.Usage) error { return nil }
func (inside) Running() bool              { return true }
func (inside) Holds(string) bool          { return false }

// promoted is a Resolver that finds a machine in every container.
type promoted struct{}

func (promoted) Resolve(c *workload.Candidate) workload.Opinion {
	if c.Kind == workload.KindContainer {
		c.Kind, c.Runtime = workload.KindVM, "kata"
	}
	return workload.Settled
}

func registered(e workload.Event, resolvers ...workload.Resolver) *workload.Registry {
	r := workload.NewRegistry(workload.Config{Resolvers: resolvers, Patience: time.Nanosecond})
	r.Found(e.Cgroup, workload.Candidate{
		Identity: e.Identity, Origin: workload.OriginCgroup, Cgroup: e.Cgroup, Inode: e.Inode, Domain: e.Domain, Group: inside{},
	})
	return r
}

// TestIdentityOfTheRegistry has a pod turn out to be a machine.
func TestIdentityOfTheRegistry(t *testing.T) {
	s := newStage(t, nil)
	s.play(`
		1s created   docker a 1
		2s populated docker a 1`)
	s.want("")
	list := registered(group("", 0, "docker", "a", "1", ""), promoted{}).Refresh()
	s.Settle(list)
	s.play(`3s empty docker a 1`)
	s.want(`
		vm kata: created
		vm kata: started
		missed create_to_started no_source
		vm kata: stopped
		missed stop no_source
		missed exit unknown`)
}

// TestNobodyScrapes has more happen than is held back for an identity.
func TestNobodyScrapes(t *testing.T) {
	s := newStage(t, nil)
	s.play(`1s created docker a 1`)
	for range 100 {
		s.play(`2s oom_kill docker a 1`)
	}
	if n := len(s.groups["/docker/a"].pending); n >= maxPending || len(s.rec.lines) < 80 {
		t.Errorf("%d pending, %d told", n, len(s.rec.lines))
	}
}

func TestOf(t *testing.T) {
	s := newStage(t, nil)
	e := group("", 0, "docker", "a", "1", "")
	list := registered(e).Refresh()
	s.play(`
		1s    created   docker a 1
		1.25s populated docker a 1`)
	s.Settle(list)
	want := workload.Lifecycle{Started: workload.Known(year*1e9 + 1.25e9), CreateToStarted: workload.Known(0.25e9)}
	if diff := cmp.Diff(want, s.Of(list[0]), cmp.AllowUnexported(workload.Value{})); diff != "" {
		t.Error(diff)
	}
	// The same path with another inode is another run.
	e.Inode = 2
	if got := s.Of(registered(e).Refresh()[0]); got != (workload.Lifecycle{}) {
		t.Errorf("another run has %+v", got)
	}
	s.play(`
		2s empty docker a 1
		3s populated docker a 1`)
	want = workload.Lifecycle{Started: workload.Known(year*1e9 + 3e9), Reboot: workload.Known(1e9)}
	if diff := cmp.Diff(want, s.Of(list[0]), cmp.AllowUnexported(workload.Value{})); diff != "" {
		t.Error(diff)
	}
}

// TestOfMachine has a domain that ran before libvirt could tell of it, and one without a cgroup.
func TestOfMachine(t *testing.T) {
	s := newStage(t, nil)
	registry := registered(group("", 0, "libvirt", "7", "10", ""))
	registry.SetMachines([]workload.Machine{
		{UUID: "vm", Name: "vm", DomainID: 7},
		{UUID: "alone", Name: "alone", DomainID: 8, Stats: workload.MachineStats{CPUTime: workload.Known(1)}},
	})
	list := registry.Refresh()
	s.play(`
		1s created   libvirt 7 10 adopted
		1s populated libvirt 7 10 adopted
		2s started   alone 8 booted
		3s agent_connected alone 8 channel`)
	s.Settle(list)
	for _, w := range list {
		want := workload.Lifecycle{}
		if w.ID == "alone" {
			want = workload.Lifecycle{Started: workload.Known(year*1e9 + 2e9), StartToGuestUp: workload.Known(1e9)}
		}
		if got := s.Of(w); got != want {
			t.Errorf("%s: %+v", w.ID, got)
		}
	}
	// The daemon is gone and the group with it: the end is known to be missed.
	s.rec.lines = nil
	s.play(`
		9s removed libvirt 7 10
		10s scrape
		100s scrape`)
	s.want(`
		vm libvirt: removed
		missed exit unheard
		missed exit unheard`)
	if len(s.machines)+len(s.groups)+len(s.numbered)+len(s.open) != 0 {
		t.Errorf("left: %v %v %v %v", s.machines, s.groups, s.numbered, s.open)
	}
}

// TestBounded has more runs than are kept track of, and more ends.
func TestBounded(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Max = 3 })
	for n := range 5 {
		s.play(fmt.Sprintf("1s created docker c%d %d", n, n))
		s.play(fmt.Sprintf("1s started vm%d %d booted", n, n+100))
	}
	if n := len(s.groups) + len(s.machines); n != 3 {
		t.Errorf("%d runs", n)
	}
	missed := 0
	for _, line := range s.rec.lines {
		if line == "missed any too_many" {
			missed++
		}
	}
	if missed != 7 {
		t.Errorf("%d of 7 missed", missed)
	}

	s = newStage(t, func(c *Config) { c.Max = 3 })
	for n := range 10 {
		id := fmt.Sprint("c", n)
		s.play("1s created docker " + id + " 1\n1s populated docker " + id + " 1\n2s removed docker " + id + " 1")
		s.play("2s created docker " + id + " 1\n2s populated docker " + id + " 1\n3s empty docker " + id + " 1\n3s removed docker " + id + " 1")
	}
	if len(s.ended.last) != 3 || len(s.ended.queue) != 3 {
		t.Errorf("%d ends, %d in the queue", len(s.ended.last), len(s.ended.queue))
	}
	s.play(`400s scrape`)
	if len(s.ended.last) != 0 || len(s.ended.queue) != 0 {
		t.Errorf("%d ends, %d in the queue after all that time", len(s.ended.last), len(s.ended.queue))
	}
	if len(s.groups)+len(s.open) != 0 {
		t.Errorf("left: %v %v", s.groups, s.open)
	}
}

// TestOneClock has two sources whose events come in another order than they happened.
func TestOneClock(t *testing.T) {
	s := newStage(t, nil)
	s.play(`
		5s created libvirt 7 10
		4s started vm 7 booted`)
	s.want(`
		vm libvirt: created
		vm libvirt: started
		missed create_to_started order`)
}
