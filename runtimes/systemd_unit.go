package runtimes

import (
	"context"
	"errors"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// unitState is what systemd says of a unit, in its own words. Stamps are in
// microseconds; 0 is never.
type unitState struct {
	controlGroup string
	// active is ActiveState: "activating", "active", ...
	active string
	// inactiveExit is when it began to start, activeEnter when it was up.
	inactiveExit, activeEnter stamp
	// Of services only: Type, NRestarts and ExecMainStartTimestamp.
	typ       string
	restarts  uint32
	mainStart stamp
}

// notifies says whether it tells itself when it is ready.
func (u *unitState) notifies() bool { return u.typ == "notify" || u.typ == "notify-reload" }

// began is when this run of it began. One that systemd restarts by itself leaves
// inactive before the pause, so that is no beginning of the work.
func (u *unitState) began() stamp {
	if u.restarts > 0 && u.mainStart.mono > u.inactiveExit.mono {
		return u.mainStart
	}
	return u.inactiveExit
}

// ready is when this run of it was up.
func (u *unitState) ready() (stamp, bool) {
	return u.activeEnter, u.activeEnter.mono >= u.began().mono && u.activeEnter.mono > 0 && (u.active == "active" || u.active == "reloading")
}

// ask asks for a run, and tells what there is to tell.
func (s *Systemd) ask(ctx context.Context, a *asked) {
	a.due = s.clock.boot() + systemdPoll
	if s.bus == nil {
		s.unasked(a)
		return
	}
	u, err := s.bus.unit(ctx, unit(a.event.Cgroup), s.timeout)
	switch {
	case errors.Is(err, errNoUnit) || err == nil && u.controlGroup != a.event.Cgroup:
		// No unit of this manager: a group that a runtime has made, or a user's.
		s.byProcess(a)
		s.done(a)
	case err != nil:
		s.heard(ctx, err)
		s.unasked(a)
	default:
		s.pinged = s.clock.boot()
		s.answered(a, &u)
	}
}

// unasked is a run that nobody can be asked for now. A service may be ready later.
func (s *Systemd) unasked(a *asked) {
	s.byProcess(a)
	if s.cfg.Socket == "" || unitInterface(unit(a.event.Cgroup)) != serviceInterface {
		s.done(a)
	}
}

func (s *Systemd) answered(a *asked, u *unitState) {
	began, ok := s.clock.boottime(u.began())
	if ok && !a.began {
		s.tell(a, workload.EventBegan, systemdSource, began)
	} else {
		s.byProcess(a)
	}
	if !u.notifies() || !ok {
		s.done(a)
		return
	}
	if up, is := u.ready(); is {
		if at, ok := s.clock.boottime(up); ok {
			s.tell(a, workload.EventReady, systemdSource, at)
		}
		s.done(a)
		return
	}
	if u.active != "activating" {
		s.done(a)
		return
	}
	if !a.starting {
		a.starting = true
		s.tell(a, workload.EventUnready, systemdSource, began)
	}
}

// byProcess tells of the start of a run by its processes, where it was not seen.
func (s *Systemd) byProcess(a *asked) {
	if a.began || a.event.Witness == workload.Witnessed {
		return
	}
	if began, ok := s.cfg.Oldest(a.event.Cgroup); ok {
		s.tell(a, workload.EventBegan, processSource, began)
	}
	a.began = true
}

// tell says something of a run. What was so when first looked at is of before.
func (s *Systemd) tell(a *asked, kind workload.EventKind, source string, when time.Duration) {
	e := a.event
	e.Kind, e.Source, e.When, e.Detail = kind, source, when, ""
	if a.starting || e.Witness == workload.Late {
		e.Witness = workload.Witnessed
	}
	if kind == workload.EventBegan {
		a.began = true
	}
	s.cfg.Events.Happened(e)
}
