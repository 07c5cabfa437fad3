package workload

import (
	"errors"
	"testing"
	"time"
)

func machine(uuid, name string, id int) Machine {
	m := Machine{UUID: uuid, Name: name, DomainID: id}
	m.Stats.CPUTime, m.Stats.RunDelay = Known(uint64(id)*100), Known(uint64(id))
	return m
}

func TestMachinesJoin(t *testing.T) {
	told := func(uuid string) resolver {
		return func(c *Candidate) Opinion { c.ID = uuid; return Settled }
	}
	private := domain("vm", 3, nil)
	private.Domain.Private = true
	nameless := domain("vm", 0, nil)
	for _, tt := range []struct {
		name      string
		candidate Candidate
		resolvers []Resolver
		machine   Machine
		joins     bool
	}{
		{"by UUID", domain("vm", 3, nil), []Resolver{told(uuid1)}, machine(uuid1, "vm", 3), true},
		{"by number", domain("vm", 3, nil), nil, machine(uuid1, "vm", 3), true},
		{"not by another's number", domain("vm", 3, nil), nil, machine(uuid1, "vm", 4), false},
		{"not by number against the UUID", domain("vm", 3, nil), []Resolver{told(uuid2)}, machine(uuid1, "vm", 3), false},
		{"not by a private number", private, nil, machine(uuid1, "vm", 3), false},
		{"by cgroup", private, nil, Machine{UUID: uuid1, DomainID: 7, Cgroup: "/machine/vm/libvirt/emulator"}, true},
		{"by the cgroup itself", nameless, nil, Machine{UUID: uuid1, DomainID: 7, Cgroup: "/machine/vm"}, true},
		{"not by a longer name", nameless, nil, Machine{UUID: uuid1, DomainID: 7, Cgroup: "/machine/vm2", Stats: MachineStats{CPUTime: Known(1)}}, false},
		{"not by name", nameless, nil, machine(uuid1, "vm", 3), false},
	} {
		for _, late := range []bool{false, true} {
			h := newHost(tt.resolvers...)
			tt.candidate.Group = using(1, 1)
			if !late {
				h.SetMachines([]Machine{tt.machine})
			}
			h.Found("a", tt.candidate)
			h.Refresh()
			h.clock.pass(time.Second)
			h.Refresh()
			if late {
				h.SetMachines([]Machine{tt.machine})
			}
			joined, alone := false, false
			for _, w := range h.Refresh() {
				joined = joined || w.Origin == OriginCgroup && w.Machine() != nil
				alone = alone || w.Origin == OriginLibvirt
			}
			if joined != tt.joins || alone == tt.joins {
				t.Errorf("%s, late %v: joined %v, alone %v", tt.name, late, joined, alone)
			}
		}
	}
}

func TestLibvirtNamesTheMachine(t *testing.T) {
	h := newHost()
	h.Found("a", domain("cut-na", 3, using(1, 1)))
	h.expect(t)
	h.SetMachines([]Machine{machine(uuid1, "cut-name", 3)})
	h.expect(t, "libvirt/"+uuid1+"/cut-name")
	h.SetMachines(nil)
	h.expect(t, "libvirt/"+uuid1+"/cut-name")
}

func TestMachineWithoutCgroup(t *testing.T) {
	h := newHost()
	h.SetMachines([]Machine{machine(uuid1, "session", 3)})
	w := h.expect(t, "libvirt/"+uuid1+"/session")[0]
	if u := read(t, w); w.Origin != OriginLibvirt || u.CPU.Usage != Known(300) || u.Memory.Resident != (Value{}) {
		t.Errorf("%s: %+v", w.Origin, u)
	}
	h.SetMachines([]Machine{machine(uuid1, "session", 3)})
	if h.expect(t, "libvirt/"+uuid1+"/session")[0] != w {
		t.Error("the same run is another workload")
	}
	h.SetMachines([]Machine{machine(uuid1, "session", 4)})
	next := h.expect(t, "libvirt/"+uuid1+"/session")[0]
	var u Usage
	if next == w || !errors.Is(w.Read(&u), ErrGone) {
		t.Error("a new run is the old workload")
	}
	h.SetMachines(nil)
	if !errors.Is(next.Read(&u), ErrGone) {
		t.Error("a reader of the old list is told of a machine that ended")
	}
	h.expect(t)
}

// libvirt's list may be older than the tree: what had a group never comes back
// as one that had none.
func TestVanishedGroupDoesNotReappear(t *testing.T) {
	list := func(h *host) { h.SetMachines([]Machine{machine(uuid1, "vm", 3)}) }
	found := func(h *host) { h.Found("a", domain("vm", 3, using(1, 1))) }
	gone := func(h *host) { h.Gone("a") }
	refresh := func(h *host) { h.Refresh() }
	wait := func(h *host) { h.clock.pass(30 * time.Second) }
	for name, steps := range map[string][]func(*host){
		"settled":                {list, found, refresh, gone},
		"settled, listed again":  {list, found, refresh, gone, list, refresh, list},
		"unsettled":              {found, refresh, list, gone},
		"between two scrapes":    {list, found, gone},
		"listed after its end":   {found, refresh, gone, refresh, list},
		"listed long after":      {found, gone, wait, list},
		"listed, silent, listed": {list, found, refresh, gone, list, wait, list},
		"replaced by another run": {list, found, refresh, func(h *host) {
			h.Found("a", Candidate{Inode: 99, Group: &fakeGroup{}})
			h.Gone("a")
		}},
	} {
		h := newHost()
		for _, step := range steps {
			step(h)
		}
		if got := h.Refresh(); len(got) != 0 {
			t.Errorf("%s: %+v is back", name, got[0].Identity)
		}
		// The next run is another, with a group or without.
		h.SetMachines([]Machine{machine(uuid1, "vm", 4)})
		h.expect(t, "libvirt/"+uuid1+"/vm")
		h.clock.pass(2 * formerAge)
		h.SetMachines(nil)
		if len(h.joined)+len(h.former) != 0 {
			t.Errorf("%s: %v and %v are remembered for ever", name, h.joined, h.former)
		}
	}
}

