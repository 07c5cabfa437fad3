package workload

import (
	"errors"
	"testing"
	"time"
)

func TestAddMachine(t *testing.T) {
	const mib = 1 << 20
	group := func(change func(u *Usage)) Usage {
		var u Usage
		u.CPU.Usage, u.CPU.Capacity = Known(100*core), Known(8*core)
		u.Memory.Resident, u.Memory.GuestBacking = Known(900*mib), Known(700*mib)
		u.Memory.Capacity = Known(4096 * mib)
		if change != nil {
			change(&u)
		}
		return u
	}
	vcpus := func(u *Usage) { u.VM.VCPUs, u.VM.VCPUTime = Known(2), Known(60*core) }
	machine := &Machine{Stats: MachineStats{
		CPUTime: Known(99 * core), VCPUTime: Known(50 * core), VCPUs: Known(4), Maximum: Known(512 * mib),
		RunDelay: Known(7), Balloon: Known(256 * mib), Guest: GuestMemory{Total: Known(1)},
	}}
	type want struct{ vcpus, vcpuTime, emulator, overhead, cpus, memory Value }
	for _, tt := range []struct {
		name string
		u    Usage
		m    *Machine
		want want
	}{
		{"no libvirt", group(vcpus), nil, want{
			Known(2), Known(60 * core), Known(40 * core), Value{}, Known(2 * core), Known(4096 * mib),
		}},
		{"no libvirt and no vCPU groups", group(nil), nil, want{cpus: Known(8 * core), memory: Known(4096 * mib)}},
		{"both", group(vcpus), machine, want{
			Known(4), Known(60 * core), Known(40 * core), Known(388 * mib), Known(4 * core), Known(512 * mib),
		}},
		{"libvirt alone has the split", group(nil), machine, want{
			Known(4), Known(50 * core), Known(49 * core), Known(388 * mib), Known(4 * core), Known(512 * mib),
		}},
		{"less was touched than configured", group(func(u *Usage) { u.Memory.GuestBacking = Known(300 * mib) }), machine, want{
			Known(4), Known(50 * core), Known(49 * core), Known(600 * mib), Known(4 * core), Known(512 * mib),
		}},
		{"nobody knows what was touched", group(func(u *Usage) { u.Memory.GuestBacking = Value{} }), machine, want{
			Known(4), Known(50 * core), Known(49 * core), Value{}, Known(4 * core), Known(512 * mib),
		}},
		{"a vCPU cannot be read", group(func(u *Usage) { u.VM.VCPUTime = Unreadable() }), machine, want{
			Known(4), Unreadable(), Unreadable(), Known(388 * mib), Known(4 * core), Known(512 * mib),
		}},
		{"libvirt never heard of it", group(nil), &Machine{}, want{cpus: Known(8 * core), memory: Known(4096 * mib)}},
	} {
		u := tt.u
		u.addMachine(tt.m)
		got := want{u.VM.VCPUs, u.VM.VCPUTime, u.VM.EmulatorTime, u.VM.MemoryOverhead, u.CPU.Capacity, u.Memory.Capacity}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if u.CPU.Usage != Known(100*core) || u.Memory.Resident != Known(900*mib) {
			t.Errorf("%s: libvirt changes what the host sees", tt.name)
		}
	}
}

func TestPaused(t *testing.T) {
	for _, tt := range []struct {
		frozen bool
		m      *Machine
		want   bool
	}{
		{false, nil, false},
		{true, nil, true},
		{false, &Machine{Paused: true}, true},
		{true, &Machine{}, true},
		{false, &Machine{}, false},
	} {
		u := Usage{Paused: tt.frozen}
		if u.addMachine(tt.m); u.Paused != tt.want {
			t.Errorf("frozen %v, machine %+v: paused %v", tt.frozen, tt.m, u.Paused)
		}
	}
}

