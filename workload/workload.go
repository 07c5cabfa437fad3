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

	groups   []Group
	machine  atomic.Pointer[Machine]
	overhead atomic.Pointer[[]Group]
}

// Machine is what libvirt last said of this workload, or nil.
func (w *Workload) Machine() *Machine { return w.machine.Load() }

// Read fills u with the workload's usage as of now, or returns ErrGone.
func (w *Workload) Read(u *Usage) error {
	if err := w.readGroups(u); err != nil {
		return err
	}
	if helpers := w.overhead.Load(); helpers != nil {
		readOverhead(u, *helpers)
	}
	if w.Kind == KindVM {
		u.addMachine(w.machine.Load())
	}
	return nil
}

func (w *Workload) readGroups(u *Usage) error {
	err := error(ErrGone)
	for i, g := range w.groups {
		if i == 0 {
			err = g.Read(u)
			continue
		}
		// The workload lives as long as one of its groups does.
		var more Usage
		if g.Read(&more) != nil {
			continue
		}
		if err != nil {
			*u, err = more, nil
			continue
		}
		u.add(&more)
	}
	return err
}

func readOverhead(u *Usage, helpers []Group) {
	for _, g := range helpers {
		var h Usage
		if g.Read(&h) != nil {
			continue
		}
		u.Overhead.CPU = u.Overhead.CPU.Plus(h.CPU.Usage)
		u.Overhead.Memory = u.Overhead.Memory.Plus(h.Memory.Resident)
		for _, spent := range h.Spent {
			u.Spent[SubjectOverhead] += spent
		}
	}
}