// libvirt writes the PID file a moment after it lists the domain.
func TestCgroupBecomesKnown(t *testing.T) {
	h, c := newHost(), domain("vm", 3, using(1, 1))
	c.Domain.Private = true
	h.Found("a", c)
	h.Refresh()
	h.clock.pass(time.Second)
	m := machine(uuid1, "vm", 7)
	h.SetMachines([]Machine{m})
	h.expect(t, "libvirt/"+uuid1+"/vm", "libvirt/vm/vm")
	m.Cgroup = c.Cgroup + "/libvirt"
	h.SetMachines([]Machine{m})
	h.expect(t, "libvirt/vm/vm")
}

func TestProcessGivesWayToLibvirt(t *testing.T) {
	h := newHost()
	h.Found("process:1", Candidate{Identity: Identity{KindVM, "libvirt", uuid1, "s"}, Origin: OriginProcess, Inode: 5, Group: using(1, 1)})
	h.Found("process:2", Candidate{Identity: Identity{KindVM, "incus", "p_v", "v"}, Origin: OriginProcess, Inode: 6, Group: using(1, 1)})
	origin := func(want Origin) {
		t.Helper()
		if w := h.expect(t, "incus/p_v/v", "libvirt/"+uuid1+"/s")[1]; w.Origin != want {
			t.Errorf("origin %s, want %s", w.Origin, want)
		}
	}
	origin(OriginProcess)
	h.SetMachines([]Machine{machine(uuid1, "s", 1)})
	origin(OriginLibvirt)
	h.clock.pass(5 * time.Minute)
	origin(OriginLibvirt)
	// libvirt has been silent for too long.
	h.clock.pass(1)
	origin(OriginProcess)
	h.SetMachines([]Machine{machine(uuid1, "s", 1)})
	origin(OriginLibvirt)
	h.SetMachines(nil)
	origin(OriginProcess)
}

func TestStatsMaxAge(t *testing.T) {
	h := newHost()
	h.Found("a", domain("vm", 3, using(1, 1)))
	h.SetMachines([]Machine{machine(uuid1, "vm", 3)})
	w := h.expect(t, "libvirt/"+uuid1+"/vm")[0]
	if u := read(t, w); u.VM.RunDelay != Known(3) {
		t.Errorf("run delay %v", u.VM.RunDelay)
	}
	h.clock.pass(5*time.Minute + 1)
	if h.expect(t, "libvirt/"+uuid1+"/vm")[0] != w || w.Machine() != nil {
		t.Error("what libvirt said long ago is served")
	}
	if u := read(t, w); u.VM.RunDelay != (Value{}) || u.CPU.Usage != Known(1) {
		t.Errorf("run delay %v, CPU %v", u.VM.RunDelay, u.CPU.Usage)
	}
}

// While libvirt's list is replaced, a reader sees the old or the new.
func TestNoFlickerWhileListsChange(t *testing.T) {
	h := newHost()
	h.Found("a", domain("vm", 3, using(1, 1)))
	h.Refresh()
	h.clock.pass(time.Second)
	h.expect(t, "libvirt/vm/vm")
	list := func() { h.SetMachines([]Machine{machine(uuid1, "vm", 3)}) }
	list()
	w := h.expect(t, "libvirt/vm/vm")[0]
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			list()
		}
	}()
	for {
		if w.Machine() == nil {
			t.Fatal("a reader lost the machine for a moment")
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// TestMachineWithoutNumbersYet has libvirt list a machine before it has asked
// the monitor for its numbers: what was there before serves until then.
func TestMachineWithoutNumbersYet(t *testing.T) {
	h := newHost()
	listed := Machine{UUID: uuid1, Name: "vm", DomainID: 3}
	h.SetMachines([]Machine{listed})
	h.expect(t)
	h.Found("process:1", Candidate{
		Identity: Identity{Kind: KindVM, Runtime: "libvirt", ID: uuid1, Name: "vm"}, Origin: OriginProcess, Inode: 1, Group: using(1, 1),
	})
	if w := h.expect(t, "libvirt/"+uuid1+"/vm"); w[0].Origin != OriginProcess {
		t.Errorf("origin %s before libvirt has numbers", w[0].Origin)
	}
	told := listed
	told.Stats.CPUTime = Known(7)
	h.SetMachines([]Machine{told})
	if w := h.expect(t, "libvirt/"+uuid1+"/vm"); w[0].Origin != OriginLibvirt {
		t.Errorf("origin %s with libvirt's numbers", w[0].Origin)
	}
	// A monitor that is stuck makes the numbers old, and takes nothing away.
	h.SetMachines([]Machine{listed})
	if w := h.expect(t, "libvirt/"+uuid1+"/vm"); w[0].Origin != OriginLibvirt {
		t.Errorf("origin %s once libvirt has no fresh numbers", w[0].Origin)
	}
}
