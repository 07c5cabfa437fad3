package workload

// add sums a second group of the same workload into u. What is a limit or a
// capacity belongs to the whole and stays the first group's.
func (u *Usage) add(v *Usage) {
	c, d := &u.CPU, &v.CPU
	c.Usage, c.User, c.System = c.Usage.Plus(d.Usage), c.User.Plus(d.User), c.System.Plus(d.System)
	c.Periods, c.ThrottledPeriods = c.Periods.Plus(d.Periods), c.ThrottledPeriods.Plus(d.ThrottledPeriods)
	c.Throttled = c.Throttled.Plus(d.Throttled)

	m, n := &u.Memory, &v.Memory
	m.Resident, m.WorkingSet = m.Resident.Plus(n.Resident), m.WorkingSet.Plus(n.WorkingSet)
	m.Unreclaimable, m.Swap = m.Unreclaimable.Plus(n.Unreclaimable), m.Swap.Plus(n.Swap)
	m.GuestBacking = m.GuestBacking.Plus(n.GuestBacking)
	// Two peaks need not have been at one time: their sum is nobody's peak.
	m.Peak = Value{}
	e, f := &m.Events, &n.Events
	e.Low, e.High, e.Max = e.Low.Plus(f.Low), e.High.Plus(f.High), e.Max.Plus(f.Max)
	e.OOM, e.OOMKill = e.OOM.Plus(f.OOM), e.OOMKill.Plus(f.OOMKill)

	u.Pressure.CPU.add(v.Pressure.CPU)
	u.Pressure.Memory.add(v.Pressure.Memory)
	u.Pressure.IO.add(v.Pressure.IO)

	i, j := &u.IO, &v.IO
	i.ReadBytes, i.WrittenBytes = i.ReadBytes.Plus(j.ReadBytes), i.WrittenBytes.Plus(j.WrittenBytes)
	i.Reads, i.Writes = i.Reads.Plus(j.Reads), i.Writes.Plus(j.Writes)
	u.Tasks = u.Tasks.Plus(v.Tasks)
	for s := range u.Spent {
		u.Spent[s] += v.Spent[s]
	}
}

func (s *Stall) add(t Stall) {
	s.Waiting, s.Stalled = s.Waiting.Plus(t.Waiting), s.Stalled.Plus(t.Stalled)
}

const core = 1_000_000_000

// addMachine joins libvirt's view of a machine to the host's.
func (u *Usage) addMachine(m *Machine) {
	fromCgroup := u.VM.VCPUTime.state == StateKnown
	if m != nil {
		s := &m.Stats
		u.Paused = u.Paused || m.Paused
		u.VM.RunDelay, u.VM.Balloon, u.VM.Guest = s.RunDelay, s.Balloon, s.Guest
		if s.VCPUs.state == StateKnown {
			u.VM.VCPUs = s.VCPUs
		}
		if s.Maximum.state == StateKnown {
			u.Memory.Capacity = u.Memory.Capacity.Least(s.Maximum)
			u.VM.MemoryOverhead = u.Memory.Resident.Minus(u.Memory.GuestBacking.Least(s.Maximum))
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
