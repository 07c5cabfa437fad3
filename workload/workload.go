package workload

import "sync/atomic"

// Workload is one running workload as collectors see it. Its identity never
// changes; a new identity is a new Workload.
type Workload struct {
	Identity
	FullID     string
	Origin     Origin
	Cgroup     string
	Inode      uint64
	Hypervisor string
	Metadata   Metadata

	// group is nil for a domain that has none.
	group Group
	// uuid is the id that somebody told, by which libvirt may know the machine.
	uuid   string
	domain Domain

	machine  atomic.Pointer[Machine]
	pod      atomic.Pointer[Pod]
	overhead *overhead
	// emulated is the most that the emulator was seen to have used.
	emulated atomic.Uint64
}

// Machine is what libvirt last said of this workload, or nil.
func (w *Workload) Machine() *Machine { return w.machine.Load() }

// OpenStack is what Nova has noted of this workload, or nil.
func (w *Workload) OpenStack() *OpenStack {
	if m := w.machine.Load(); m != nil {
		return m.OpenStack
	}
	return nil
}

// Pod is what a runtime last told of the containers inside, or nil.
func (w *Workload) Pod() *Pod { return w.pod.Load() }

// Holds says whether the container with this full id is the workload, or inside it.
func (w *Workload) Holds(fullID string) bool {
	return fullID != "" && (w.FullID == fullID || w.ID == fullID || w.group != nil && w.group.Holds(fullID))
}

// Read fills u with the workload's usage as of now, or returns ErrGone.
func (w *Workload) Read(u *Usage) error {
	// Once, so that all that is libvirt's was heard together.
	m := w.machine.Load()
	switch {
	case w.group != nil:
		if err := w.group.Read(u); err != nil {
			return err
		}
	case m == nil:
		return ErrGone
	default:
		u.addDomain(m)
	}
	w.overhead.read(u)
	if w.Kind == KindVM {
		u.addMachine(m)
		w.neverLess(&u.VM.EmulatorTime)
	}
	return nil
}

// neverLess keeps the difference of two counters a counter. The vCPUs are read
// after the whole, so that each difference is a little too small: the largest
// yet is the nearest.
func (w *Workload) neverLess(v *Value) {
	n, ok := v.Get()
	for ok {
		most := w.emulated.Load()
		if n <= most {
			*v = Known(most)
			return
		}
		ok = !w.emulated.CompareAndSwap(most, n)
	}
}
