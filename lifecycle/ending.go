package lifecycle

import (
	"slices"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// holdFor is how long an end waits for what the other side tells of it. The cgroup
// is empty before the engine has noticed; or the kernel's notice is late.
const holdFor = 10 * time.Second

// ending is the end of a run of a container, which its cgroup and its engine
// both tell of, in either order. It is counted once.
type ending struct {
	run *run
	// until is when nobody is waited for any more.
	until time.Duration
	// empty is when the cgroup told, died when the engine did, with code.
	empty, died moment
	// left is when the last process was seen to go.
	left  moment
	code  int
	oom   moment
	asked uint64
	// since is when the request to stop was, if that is known.
	since moment
}

// noteEmpty is the end as a cgroup tells it.
func (t *Tracker) noteEmpty(r *run, when moment) {
	if r.over {
		return
	}
	x := t.endingOf(r)
	if x == nil {
		x = t.hold(r)
	}
	x.empty, x.left = at(when.at), when
	t.over(x)
	heard, known := t.engines.heard[r.key.runtime]
	if !known {
		t.unasked(r, when)
	}
	if x.died.ok && x.explained() || !heard {
		t.conclude(x, unknown)
	}
}

// noteDied is the end as an engine tells it.
func (t *Tracker) noteDied(x *ending, e workload.Event) {
	x.died, x.code = at(e.When), e.Code
	since, asked := &x.run.open[stop], x.run.asked
	if x.empty.ok {
		since, asked = &x.since, x.asked
	}
	x.asked = asked
	switch {
	case since.ok && e.Witness == workload.Witnessed:
		// An engine tells of an end once it has cleaned up, which may take long.
		end := e.When
		if x.left.ok {
			end = min(end, x.left.at)
		}
		t.tookStop(x, since.at, end)
	case since.ok:
		t.missed(stop, clockStep)
	case asked&untold != 0:
		t.missed(stop, noRequest)
	}
	if x.empty.ok {
		x.since = moment{}
	} else {
		t.cancel(x.run, stop)
	}
	if x.empty.ok && x.explained() {
		t.conclude(x, unknown)
	}
}

// tookStop is how long an end took since it was asked for. An engine tells of a
// signal once that is sent: what is gone by then has taken no time that anybody knows.
func (t *Tracker) tookStop(x *ending, since, end time.Duration) {
	outcome := graceful
	if x.asked&(1<<sigkill) != 0 {
		outcome = forced
	}
	t.took(x.run, stop, sourceEngine, outcome, max(0, end-since))
}

// hold begins an end.
func (t *Tracker) hold(r *run) *ending {
	if len(t.engines.held) >= t.cfg.Max {
		t.conclude(t.engines.held[0], tooMany)
	}
	x := &ending{run: r, until: t.cfg.Boottime() + holdFor, code: workload.CodeUnknown}
	t.engines.held = append(t.engines.held, x)
	return x
}

// over takes from the run what belongs to its end: the group may live again.
func (t *Tracker) over(x *ending) {
	r := x.run
	if x.died.ok {
		x.asked |= r.asked
	} else {
		x.asked, x.since = r.asked, r.open[stop]
		t.cancel(r, stop)
	}
	if r.oom.ok {
		x.oom = r.oom
	}
	r.over, r.oom, r.asked = true, moment{}, 0
}

// again is the next life in the same group.
func (r *run) again(when time.Duration) { r.over, r.since = false, when }

// endingOf is the end of a run that its cgroup has not told of.
func (t *Tracker) endingOf(r *run) *ending {
	for _, x := range t.engines.held {
		if x.run == r && !x.empty.ok {
			return x
		}
	}
	return nil
}

// dying is the first end of a container that its engine has not told of: an engine
// tells in order, and later than the kernel.
func (t *Tracker) dying(key who) *ending {
	for _, x := range t.engines.held {
		if x.run.key == key && !x.died.ok {
			return x
		}
	}
	return nil
}

// explained says that nothing which is yet to come would change the reason. A
// signal that nobody is known to have sent may be that of the kernel.
func (x *ending) explained() bool {
	return x.code <= 128 || x.requested() || x.ranOut()
}

// requested says that it ended by a signal that the engine was asked to send.
func (x *ending) requested() bool {
	sig := x.code - 128
	return sig > 0 && sig < 64 && x.asked&(1<<sig|untold) != 0
}

// slain says that it ended by a KILL that the kernel did not send for memory, of
// an engine that tells of no signals: a stop that took too long looks like this.
func (x *ending) slain() bool { return x.run.key.runtime == "podman" && x.code == 128+sigkill }

func (x *ending) ranOut() bool {
	end := x.empty
	if !end.ok {
		end = x.died
	}
	return x.oom.ok && end.at-x.oom.at <= oomGap
}

// expire concludes what has waited long enough.
func (t *Tracker) expire(now time.Duration) {
	t.forgetUnits(now)
	for len(t.engines.held) > 0 && t.engines.held[0].until <= now {
		t.conclude(t.engines.held[0], unknown)
	}
}

// conclude counts an end. Why is the reason where nobody tells the end's.
func (t *Tracker) conclude(x *ending, why string) {
	t.engines.held = slices.DeleteFunc(t.engines.held, func(one *ending) bool { return one == x })
	if !x.empty.ok {
		t.over(x)
	}
	switch {
	case !x.since.ok:
	case x.left.ok && why == unknown:
		// The engine is heard, and its word for the end is late.
		t.tookStop(x, x.since.at, x.left.at)
	default:
		t.missed(stop, why)
	}
	known := x.died.ok && x.code != workload.CodeUnknown
	switch {
	case known && x.code == 0:
		// What the kernel killed was something else in it.
		t.exited(x.run, "clean")
	case x.ranOut():
		t.exited(x.run, "oom")
	case !known:
		t.cfg.Recorder.Missed(exit, why)
	case x.requested(), x.slain():
		t.exited(x.run, "killed")
	default:
		t.exited(x.run, "error")
	}
}
