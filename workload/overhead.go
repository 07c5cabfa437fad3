package workload

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
)

// helper is a group or process that serves a workload from outside.
type helper struct {
	key   string
	owner Owner
	group Group
	// of is the workload it serves, once that is known.
	of *Workload
}

// seekings is how many Refreshes look for the owner of a helper after
// something changed: one before the newcomer was read, and one after.
const seekings = 3

// FoundOverhead tells of a group or process that serves a workload from outside.
func (r *Registry) FoundOverhead(key string, owner Owner, g Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.helpers[key] = &helper{key: key, owner: owner, group: g}
	r.restless = true
}

// GoneOverhead says that such a group or process ended.
func (r *Registry) GoneOverhead(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.helpers[key]; ok {
		delete(r.helpers, key)
		r.restless = true
	}
}

// attachOverhead gives the helpers to those they serve. The list is up to date.
func (r *Registry) attachOverhead() {
	if r.restless {
		r.seeking = seekings
	} else if r.seeking == 0 {
		return
	}
	r.seeking--
	if len(r.helpers) > 0 && r.seek() || r.restless {
		r.restless = false
		r.handOut()
	}
}

// seek looks for the owners of helpers, and says whether any was found or lost.
func (r *Registry) seek() (news bool) {
	var ids, groups map[string]*Workload
	for _, h := range r.helpers {
		if h.of != nil && !r.restless {
			continue
		}
		if ids == nil {
			ids, groups = r.addresses()
		}
		w := h.of
		if w == nil || groups[w.Cgroup] != w {
			w = r.served(h, ids, groups)
		}
		news = news || w != h.of
		h.of = w
	}
	return news
}

// addresses is what runs, by full id and by the path of each of its groups.
func (r *Registry) addresses() (ids, groups map[string]*Workload) {
	ids, groups = make(map[string]*Workload, len(r.running)), make(map[string]*Workload, len(r.running))
	for _, w := range r.running {
		ids[cmp.Or(w.FullID, w.ID)] = w
		groups[w.Cgroup] = w
		if n, ok := w.group.(*union); ok {
			for i := range n.members {
				c := &n.members[i].entry.candidate
				ids[cmp.Or(c.FullID, c.ID)], groups[c.Cgroup] = w, w
			}
		}
	}
	return ids, groups
}

func (r *Registry) served(h *helper, ids, groups map[string]*Workload) *Workload {
	if id := h.owner.FullID; id != "" {
		if w := ids[id]; w != nil {
			return w
		}
		for _, w := range r.running {
			if w.group != nil && w.group.Holds(id) {
				return w
			}
		}
	}
	if h.owner.Cgroup == "" {
		return nil
	}
	return groups[h.owner.Cgroup]
}

func (r *Registry) handOut() {
	owned := map[*Workload][]*helper{}
	for _, h := range r.helpers {
		if h.of != nil {
			owned[h.of] = append(owned[h.of], h)
		}
	}
	for _, w := range r.running {
		w.overhead.set(owned[w])
	}
}

// overhead is what helpers spend on one workload.
type overhead struct {
	mu      sync.Mutex
	helpers []helped
	// gone is the CPU time of those that ended, which stays spent.
	gone Value
}

type helped struct {
	key   string
	group Group
	cpu   Value
}

func (o *overhead) set(helpers []*helper) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(helpers) == 0 && len(o.helpers) == 0 {
		return
	}
	slices.SortFunc(helpers, func(a, b *helper) int { return strings.Compare(a.key, b.key) })
	now := make([]helped, 0, len(helpers))
	for _, h := range helpers {
		next := helped{key: h.key, group: h.group}
		if i := slices.IndexFunc(o.helpers, func(old helped) bool { return old.group == h.group }); i >= 0 {
			next.cpu = o.helpers[i].cpu
			o.helpers = slices.Delete(o.helpers, i, i+1)
		}
		now = append(now, next)
	}
	for _, old := range o.helpers {
		o.gone = o.gone.Plus(old.cpu)
	}
	o.helpers = now
}

func (o *overhead) read(u *Usage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.helpers) == 0 {
		return
	}
	each := scratch.Get().(*Usage)
	defer scratch.Put(each)
	cpu, memory := o.gone, Value{}
	for i := range o.helpers {
		h := &o.helpers[i]
		each.Reset()
		switch err := h.group.Read(each); {
		case errors.Is(err, ErrGone):
			cpu = cpu.Plus(h.cpu)
		case err != nil:
			cpu, memory = Unreadable(), Unreadable()
		default:
			cpu, memory = cpu.Plus(each.CPU.Usage), memory.Plus(each.Memory.Resident)
			if each.CPU.Usage.state == StateKnown {
				h.cpu = each.CPU.Usage
			}
		}
		for _, spent := range each.Spent {
			u.Spent[SubjectOverhead] += spent
		}
	}
	u.Overhead.CPU, u.Overhead.Memory = cpu, memory
}