func TestAdd(t *testing.T) {
	full := func(n uint64) Usage {
		var u Usage
		for i, c := range u.counters() {
			*c = Known(n + uint64(i))
		}
		m := &u.Memory
		for _, v := range []*Value{
			&m.Resident, &m.WorkingSet, &m.Unreclaimable, &m.Swap, &m.GuestBacking, &m.Peak, &m.Limit, &m.Capacity,
			&u.CPU.Limit, &u.CPU.Capacity, &u.Tasks,
		} {
			*v = Known(n)
		}
		u.Paused, u.Spent[SubjectCPU] = true, time.Second
		return u
	}
	u, v := full(100), full(200)
	v.Paused = false
	u.add(&v)
	for i, c := range u.counters() {
		if want := Known(300 + 2*uint64(i)); *c != want {
			t.Errorf("counter %d is %v, want %v", i, *c, want)
		}
	}
	m := u.Memory
	for i, got := range []Value{m.Resident, m.WorkingSet, m.Unreclaimable, m.Swap, m.GuestBacking, u.Tasks} {
		if got != Known(300) {
			t.Errorf("gauge %d is %v", i, got)
		}
	}
	absent := Value{}
	if m.Peak != absent || m.Limit != absent || u.CPU.Limit != absent {
		t.Errorf("the whole has peak %v and limits %v, %v, which nobody said", m.Peak, m.Limit, u.CPU.Limit)
	}
	if m.Capacity != Known(200) || u.CPU.Capacity != Known(200) {
		t.Errorf("capacity is %v, %v", m.Capacity, u.CPU.Capacity)
	}
	if u.Paused || u.Spent[SubjectCPU] != 2*time.Second {
		t.Errorf("paused %v, spent %v", u.Paused, u.Spent)
	}
	a, b := full(100), full(100)
	if a.add(&b); a.CPU.Limit != Known(100) || a.Memory.Limit != Known(100) {
		t.Errorf("a limit that both have is %v, %v", a.CPU.Limit, a.Memory.Limit)
	}
}

// The vCPUs are read after the whole: how long after, changes.
func TestEmulatorTimeNeverFalls(t *testing.T) {
	h, g := newHost(), using(100, 1)
	h.Found("a", Candidate{Identity: Identity{KindVM, "proxmox", "100", "a"}, Origin: OriginCgroup, Group: g})
	w := h.expect(t, "proxmox/100/a")[0]
	for _, tt := range []struct{ usage, vcpus, want uint64 }{{100, 60, 40}, {200, 165, 40}, {300, 250, 50}} {
		g.set(func(g *fakeGroup) { g.usage.CPU.Usage, g.usage.VM.VCPUTime = Known(tt.usage), Known(tt.vcpus) })
		if u := read(t, w); u.VM.EmulatorTime != Known(tt.want) {
			t.Errorf("emulator used %v, want %d", u.VM.EmulatorTime, tt.want)
		}
	}
	g.set(func(g *fakeGroup) { g.usage.VM.VCPUTime = Unreadable() })
	if u := read(t, w); u.VM.EmulatorTime != Unreadable() {
		t.Errorf("emulator used %v without a reading", u.VM.EmulatorTime)
	}
}

func TestUnionIsOneWorkload(t *testing.T) {
	h := newHost()
	shared := func(key string, inode uint64, g Group) {
		c := container("pod", inode, g)
		c.Shared, c.Cgroup = true, key
		h.Found(key, c)
	}
	a, b := using(10, 1), using(20, 2)
	a.usage.Memory.Peak = Known(9)
	shared("/good/pod", 1, a)
	if u := read(t, h.expect(t, "docker/pod/pod")[0]); u.Memory.Peak != Known(9) {
		t.Errorf("the peak of one group is %v", u.Memory.Peak)
	}
	shared("/bad/pod", 2, b)
	w := h.expect(t, "docker/pod/pod")[0]
	if w.Cgroup != "/bad/pod" {
		t.Errorf("the lead is %s, not the first", w.Cgroup)
	}
	expect := func(step string, cpu, memory uint64) {
		t.Helper()
		w = h.expect(t, "docker/pod/pod")[0]
		if u := read(t, w); u.CPU.Usage != Known(cpu) || u.Memory.Resident != Known(memory) || u.Memory.Peak != (Value{}) {
			t.Fatalf("%s: CPU %v, memory %v, peak %v, want %d, %d and none", step, u.CPU.Usage, u.Memory.Resident, u.Memory.Peak, cpu, memory)
		}
	}
	expect("two", 30, 3)
	b.stopped.Store(true)
	expect("one is empty", 30, 1)
	b.stopped.Store(false)
	expect("and is filled again", 30, 3)
	before := w
	shared("/ugly/pod", 3, using(5, 5))
	if expect("a third", 35, 8); w != before {
		t.Error("a workload that goes on is another one")
	}
	h.Gone("/bad/pod")
	expect("the lead ended", 35, 6)
	h.Gone("/ugly/pod")
	expect("only the first is left", 35, 1)
	h.Found("/own", container("pod", 4, using(100, 1)))
	expect("the pod's own group", 135, 2)
	a.set(func(g *fakeGroup) { g.err = errors.New("too many open files") })
	var u Usage
	if err := w.Read(&u); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("a sum with a hole: %v", err)
	}
	for _, key := range []string{"/good/pod", "/own"} {
		h.Gone(key)
	}
	h.expect(t)
	if !errors.Is(w.Read(&u), ErrGone) || len(h.unions) != 0 {
		t.Error("something is left of a workload that ended")
	}
}
