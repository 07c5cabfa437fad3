package lifecycle

import (
	"slices"
	"strings"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const sourceSystemd = "systemd"

// letGo is a run in a service unit that has ended, while systemd is asked since
// when it had to.
type letGo struct {
	run          *run
	cgroup       string
	inode        uint64
	empty, until time.Duration
}

// unasked is the end of a run of which no engine tells. Of a service unit systemd
// may know whether it was asked to end, of the others nobody does.
func (t *Tracker) unasked(r *run, empty moment) {
	switch {
	case !strings.HasSuffix(r.cgroup, ".service"):
		t.missed(stop, noSource)
	case !empty.ok:
		t.missed(stop, late)
	case len(t.letGo) >= t.cfg.Max:
		t.missed(stop, tooMany)
	default:
		t.letGo = append(t.letGo, letGo{r, r.cgroup, r.inode, empty.at, t.cfg.Boottime() + holdFor})
	}
}

// unitStops is since when a unit that has ended had to, if systemd knows.
func (t *Tracker) unitStops(e workload.Event) {
	i := slices.IndexFunc(t.letGo, func(g letGo) bool { return g.cgroup == e.Cgroup && g.inode == e.Inode })
	if i < 0 {
		return
	}
	g := t.letGo[i]
	t.letGo = slices.Delete(t.letGo, i, i+1)
	if e.Witness != workload.Witnessed {
		t.missed(stop, noRequest)
		return
	}
	outcome := graceful
	if e.Detail == forced {
		outcome = forced
	}
	t.took(g.run, stop, sourceSystemd, outcome, g.empty-e.When)
}

// forgetUnits gives up on what systemd did not tell in time.
func (t *Tracker) forgetUnits(now time.Duration) {
	for len(t.letGo) > 0 && t.letGo[0].until <= now {
		t.letGo = slices.Delete(t.letGo, 0, 1)
		t.missed(stop, noSource)
	}
}
