package lifecycle

import (
	"path"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Recorder takes what is to be counted. It is called under the Tracker's lock.
type Recorder interface {
	// Duration is how long a phase took.
	Duration(who workload.Identity, phase, source, outcome string, took time.Duration)
	// Event is something that happened.
	Event(who workload.Identity, event string)
	// Restarted is a start soon after the end of the run before.
	Restarted(who workload.Identity)
	// Exited is an end of which the reason is known.
	Exited(who workload.Identity, reason string)
	// Missed is something that could not be measured.
	Missed(phase, reason string)
}

// Config is what a Tracker needs to know. Recorder is required.
type Config struct {
	Recorder Recorder
	// Timeout is when a phase that does not end is given up; 10 min if zero.
	Timeout time.Duration
	// RestartWithin is how soon after an end a start is a restart; 300 s if zero.
	RestartWithin time.Duration
	// Max is how many runs are kept track of; 16384 if zero.
	Max int
	// CPU is the CPU time that a cgroup has used, in nanoseconds. It is called
	// from Run, without a lock. Nobody looks when starts settle if it is nil.
	CPU func(cgroup string, inode uint64) (used uint64, ok bool)
	// Saved is what another process left in this boot; nil is nothing.
	Saved *Saved
	// Boottime is the clock that events are stamped on.
	Boottime func() time.Duration
	// Now is the clock on the wall.
	Now func() time.Time
}

const (
	// rebootGap is how long a machine's resets are one: firmware resets again, and so
	// does a kernel whose first try a busy QEMU has not come to. A guest that was up
	// in between has begun anew.
	rebootGap = 5 * time.Second
	// oomGap is how long before an end an OOM kill is its reason: a process
	// that was killed may take seconds to give its memory back.
	oomGap = 10 * time.Second
	// silence is how long libvirt may take to tell of an end.
	silence = time.Minute
)

// Tracker is the state machine: sources tell it what happens, and it tells the
// Recorder what that amounts to.
type Tracker struct {
	cfg Config

	mu sync.Mutex
	// groups is the runs by their cgroup, machines those that libvirt has
	// told of by UUID, numbered those that wait to be told of by number.
	groups   map[string]*run
	machines map[string]*run
	numbered map[int]*run
	// contained is the runs by what an engine knows them by.
	contained map[who]*run
	engines   engines
	letGo     []letGo
	// open is the runs in a phase.
	open map[*run]bool
	// starting is those of them that Run looks at; wake tells it of a new one.
	starting map[*run]*start
	wake     chan struct{}
	ended    ended
	// synced is set once libvirt has been connected to, complete once all
	// groups that there are have been told of.
	synced, complete bool
	// news has something when there is more to save.
	news chan struct{}
}

// New returns a Tracker that knows of nothing.
func New(cfg Config) *Tracker {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Minute
	}
	if cfg.RestartWithin == 0 {
		cfg.RestartWithin = 300 * time.Second
	}
	if cfg.Max == 0 {
		cfg.Max = 16384
	}
	if cfg.Boottime == nil {
		cfg.Boottime = workload.Boottime
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	t := &Tracker{
		cfg: cfg, news: make(chan struct{}, 1), groups: map[string]*run{}, machines: map[string]*run{}, numbered: map[int]*run{}, open: map[*run]bool{},
		starting: map[*run]*start{}, wake: make(chan struct{}, 1),
		contained: map[who]*run{}, engines: newEngines(cfg.Max, cfg.Timeout),
		ended: ended{max: cfg.Max, keep: cfg.RestartWithin, last: map[who]moment{}},
	}
	if cfg.Saved != nil {
		t.restore(cfg.Saved)
	}
	return t
}

// News has something each time that there is more to Save.
func (t *Tracker) News() <-chan struct{} { return t.news }

// touch says that something has changed that outlives the process.
func (t *Tracker) touch() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// Happened implements workload.Events.
func (t *Tracker) Happened(e workload.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(t.cfg.Boottime())
	t.touch()
	switch e.Kind {
	case workload.EventMissed:
		if e.Detail == workload.MissedTooShort {
			t.missed(createToStarted, e.Detail)
		} else {
			t.cfg.Recorder.Missed(anything, e.Detail)
		}
	case workload.EventResynced, workload.EventSilent:
		if e.Source == sourceEngine {
			t.hears(e.Identity.Runtime, e.Kind == workload.EventResynced)
		} else {
			t.resynced()
		}
	case workload.EventCreated:
		t.created(e)
	case workload.EventPopulated, workload.EventEmpty, workload.EventRemoved, workload.EventOOMKill:
		if r := t.groups[e.Cgroup]; r != nil && r.inode == e.Inode {
			t.inGroup(r, e)
		}
	case workload.EventStarted, workload.EventShutdown, workload.EventStopped, workload.EventReboot, workload.EventAgent:
		t.inMachine(e)
	case workload.EventBegan, workload.EventUnready, workload.EventGuestUp, workload.EventReady, workload.EventGuestStops:
		t.inGuest(e)
	case workload.EventUnitStops:
		t.unitStops(e)
	case workload.EventAskedCreate, workload.EventRan, workload.EventKilled, workload.EventHalted, workload.EventDied, workload.EventOOM:
		t.inEngine(e)
	}
}

// Settle takes the identities that the Registry has found, and gives up what
// has taken too long. A scrape calls it with all that runs.
func (t *Tracker) Settle(list []*workload.Workload) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.cfg.Boottime()
	t.expire(now)
	t.swept()
	listed := map[*run]bool{}
	for _, w := range list {
		r := t.of(w)
		if r == nil {
			continue
		}
		if r.managed {
			listed[r] = true
		}
		if m := w.Machine(); m != nil && r.managed && r.uuid == "" && t.machines[m.UUID] == nil {
			// It ran before libvirt could tell of it.
			t.name(r, m.UUID)
		}
		t.settle(r, w.Identity)
	}
	for r := range t.open {
		for p := range phases {
			if since := r.open[p]; since.ok && now-since.at > t.cfg.Timeout {
				t.giveUp(r, p, timeout)
			}
		}
	}
	for _, r := range t.machines {
		switch {
		case r.cgroup != "" || listed[r]:
			r.unseen = moment{}
		case !r.unseen.ok:
			r.unseen = at(now)
		case now-r.unseen.at > silence:
			t.lost(r, unheard)
		}
	}
	t.ended.forget(now)
	t.engines.asked.forget(now)
}

