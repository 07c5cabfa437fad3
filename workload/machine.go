package workload

// machineGroup reads a domain that has no cgroup of its own from what libvirt
// last said of it.
type machineGroup struct{ w *Workload }

// Read serves libvirt's own numbers.
func (g machineGroup) Read(u *Usage) error {
	m := g.w.machine.Load()
	if m == nil {
		return ErrGone
	}
	u.CPU.Usage, u.CPU.User, u.CPU.System = m.Stats.CPUTime, m.Stats.CPUUser, m.Stats.CPUSystem
	if n, ok := m.Stats.VCPUs.Get(); ok {
		u.CPU.Capacity = Known(n * core)
	}
	u.Memory.Resident, u.Memory.Capacity = m.Stats.RSS, m.Stats.Maximum
	return nil
}

// Running is true as long as libvirt lists the domain.
func (g machineGroup) Running() bool { return g.w.machine.Load() != nil }

// Holds is false: nobody looks for a container in a machine.
func (machineGroup) Holds(string) bool { return false }
