package workload

import (
	"cmp"
	"slices"
	"strings"
)

// rebuild makes the list of what runs from what is settled.
func (r *Registry) rebuild() {
	r.dirty = false
	keys := make([]string, 0, len(r.entries))
	for key, e := range r.entries {
		if e.workload != nil && !r.replaced(e) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	list := make([]*Workload, 0, len(keys)+len(r.machines))
	at := map[Identity]int{}
	for _, key := range keys {
		e := r.entries[key]
		w := e.workload
		if i, ok := at[w.label()]; ok {
			// A reader may hold the old list: it keeps the old workload.
			whole := newWorkload(&e.candidate)
			whole.Identity = w.Identity
			whole.groups = append(slices.Clone(list[i].groups), e.candidate.Group)
			list[i] = whole
			continue
		}
		at[w.label()] = len(list)
		list = append(list, w)
	}
	list = append(list, r.withoutCgroup()...)
	slices.SortFunc(list, func(a, b *Workload) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Runtime, b.Runtime),
			strings.Compare(a.ID, b.ID), strings.Compare(a.Name, b.Name))
	})
	r.running = list
	r.attachMachines()
	r.attachOverhead()
}

// replaced says that libvirt knows the machine that a process was found to be:
// then its own numbers and its word on the state serve.
func (r *Registry) replaced(e *entry) bool {
	if e.workload.Origin != OriginProcess {
		return false
	}
	_, ok := r.machines[e.workload.ID]
	return ok
}

// withoutCgroup is the domains that libvirt lists and that have no cgroup.
func (r *Registry) withoutCgroup() []*Workload {
	grouped := map[*Machine]bool{}
	for _, e := range r.entries {
		if e.candidate.Origin != OriginCgroup {
			continue
		}
		c := e.candidate
		if e.workload != nil {
			c.ID = e.workload.ID
		}
		if m := r.machineOf(&c); m != nil {
			grouped[m] = true
			r.joined[run{m.UUID, m.DomainID}] = true
		}
	}
	var list []*Workload
	now := map[string]*Workload{}
	for uuid, m := range r.machines {
		if grouped[m] || r.joined[run{m.UUID, m.DomainID}] {
			continue
		}
		w, ok := r.alone[uuid]
		if !ok {
			w = &Workload{Identity: Identity{KindVM, "libvirt", m.UUID, m.Name}, Origin: OriginLibvirt, Hypervisor: "qemu"}
			w.groups = []Group{machineGroup{w}}
		}
		now[uuid] = w
		list = append(list, w)
	}
	for _, w := range r.alone {
		if now[w.ID] == nil {
			w.machine.Store(nil)
		}
	}
	r.alone = now
	for j := range r.joined {
		if m, ok := r.machines[j.uuid]; !ok || m.DomainID != j.id {
			delete(r.joined, j)
		}
	}
	return list
}

func (r *Registry) attachMachines() {
	for _, w := range r.running {
		if w.Kind != KindVM {
			continue
		}
		if m, ok := r.machines[w.ID]; ok {
			w.machine.Store(m)
		} else if w.Machine() != nil {
			w.machine.Store(nil)
		}
	}
	for _, e := range r.entries {
		if e.workload != nil && e.workload.Kind == KindVM && e.workload.Machine() == nil {
			e.workload.machine.Store(r.machineOf(&e.candidate))
		}
	}
}

func (r *Registry) attachOverhead() {
	if len(r.helpers) == 0 {
		for _, w := range r.running {
			w.overhead.Store(nil)
		}
		return
	}
	keys := make([]string, 0, len(r.helpers))
	for key := range r.helpers {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	byID, byCgroup := map[string]*Workload{}, map[string]*Workload{}
	for _, w := range r.running {
		byID[cmp.Or(w.FullID, w.ID)] = w
		byCgroup[w.Cgroup] = w
	}
	owned := map[*Workload][]Group{}
	for _, key := range keys {
		h := r.helpers[key]
		var w *Workload
		if h.owner.FullID != "" {
			if w = byID[h.owner.FullID]; w == nil {
				w = r.holding(h.owner.FullID)
			}
		} else {
			w = byCgroup[h.owner.Cgroup]
		}
		if w != nil {
			owned[w] = append(owned[w], h.group)
		}
	}
	for _, w := range r.running {
		if helpers, ok := owned[w]; ok {
			w.overhead.Store(&helpers)
		} else {
			w.overhead.Store(nil)
		}
	}
}

// holding is the workload that has the container with a full id inside it.
func (r *Registry) holding(fullID string) *Workload {
	for _, w := range r.running {
		for _, g := range w.groups {
			if g.Holds(fullID) {
				return w
			}
		}
	}
	return nil
}

// dropStaleMachines forgets what libvirt said when it has long been silent.
func (r *Registry) dropStaleMachines() {
	if len(r.machines) > 0 && r.cfg.Now().Sub(r.heard) > r.cfg.StatsMaxAge {
		r.machines, r.numbered = map[string]*Machine{}, nil
		r.dirty = true
	}
}

func sortStatuses(list []Status) {
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Source, b.Source) })
}
