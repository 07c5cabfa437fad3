package workload

import (
	"cmp"
	"slices"
	"strings"
)

// settle gives an identity to the candidates that run and have none yet.
func (r *Registry) settle() {
	for _, e := range r.changed {
		if e.workload != nil {
			r.reconsider(e)
		}
	}
	clear(r.changed)
	var ready []*entry
	for _, e := range r.waiting {
		if e.candidate.Group.Running() {
			ready = append(ready, e)
		}
	}
	slices.SortFunc(ready, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	now := r.cfg.Now()
	if r.began.IsZero() {
		r.began = now
	}
	r.undecided = 0
	for _, e := range ready {
		if e.ran.IsZero() {
			e.ran = now
		}
		c, opinion := r.resolve(e)
		patience := r.cfg.Patience
		for _, n := range r.cfg.Namers {
			if n.Name(&c) != Wait {
				continue
			}
			opinion = Wait
			if e.ran.Equal(r.began) {
				patience = r.cfg.Adoption
			}
		}
		if opinion == Wait && now.Sub(e.ran) < patience {
			r.undecided++
			continue
		}
		c.tidy()
		told := c.ID
		c.ID, c.Name = cmp.Or(c.ID, c.Name), cmp.Or(c.Name, c.ID)
		w := newWorkload(&c)
		w.uuid = told
		r.claim(e, w)
	}
}

// reconsider asks the Resolvers again about a workload that changed inside. Only
// a change of what it is makes a new identity: names stay as they were, unless
// what it turned out to be has a name of its own.
func (r *Registry) reconsider(e *entry) {
	// What is new inside may be the container that a helper serves.
	r.seeking = seekings
	w := e.workload
	if w.Kind == KindVM && w.Hypervisor != "" {
		return
	}
	c, opinion := r.resolve(e)
	if c.Kind == w.Kind && c.Runtime == w.Runtime {
		if c.Hypervisor == "" || c.Hypervisor == w.Hypervisor {
			return
		}
	} else if opinion != Settled {
		return
	}
	if c.Name == e.candidate.Name || c.Kind == w.Kind && c.Runtime == w.Runtime {
		c.Name = w.Name
	}
	c.ID, c.Metadata = w.ID, w.Metadata
	c.tidy()
	next := newWorkload(&c)
	next.uuid, next.overhead = w.uuid, w.overhead
	r.release(e)
	r.claim(e, next)
}

// claim makes w the workload of e, under labels that nobody else has.
func (r *Registry) claim(e *entry, w *Workload) {
	e.workload = w
	delete(r.waiting, e.key)
	r.dirty = true
	if e.candidate.Shared {
		r.unite(e)
		return
	}
	for id, inode := w.ID, w.Inode; ; inode++ {
		holder := r.taken[w.label()]
		if holder == nil {
			break
		}
		if !holder.candidate.Group.Running() {
			// The run before this one, of which nothing but the group is left.
			r.release(holder)
			holder.workload = nil
			r.waiting[holder.key] = holder
			break
		}
		// Two users may each call a container c1, and both are to be seen.
		w.ID = Apart(id, inode)
	}
	r.taken[w.label()] = e
}

// release gives back the labels of e, which has a workload.
func (r *Registry) release(e *entry) {
	r.part(e)
	if label := e.workload.label(); r.taken[label] == e {
		delete(r.taken, label)
	}
}

// resolve asks everybody who may know what a candidate is called. Who waits is
// waited for, but no longer than patience: then what the others said serves.
func (r *Registry) resolve(e *entry) (Candidate, Opinion) {
	c, opinion, wait := e.candidate, NoOpinion, false
	for _, res := range r.cfg.Resolvers {
		opinion = res.Resolve(&c)
		if opinion == Settled {
			break
		}
		wait = wait || opinion == Wait
	}
	if opinion == Settled && !wait {
		return c, Settled
	}
	if c.Domain.Driver != "" {
		if m := r.machineOf(c.ID, &c); m != nil {
			c.ID, c.Name = m.UUID, m.Name
			return c, Settled
		}
		wait = wait || c.ID == ""
	}
	if wait {
		return c, Wait
	}
	return c, NoOpinion
}

// label is what tells one series from another: the name alone never does.
func (w *Workload) label() Identity {
	return Identity{Kind: w.Kind, Runtime: w.Runtime, ID: w.ID}
}

func newWorkload(c *Candidate) *Workload {
	return &Workload{
		Identity: c.Identity, FullID: c.FullID, Origin: c.Origin, Cgroup: c.Cgroup,
		Inode: c.Inode, Hypervisor: c.Hypervisor, Metadata: c.Metadata, group: c.Group, domain: c.Domain, overhead: &overhead{},
	}
}
