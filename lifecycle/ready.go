package lifecycle

import "github.com/workload-exporter/workload_exporter/workload"

// inGuest is what the workload itself, its engine or its manager tells of its
// start, of its readiness, or of its end from inside.
func (t *Tracker) inGuest(e workload.Event) {
	r := t.speaker(e)
	if r == nil {
		return
	}
	switch e.Kind {
	case workload.EventBegan:
		t.began(r, e)
	case workload.EventUnready:
		t.expects(r, e.Source)
	case workload.EventGuestUp:
		if r.boot.first(startToGuestUp, e.Source) {
			t.event(r, "guest_up")
			t.follows(r, startToGuestUp, e)
		}
		t.expects(r, e.Source)
	case workload.EventReady:
		t.ready(r, e)
	case workload.EventGuestStops:
		t.guestStops(r, e)
	}
}

// speaker is the run that is told of: by its group, by the domain or by what an
// engine knows it by. Nobody waits for a run that no source of starts knows of.
func (t *Tracker) speaker(e workload.Event) *run {
	switch {
	case e.Cgroup != "":
		if r := t.groups[e.Cgroup]; r != nil && r.inode == e.Inode {
			return r
		}
		return nil
	case e.Identity.Kind == workload.KindVM:
		if r := t.machines[e.Identity.ID]; r != nil {
			return r
		}
		r := t.numbered[e.Domain.ID]
		if r == nil || e.Domain.ID <= 0 || r.uuid != "" {
			return nil
		}
		t.name(r, e.Identity.ID)
		return r
	}
	r := t.contained[keyOf(e)]
	if r != nil && (e.When < r.since || r.over) {
		// Of a run before this one.
		return nil
	}
	return r
}

// began is a start that its manager has a stamp of. It shows where the start was
// not seen.
func (t *Tracker) began(r *run, e workload.Event) {
	if r.boot.began == nil {
		r.boot.began = map[string]moment{}
	}
	r.boot.began[e.Source] = at(e.When)
	if _, known := r.seen.Started.Get(); !known {
		r.seen.Started = t.wall(e.When)
	}
}

// expects waits for a source that is known to tell when the workload is ready.
// Without one nobody waits, and nothing is missed.
func (t *Tracker) expects(r *run, source string) {
	since := r.boot.from(source)
	if since.ok && !r.open[startToReady].ok && !r.boot.told[telling{startToReady, source}] && !r.boot.spent[startToReady] {
		t.begin(r, startToReady, since.at)
	}
}

// ready is the word that a workload is ready. The first of a run is that of its start.
func (t *Tracker) ready(r *run, e workload.Event) {
	if e.Witness == workload.Adopted && r.open[startToReady].ok {
		// It was waited for before the exporter was restarted.
		e.Witness = workload.Witnessed
	}
	if e.Witness == workload.Adopted {
		r.boot.first(startToReady, e.Source)
		r.seen.Ready = t.wall(e.When)
		return
	}
	if !r.boot.from(e.Source).ok && !r.managed {
		// It may have been ready before, and have recovered.
		if r.boot.why != "" && !r.boot.spent[startToReady] && r.boot.first(startToReady, e.Source) {
			t.missed(startToReady, r.boot.why)
		}
		return
	}
	if !r.boot.first(startToReady, e.Source) {
		return
	}
	t.event(r, "ready")
	if _, known := r.seen.Ready.Get(); !known && e.Witness == workload.Witnessed {
		r.seen.Ready = t.wall(e.When)
	}
	t.follows(r, startToReady, e)
	if e.Source == sourceVsock {
		t.back(r, e)
	}
}

// follows ends a phase of the start, as one source tells it.
func (t *Tracker) follows(r *run, p phase, e workload.Event) {
	since := r.boot.from(e.Source)
	switch {
	case r.boot.spent[p]:
		return
	case !since.ok && r.boot.why != "":
		t.missed(p, r.boot.why)
	case since.ok && e.Witness != workload.Witnessed:
		t.missed(p, clockStep)
	case since.ok:
		t.took(r, p, e.Source, done, e.When-since.at)
	}
	t.cancel(r, p)
}
