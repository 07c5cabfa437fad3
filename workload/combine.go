package workload

import "sync"

// scratch is for readings of which only a part is kept.
var scratch = sync.Pool{New: func() any { return new(Usage) }}

// counters is all that only ever grows.
func (u *Usage) counters() [20]*Value {
	c, e, p, i := &u.CPU, &u.Memory.Events, &u.Pressure, &u.IO
	return [...]*Value{
		&c.Usage, &c.User, &c.System, &c.Periods, &c.ThrottledPeriods, &c.Throttled,
		&e.Low, &e.High, &e.Max, &e.OOM, &e.OOMKill,
		&p.CPU.Waiting, &p.CPU.Stalled, &p.Memory.Waiting, &p.Memory.Stalled,
		&i.ReadBytes, &i.WrittenBytes, &i.Reads, &i.Writes, &u.VM.VCPUTime,
	}
}

// counted is what a group has counted, in the order of counters.
type counted [20]Value

// keep takes what is known of u.
func (c *counted) keep(u *Usage) {
	for i, v := range u.counters() {
		if v.state == StateKnown {
			c[i] = *v
		}
	}
}

func (c *counted) add(d *counted) {
	for i := range c {
		c[i] = c[i].Plus(d[i])
	}
}

// add sums another group of the same workload into u.
func (u *Usage) add(v *Usage) {
	more := v.counters()
	for i, c := range u.counters() {
		*c = c.Plus(*more[i])
	}
	m, n := &u.Memory, &v.Memory
	m.Resident, m.WorkingSet = m.Resident.Plus(n.Resident), m.WorkingSet.Plus(n.WorkingSet)
	m.Unreclaimable, m.Swap = m.Unreclaimable.Plus(n.Unreclaimable), m.Swap.Plus(n.Swap)
	m.GuestBacking = m.GuestBacking.Plus(n.GuestBacking)
	m.Peak = Value{}
	u.Tasks = u.Tasks.Plus(v.Tasks)
	// A limit that all have is the whole's, as Garden's two groups have it.
	// From others none follows, but that the whole could use the largest.
	u.CPU.Limit, m.Limit = agreed(u.CPU.Limit, v.CPU.Limit), agreed(m.Limit, n.Limit)
	u.CPU.Capacity, m.Capacity = most(u.CPU.Capacity, v.CPU.Capacity), most(m.Capacity, n.Capacity)
	u.Paused = u.Paused && v.Paused
	for s := range u.Spent {
		u.Spent[s] += v.Spent[s]
	}
}

func agreed(v, w Value) Value {
	if v == w {
		return v
	}
	return Value{}
}

func most(v, w Value) Value {
	if v.state != StateKnown || w.state == StateKnown && w.number > v.number {
		return w
	}
	return v
}

const core = 1_000_000_000

// addMachine joins libvirt's view of a machine to the host's.
func (u *Usage) addMachine(m *Machine) {
	// One vCPU that could not be read is no reason to change to another's count.
	fromCgroup := u.VM.VCPUTime.state != StateAbsent
	if m != nil {
		s := &m.Stats
		u.Paused = u.Paused || m.Paused
		u.VM.RunDelay, u.VM.Balloon, u.VM.Guest = s.RunDelay, s.Balloon, s.Guest
		if s.VCPUs.state == StateKnown {
			u.VM.VCPUs = s.VCPUs
		}
		if s.Maximum.state == StateKnown {
			u.Memory.Capacity = u.Memory.Capacity.Least(s.Maximum)
			if u.Memory.GuestBacking.state == StateKnown {
				// The monitor's own heap is among what backs guest RAM, which
				// makes this the least that it can be.
				u.VM.MemoryOverhead = u.Memory.Resident.Minus(u.Memory.GuestBacking.Least(s.Maximum))
			}
		}
		if !fromCgroup {
			// Both of libvirt's own, heard together: the group's own CPU time is
			// from another moment, and their difference would be nobody's.
			u.VM.VCPUTime = s.VCPUTime
			u.VM.EmulatorTime = s.CPUTime.Minus(s.VCPUTime)
		}
	}
	if fromCgroup {
		u.VM.EmulatorTime = u.CPU.Usage.Minus(u.VM.VCPUTime)
	}
	if n, ok := u.VM.VCPUs.Get(); ok {
		u.CPU.Capacity = u.CPU.Capacity.Least(Known(n * core))
	}
}

// addDomain is all that is known of a domain that has no cgroup.
func (u *Usage) addDomain(m *Machine) {
	u.CPU.Usage, u.CPU.User, u.CPU.System = m.Stats.CPUTime, m.Stats.CPUUser, m.Stats.CPUSystem
	u.Memory.Resident = m.Stats.RSS
}