// Of is what was seen of a workload that runs.
func (t *Tracker) Of(w *workload.Workload) workload.Lifecycle {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.of(w); r != nil {
		return r.seen
	}
	return workload.Lifecycle{}
}

func (t *Tracker) of(w *workload.Workload) *run {
	if r := t.groups[w.Cgroup]; r != nil && r.inode == w.Inode {
		return r
	}
	if m := w.Machine(); m != nil && w.Cgroup == "" {
		return t.machines[m.UUID]
	}
	return nil
}

// room says whether one more run can be kept track of.
func (t *Tracker) room() bool {
	if t.groupsAndMachines() < t.cfg.Max {
		return true
	}
	t.cfg.Recorder.Missed(anything, tooMany)
	return false
}

func (t *Tracker) groupsAndMachines() int { return len(t.groups) + len(t.machines) }

// begin opens a phase.
func (t *Tracker) begin(r *run, p phase, when time.Duration) {
	t.touch()
	r.open[p] = at(when)
	r.boot.spent[p] = false
	t.open[r] = true
}

// cancel closes a phase that turned out to be none.
func (t *Tracker) cancel(r *run, p phase) {
	t.touch()
	r.open[p] = moment{}
	if p == startToSettled {
		delete(t.starting, r)
	}
	if r.open == [phases]moment{} {
		delete(t.open, r)
	}
}

// giveUp closes a phase without a duration, if it is open.
func (t *Tracker) giveUp(r *run, p phase, reason string) {
	if r.open[p].ok {
		t.cancel(r, p)
		t.missed(p, reason)
		r.boot.spent[p] = true
	}
}

// finish closes a phase, if it is open.
func (t *Tracker) finish(r *run, p phase, source, outcome string, when time.Duration) {
	since := r.open[p]
	if since.ok {
		t.cancel(r, p)
		t.took(r, p, source, outcome, when-since.at)
	}
}

func (t *Tracker) took(r *run, p phase, source, outcome string, d time.Duration) {
	switch {
	case d < 0:
		t.missed(p, order)
	case d > t.cfg.Timeout:
		t.missed(p, timeout)
	default:
		t.tell(r, said{Phase: p.String(), Source: source, Outcome: outcome, Took: d})
	}
}

func (t *Tracker) missed(p phase, reason string) { t.cfg.Recorder.Missed(p.String(), reason) }

func (t *Tracker) event(r *run, name string) { t.tell(r, said{Event: name}) }

func (t *Tracker) exited(r *run, reason string) { t.tell(r, said{Exit: reason}) }

// again tells of a start that followed upon an end.
func (t *Tracker) again(r *run, key who, source string, when moment, now time.Duration) {
	before, found := t.ended.take(key)
	if !found || now-before.at > t.cfg.RestartWithin {
		return
	}
	t.tell(r, said{Restarted: true})
	if !before.ok || !when.ok {
		t.missed(reboot, late)
		return
	}
	t.took(r, reboot, source, restart, when.at-before.at)
}

// wall is a moment on the clock on the wall, as it is set now.
func (t *Tracker) wall(when time.Duration) workload.Value {
	lead, _ := workload.Lead(t.cfg.Boottime, t.cfg.Now)
	if when+lead < 0 {
		return workload.Value{}
	}
	return workload.Known(uint64(when + lead))
}

// who is what makes two runs one workload. Users may each have a container of
// one name, below different groups.
type who struct{ runtime, id, below string }

func whoOf(e workload.Event) who {
	return who{e.Identity.Runtime, e.Identity.ID, path.Dir(e.Cgroup)}
}
