package workload

import (
	"slices"
	"strings"
	"time"
)

// run is one start of a domain.
type run struct {
	uuid string
	id   int
}

func (m *Machine) run() run { return run{m.UUID, m.DomainID} }

// former is a machine's group that ended.
type former struct {
	uuid      string
	candidate Candidate
	until     time.Time
}

// formerAge is how long libvirt may take to notice that a machine ended: its
// list waits for the lock of each domain.
const formerAge = time.Minute

// SetMachines replaces what libvirt knows: all active domains.
func (r *Registry) SetMachines(machines []Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[string]*Machine, len(machines))
	r.numbered = make(map[int]*Machine, len(machines))
	r.heard = r.cfg.Now()
	for i := range machines {
		m := &machines[i]
		m.Name = Clean(m.Name)
		now[m.UUID] = m
		if m.DomainID > 0 {
			r.numbered[m.DomainID] = m
		}
		if old := r.machines[m.UUID]; old == nil || old.DomainID != m.DomainID || old.Cgroup != m.Cgroup || old.told() != m.told() {
			r.dirty = true
		}
	}
	r.dirty = r.dirty || len(now) != len(r.machines)
	r.machines = now
	for j := range r.joined {
		if m := now[j.uuid]; m == nil || m.DomainID != j.id {
			delete(r.joined, j)
		}
	}
	r.former = slices.DeleteFunc(r.former, func(f former) bool { return r.heard.After(f.until) })
	for i := range r.former {
		r.join(&r.former[i])
	}
	r.attachMachines()
}

// machineOf finds the domain that a candidate is: by UUID, by libvirt's number
// of this run, or by the cgroup that its PID is in. Never by its name. Where the
// machine itself told its UUID, nothing else counts.
func (r *Registry) machineOf(uuid string, c *Candidate) *Machine {
	if uuid != "" {
		return r.machines[uuid]
	}
	if c.Domain.Driver != "qemu" {
		return nil
	}
	if m, ok := r.numbered[c.Domain.ID]; ok && !c.Domain.Private {
		return m
	}
	for _, m := range r.machines {
		if within(m.Cgroup, c.Cgroup) {
			return m
		}
	}
	return nil
}

func within(path, top string) bool {
	return top != "" && (path == top || strings.HasPrefix(path, top) && path[len(top)] == '/')
}

// attachMachines gives each machine what libvirt last said of it. A reader sees
// the old or the new, and nothing in between.
func (r *Registry) attachMachines() {
	for _, w := range r.running {
		if w.Kind == KindVM {
			w.machine.Store(r.machineOf(w.uuid, &Candidate{Domain: w.domain, Cgroup: w.Cgroup}))
		}
	}
}

// told says whether libvirt has numbers of the machine: it lists one at once, and
// asks its monitor for them later.
func (m *Machine) told() bool { return m.Stats.CPUTime.state == StateKnown }

// fromLibvirt says that libvirt's numbers of a machine are the ones to show. What was
// shown from them stays so, however long the monitor is stuck.
func (r *Registry) fromLibvirt(m *Machine) bool {
	return m != nil && (m.told() || r.alone[m.run()] != nil)
}

// replaced says that libvirt knows the machine that a process was found to be:
// then its own numbers and its word on the state serve.
func (r *Registry) replaced(e *entry) bool {
	return e.workload.Origin == OriginProcess && r.fromLibvirt(r.machines[e.workload.uuid])
}

// withoutCgroup is the domains that libvirt lists and that have no cgroup.
func (r *Registry) withoutCgroup() []*Workload {
	for _, e := range r.entries {
		if m := r.grouped(e); m != nil {
			r.joined[m.run()] = true
		}
	}
	var list []*Workload
	now := map[run]*Workload{}
	for _, m := range r.machines {
		if r.joined[m.run()] || !r.fromLibvirt(m) {
			continue
		}
		w := r.alone[m.run()]
		if w == nil {
			w = &Workload{
				Identity: Identity{KindVM, "libvirt", m.UUID, m.Name}, Origin: OriginLibvirt, Hypervisor: "qemu",
				uuid: m.UUID, overhead: &overhead{},
			}
		}
		now[m.run()] = w
		list = append(list, w)
	}
	for j, w := range r.alone {
		if now[j] == nil {
			w.machine.Store(nil)
		}
	}
	r.alone = now
	return list
}

// grouped is the domain that an entry is the cgroup of.
func (r *Registry) grouped(e *entry) *Machine {
	c := &e.candidate
	if c.Kind != KindVM || c.Origin != OriginCgroup {
		return nil
	}
	if e.workload != nil {
		return r.machineOf(e.workload.uuid, c)
	}
	return r.machineOf(c.ID, c)
}

// remember notes that a machine's group ended.
func (r *Registry) remember(e *entry) {
	if e.candidate.Kind != KindVM {
		return
	}
	r.dirty = true
	if e.candidate.Origin != OriginCgroup || e.candidate.Domain.Driver != "qemu" {
		return
	}
	f := former{candidate: e.candidate, until: r.cfg.Now().Add(formerAge)}
	if e.workload != nil {
		f.uuid = e.workload.uuid
	}
	r.join(&f)
	r.former = append(r.former, f)
}

// join notes that a domain had a cgroup, if libvirt lists the same run of it.
func (r *Registry) join(f *former) {
	m := r.machineOf(f.uuid, &f.candidate)
	if d := f.candidate.Domain; m == nil || d.ID > 0 && !d.Private && m.DomainID != d.ID {
		return
	}
	r.joined[m.run()] = true
}

// dropStaleMachines forgets what libvirt said when it has long been silent.
func (r *Registry) dropStaleMachines() {
	if len(r.machines) > 0 && r.cfg.Now().Sub(r.heard) > r.cfg.StatsMaxAge {
		r.machines, r.numbered = map[string]*Machine{}, nil
		r.dirty = true
	}
}
