package runtimes

import (
	"context"
	"errors"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// unitEnd is what systemd says of the end of a service's run. Stamps are in
// microseconds; 0 is never.
type unitEnd struct {
	// activeExit is when it began to stop, for whatever reason.
	activeExit stamp
	// mainStart and mainExit are those of its main process.
	mainStart, mainExit stamp
	// result is "timeout" if it had to be killed.
	result string
}

// asked says that it began to stop before its main process had ended: somebody
// wanted it to. Otherwise that end was the reason.
func (u *unitEnd) asked() bool {
	return u.activeExit.mono > u.mainStart.mono && (u.mainExit.mono < u.mainStart.mono || u.activeExit.mono < u.mainExit.mono)
}

// askEnd asks how a run has ended, and tells since when it had to. A stop that
// began after the last process was gone is systemd's own noticing.
func (s *Systemd) askEnd(ctx context.Context, e workload.Event) {
	u, err := s.bus.unitEnd(ctx, unit(e.Cgroup), s.timeout)
	switch {
	case err == nil:
		s.pinged = s.clock.boot()
	case !errors.Is(err, errNoUnit):
		s.heard(ctx, err)
		return
	}
	empty := e.When
	e.Kind, e.Source, e.Detail, e.Witness = workload.EventUnitStops, systemdSource, "", workload.Late
	var when time.Duration
	known := false
	if err == nil && u.asked() {
		when, known = s.clock.boottime(u.activeExit)
	}
	if known && when <= empty {
		e.When, e.Witness = when, workload.Witnessed
		if u.result == "timeout" {
			e.Detail = "forced"
		}
	}
	s.cfg.Events.Happened(e)
}
