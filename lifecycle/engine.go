package lifecycle

import (
	"slices"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	sourceEngine = "engine"
	sigkill      = 9
	// untold is the bit of a request of which the signal or the time is not known.
	untold = 1
	// requests is the signals that ask to end: INT, QUIT, KILL, TERM and
	// systemd's RTMIN+3. The others may as well ask to reload or to rotate a log.
	requests = 1<<2 | 1<<3 | 1<<sigkill | 1<<15 | 1<<37
)

// engines is what is known from container engines.
type engines struct {
	// heard is the runtimes whose engine is listened to.
	heard map[string]bool
	// held is the ends that are not counted yet, in their order.
	held []*ending
	// asked is when containers were asked for that have not started.
	asked ended
}

func newEngines(most int, keep time.Duration) engines {
	return engines{heard: map[string]bool{}, asked: ended{max: most, keep: keep, last: map[who]moment{}}}
}

// keyOf is what an engine and a path both tell.
func keyOf(e workload.Event) who { return who{runtime: e.Identity.Runtime, id: e.Identity.ID} }

// inEngine is what an engine tells. Containers that no cgroup is known of are
// somebody else's part, such as those in a pod.
func (t *Tracker) inEngine(e workload.Event) {
	key := keyOf(e)
	if e.Kind == workload.EventAskedCreate {
		t.engines.asked.note(key, witnessed(e))
		return
	}
	x, r := t.dying(key), t.contained[key]
	if r != nil && (e.When < r.since || r.over) {
		// Of a run before this one.
		r = nil
	}
	switch e.Kind {
	case workload.EventRan:
		t.ran(key, r, e)
	case workload.EventKilled:
		t.asks(x, r, e)
	case workload.EventHalted:
		t.halted(x, r, key)
	case workload.EventOOM:
		switch {
		case x != nil:
			x.oom = at(e.When)
		case r != nil:
			t.ranOut(r, e.When)
		default:
			t.late(key, e)
		}
	case workload.EventDied:
		if x == nil && r != nil && t.endingOf(r) == nil {
			x = t.hold(r)
		}
		if x != nil {
			t.noteDied(x, e)
		}
	}
}

// ran is the start of a container that was asked for; a restart is of none.
func (t *Tracker) ran(key who, r *run, e workload.Event) {
	asked, found := t.engines.asked.take(key)
	switch {
	case !found || r == nil:
	case !asked.ok || e.Witness != workload.Witnessed:
		t.missed(createToStarted, clockStep)
	default:
		t.took(r, createToStarted, sourceEngine, done, e.When-asked.at)
	}
}

// asks is a signal that was sent.
func (t *Tracker) asks(x *ending, r *run, e workload.Event) {
	var bit uint64 = untold
	if e.Code > 0 && e.Code < 64 {
		bit = 1 << e.Code
	}
	if bit != untold && bit&requests == 0 {
		return
	}
	sure := bit != untold && e.Witness == workload.Witnessed
	if !sure {
		bit |= untold
	}
	switch {
	case x != nil:
		if x.asked&requests == 0 && sure {
			x.since = at(e.When)
		}
		x.asked |= bit
	case r != nil:
		if r.asked&requests == 0 && sure {
			t.begin(r, stop, e.When)
		}
		r.asked |= bit
	}
}

// halted is told when a stop is done: that it was asked for, and not when.
func (t *Tracker) halted(x *ending, r *run, key who) {
	switch {
	case x != nil:
		x.asked |= untold
	case r != nil && t.endingOf(r) == nil:
		r.asked |= untold
	default:
		for _, x := range t.engines.held {
			if x.run.key == key && x.asked == 0 {
				x.asked = untold
				t.missed(stop, noRequest)
				t.resolve(x)
				return
			}
		}
	}
}

// late is a kill for memory that the engine tells of after the end.
func (t *Tracker) late(key who, e workload.Event) {
	for _, x := range t.engines.held {
		if x.run.key == key && x.died.ok && e.When >= x.run.since {
			x.oom = at(e.When)
			t.resolve(x)
			return
		}
	}
}

// ranOut is a kill for memory in a run that lives, or has just ended.
func (t *Tracker) ranOut(r *run, when time.Duration) {
	if !r.over {
		r.oom = at(when)
	}
	for _, x := range slices.Backward(t.engines.held) {
		if x.run == r && (r.over || !x.empty.ok) {
			x.oom = at(when)
			t.resolve(x)
			return
		}
	}
}

// resolve counts an end of which nothing more is to come.
func (t *Tracker) resolve(x *ending) {
	if x.empty.ok && x.died.ok && x.explained() {
		t.conclude(x, unknown)
	}
}

// hears begins or ends to listen to an engine. What it did not tell in between
// nobody knows: whatever it had begun to tell is given up.
func (t *Tracker) hears(runtime string, yes bool) {
	t.engines.heard[runtime] = yes
	for r := range t.open {
		if r.key.runtime == runtime {
			t.giveUp(r, stop, resync)
			t.giveUp(r, startToReady, resync)
		}
	}
	for _, r := range t.contained {
		if r.key.runtime == runtime {
			r.asked = 0
			r.boot.lose(resync)
		}
	}
	for _, x := range slices.Clone(t.engines.held) {
		if x.run.key.runtime == runtime {
			t.conclude(x, resync)
		}
	}
	for key := range t.engines.asked.last {
		if key.runtime == runtime {
			delete(t.engines.asked.last, key)
			t.missed(createToStarted, resync)
		}
	}
}
