package workload

import (
	"errors"
	"slices"
	"strings"
	"sync"
)

// union is several groups that are one workload. It is itself a Group.
type union struct {
	// lead is the workload whose identity the whole has, and stays while its
	// group does. Both are the Registry's.
	lead, whole *Workload

	mu sync.Mutex
	// members are in the order of their keys.
	members []member
	// gone is what the groups that ended had counted: a sum of counters must
	// not fall because one of them did.
	gone counted
}

type member struct {
	entry *entry
	// last is what was last read of it.
	last counted
}

// unite adds a settled entry to the others with its labels.
func (r *Registry) unite(e *entry) {
	label := e.workload.label()
	n := r.unions[label]
	if n == nil {
		n = &union{}
		r.unions[label] = n
	}
	n.join(e)
}

// part takes an entry from the others.
func (r *Registry) part(e *entry) {
	label := e.workload.label()
	if n := r.unions[label]; n != nil && n.leave(e) == 0 {
		delete(r.unions, label)
	}
}

// united is the workload of each union. One that has the labels for itself, as
// a pod's own slice beside its misplaced containers, is part of it.
func (r *Registry) united() []*Workload {
	list := make([]*Workload, 0, len(r.unions))
	for label, n := range r.unions {
		if own := r.taken[label]; own != nil {
			n.join(own)
		}
		list = append(list, n.workload())
	}
	return list
}

func (n *union) join(e *entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i, found := n.find(e)
	if !found {
		n.members = slices.Insert(n.members, i, member{entry: e})
	}
}

// leave says how many groups are left.
func (n *union) leave(e *entry) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if i, found := n.find(e); found {
		n.gone.add(&n.members[i].last)
		n.members = slices.Delete(n.members, i, i+1)
	}
	return len(n.members)
}

func (n *union) find(e *entry) (int, bool) {
	return slices.BinarySearchFunc(n.members, e.key, func(m member, key string) int { return strings.Compare(m.entry.key, key) })
}

// workload is the same for as long as the group is that it is named after.
func (n *union) workload() *Workload {
	n.mu.Lock()
	defer n.mu.Unlock()
	lead := n.members[0].entry.workload
	if n.lead != lead {
		w := &Workload{
			Identity: lead.Identity, FullID: lead.FullID, Origin: lead.Origin, Cgroup: lead.Cgroup, Inode: lead.Inode,
			Hypervisor: lead.Hypervisor, Metadata: lead.Metadata, group: n, domain: lead.domain, uuid: lead.uuid, overhead: &overhead{},
		}
		if n.whole != nil {
			w.overhead = n.whole.overhead
		}
		n.lead, n.whole = lead, w
	}
	return n.whole
}

// Read adds up the groups. The workload lives as long as one of them does.
func (n *union) Read(u *Usage) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	more := scratch.Get().(*Usage)
	defer scratch.Put(more)
	past, alive := n.gone, false
	for i := range n.members {
		m := &n.members[i]
		more.Reset()
		switch err := m.entry.candidate.Group.Read(more); {
		case errors.Is(err, ErrGone):
			// Nobody is inside now, and somebody may be again.
			past.add(&m.last)
			continue
		case err != nil:
			// A sum with a hole is not a sum.
			return err
		}
		m.last.keep(more)
		if !alive {
			*u, alive = *more, true
			if len(n.members) > 1 || n.gone != (counted{}) {
				// Peaks need not have been at one time: their sum is nobody's.
				u.Memory.Peak = Value{}
			}
			continue
		}
		u.add(more)
	}
	if !alive {
		return ErrGone
	}
	for i, v := range u.counters() {
		*v = v.Plus(past[i])
	}
	return nil
}

// Running says whether one of the groups is.
func (n *union) Running() bool {
	return n.any(func(g Group) bool { return g.Running() })
}

// Holds says whether one of the groups does.
func (n *union) Holds(fullID string) bool {
	return n.any(func(g Group) bool { return g.Holds(fullID) })
}

func (n *union) any(is func(Group) bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.members, func(m member) bool { return is(m.entry.candidate.Group) })
}
