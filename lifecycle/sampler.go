package lifecycle

import (
	"context"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// sourceCPU is who tells that a workload has settled: its CPU time.
	sourceCPU = "cpu"
	// maxStarting is how many starts are followed at once, which bounds what
	// the samples cost whatever starts and however many run.
	maxStarting = 256
	// often is between two samples of a start that is younger than young, and
	// seldom of one that is older.
	often  = 500 * time.Millisecond
	seldom = time.Second
	young  = time.Minute
)

// start is the start of a run that has not settled.
type start struct {
	*settling
	outcome string
	// due is when it is to be looked at next.
	due time.Duration
}

// settles begins to follow a start, or the reset of a machine.
func (t *Tracker) settles(r *run, outcome string, when moment) {
	switch {
	case t.cfg.CPU == nil:
	case !when.ok:
		t.missed(startToSettled, late)
	case r.cgroup == "":
		t.missed(startToSettled, noCgroup)
	case !r.managed && r.identity.Kind == workload.KindVM:
		t.missed(startToSettled, noSource)
	case len(t.starting) >= maxStarting:
		t.missed(startToSettled, tooMany)
	default:
		t.begin(r, startToSettled, when.at)
		t.starting[r] = &start{settling: newSettling(when.at), outcome: outcome}
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Run looks at the CPU time of what is starting, until ctx ends. While nothing
// is, it sleeps.
func (t *Tracker) Run(ctx context.Context) error {
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	ticking := true
	for {
		switch some := t.sample(); {
		case some && !ticking:
			ticker.Reset(often)
			ticking = true
		case !some:
			ticker.Stop()
			ticking = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		case <-ticker.C:
		}
	}
}

// look is a start that is to be looked at, as it was when that was decided.
type look struct {
	run    *run
	start  *start
	cgroup string
	inode  uint64
}

// sample looks at those starts that are due, and says whether any go on.
func (t *Tracker) sample() bool {
	for _, l := range t.due() {
		// Not under the lock: whoever tells of an event waits for that.
		cpu, ok := t.cfg.CPU(l.cgroup, l.inode)
		t.looked(l, sample{t.cfg.Boottime(), cpu}, ok)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.starting) > 0
}

func (t *Tracker) due() []look {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.cfg.Boottime()
	var list []look
	for r, s := range t.starting {
		if now >= s.due {
			list = append(list, look{r, s, r.cgroup, r.inode})
		}
	}
	return list
}

// looked is what came of a look.
func (t *Tracker) looked(l look, now sample, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, s := l.run, l.start
	t.touch()
	if t.starting[r] != s {
		// It has ended, or was reset, in the meantime.
		return
	}
	every := often
	if now.at-s.started >= young {
		every = seldom
	}
	// Ticks are not to the millisecond: half of one early is due.
	s.due = now.at + every - often/2
	v := undecided
	if ok {
		v = s.feed(now)
	} else if s.unseen(now.at) {
		v = blind
	}
	switch {
	case now.at-s.started > t.cfg.Timeout:
		t.giveUp(r, startToSettled, timeout)
	case v == calm:
		t.finish(r, startToSettled, sourceCPU, s.outcome, s.busy)
	case v == blind:
		t.giveUp(r, startToSettled, unseen)
	}
}
