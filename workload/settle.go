package workload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// settle gives an identity to the candidates that have none yet.
func (r *Registry) settle() {
	var keys []string
	taken := map[Identity]bool{}
	for key, e := range r.entries {
		switch {
		case e.workload != nil:
			if !e.candidate.Shared {
				taken[e.workload.label()] = true
			}
			if e.changed {
				r.reconsider(e)
			}
		case e.candidate.Group.Running():
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		e := r.entries[key]
		c, opinion := r.resolve(e)
		if opinion == Wait && r.cfg.Now().Sub(e.found) < r.cfg.Patience {
			continue
		}
		c.ID, c.Name = cmp.Or(c.ID, c.Name), cmp.Or(c.Name, c.ID)
		w := newWorkload(&c)
		if taken[w.label()] {
			// Two users may each call a container c1, and both are to be seen.
			w.ID = fmt.Sprintf("%s~%d", w.ID, w.Inode)
		}
		if !c.Shared {
			taken[w.label()] = true
		}
		e.workload = w
		r.dirty = true
	}
}

// reconsider asks the Resolvers again about a workload that changed inside. Only
// a change of what it is makes a new identity: names stay as they were.
func (r *Registry) reconsider(e *entry) {
	e.changed = false
	c, opinion := r.resolve(e)
	if opinion != Settled || c.Kind == e.workload.Kind && c.Runtime == e.workload.Runtime {
		return
	}
	c.ID, c.Name = e.workload.ID, e.workload.Name
	e.workload = newWorkload(&c)
	r.dirty = true
}

// resolve asks everybody who may know what a candidate is called.
func (r *Registry) resolve(e *entry) (Candidate, Opinion) {
	c, opinion := e.candidate, NoOpinion
	for _, res := range r.cfg.Resolvers {
		if opinion = res.Resolve(&c); opinion != NoOpinion {
			break
		}
	}
	if c.Domain.Driver == "" || opinion == Settled {
		return c, opinion
	}
	if m := r.machineOf(&c); m != nil {
		c.ID, c.Name = m.UUID, m.Name
		return c, Settled
	}
	if c.ID == "" {
		opinion = Wait
	}
	return c, opinion
}

// label is what tells one series from another: the name alone never does.
func (w *Workload) label() Identity {
	return Identity{Kind: w.Kind, Runtime: w.Runtime, ID: w.ID}
}

func newWorkload(c *Candidate) *Workload {
	return &Workload{
		Identity: c.Identity, FullID: c.FullID, Origin: c.Origin, Cgroup: c.Cgroup,
		Inode: c.Inode, Hypervisor: c.Hypervisor, groups: []Group{c.Group},
	}
}

// machineOf finds the domain that a candidate is: by UUID, by libvirt's number
// of this run, or by the cgroup that its PID is in. Never by its name.
func (r *Registry) machineOf(c *Candidate) *Machine {
	if m, ok := r.machines[c.ID]; ok {
		return m
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
