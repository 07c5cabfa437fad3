package lifecycle

import (
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// maxPending is how much is held back for an identity. Without a scrape in all
// that time, what the path says has to do.
const maxPending = 16

// said is one thing to tell of a run: an event, an end, a restart or a phase.
type said struct {
	Event     string `json:"event,omitempty"`
	Exit      string `json:"exit,omitempty"`
	Restarted bool   `json:"restarted,omitempty"`

	Phase   string        `json:"phase,omitempty"`
	Source  string        `json:"source,omitempty"`
	Outcome string        `json:"outcome,omitempty"`
	Took    time.Duration `json:"took,omitempty"`
}

// tell says something of a run, once it is known who it is: a pod may turn out
// to be a machine.
func (t *Tracker) tell(r *run, what said) {
	if r.settled {
		t.say(r, what)
		return
	}
	r.pending = append(r.pending, what)
	if len(r.pending) >= maxPending {
		t.flush(r)
	}
}

// settle is told who a run is.
func (t *Tracker) settle(r *run, who workload.Identity) {
	if !r.settled {
		r.identity, r.settled = who, true
		t.touch()
		t.flush(r)
	}
}

func (t *Tracker) flush(r *run) {
	for _, what := range r.pending {
		t.say(r, what)
	}
	r.pending = nil
}

func (t *Tracker) say(r *run, what said) {
	rec := t.cfg.Recorder
	switch {
	case what.Event != "":
		rec.Event(r.identity, what.Event)
	case what.Exit != "":
		rec.Exited(r.identity, what.Exit)
	case what.Restarted:
		rec.Restarted(r.identity)
	default:
		t.sayTook(r, what)
	}
}

func (t *Tracker) sayTook(r *run, what said) {
	p, ok := phaseOf(what.Phase)
	if !ok {
		return
	}
	engine := p == createToStarted && what.Source == sourceEngine
	if (p == createToStarted || p == startToSettled) && !engine && r.identity.Kind == workload.KindVM && !r.managed {
		// The first process in the group is the monitor: no CPU of
		// the machine runs yet.
		t.missed(p, noSource)
		return
	}
	t.cfg.Recorder.Duration(r.identity, what.Phase, what.Source, what.Outcome, what.Took)
	if what.Source != sourceEngine {
		// What is shown of a workload has one meaning: the cgroup's.
		r.saw(p, what.Took)
	}
}
