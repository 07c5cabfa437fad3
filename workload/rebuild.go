package workload

import (
	"cmp"
	"slices"
	"strings"
)

// rebuild makes the list of what runs from what is settled. It is a new one, for
// readers hold the old.
func (r *Registry) rebuild() {
	r.dirty, r.restless = false, true
	list := make([]*Workload, 0, len(r.entries)+len(r.machines))
	for _, e := range r.entries {
		switch {
		case e.workload == nil || e.candidate.Shared || r.replaced(e):
		case len(r.unions) > 0 && r.unions[e.workload.label()] != nil:
		default:
			list = append(list, e.workload)
		}
	}
	list = append(list, r.united()...)
	list = append(list, r.withoutCgroup()...)
	slices.SortFunc(list, func(a, b *Workload) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Runtime, b.Runtime),
			strings.Compare(a.ID, b.ID), strings.Compare(a.Name, b.Name))
	})
	r.running, r.shown = list, r.limit(list)
	r.attachMachines()
}
