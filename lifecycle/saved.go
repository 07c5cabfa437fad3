package lifecycle

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Saved is what outlives the process: the runs, with the phases that they are in
// and what was seen of them, and the ends that a start may yet follow upon. Times
// are CLOCK_BOOTTIME in nanoseconds, so it means something in one boot only.
type Saved struct {
	Runs  []savedRun `json:"runs,omitempty"`
	Ended []savedEnd `json:"ended,omitempty"`
	// Lost is how much of each phase only this process could have told.
	Lost map[string]int `json:"lost,omitempty"`
}

type savedRun struct {
	Identity savedIdentity `json:"identity"`
	Pending  []said        `json:"pending,omitempty"`
	Cgroup   string        `json:"cgroup,omitempty"`
	Inode    uint64        `json:"inode,omitempty"`
	// Key is what an engine knows a container by.
	Key     savedKey `json:"key,omitzero"`
	Since   moment   `json:"since,omitzero"`
	Over    bool     `json:"over,omitempty"`
	Managed bool     `json:"managed,omitempty"`
	Number  int      `json:"number,omitempty"`
	UUID    string   `json:"uuid,omitempty"`
	Lived   bool     `json:"lived,omitempty"`
	ByHost  bool     `json:"by_host,omitempty"`
	Reset   moment   `json:"reset,omitzero"`
	OOM     moment   `json:"oom,omitzero"`
	Unseen  moment   `json:"unseen,omitzero"`

	// Shutdown and Poweroff are the two beginnings of a machine's end.
	Shutdown moment    `json:"shutdown,omitzero"`
	Poweroff moment    `json:"poweroff,omitzero"`
	Boot     savedBoot `json:"boot,omitzero"`

	Open     map[string]time.Duration `json:"open,omitempty"`
	Seen     map[string]uint64        `json:"seen,omitempty"`
	Settling *savedStart              `json:"settling,omitempty"`
}

type savedBoot struct {
	Since   moment            `json:"since,omitzero"`
	Why     string            `json:"why,omitempty"`
	Began   map[string]moment `json:"began,omitempty"`
	Leaving moment            `json:"leaving,omitzero"`
	Down    moment            `json:"down,omitzero"`
	// Told is pairs of a phase and a source.
	Told  [][2]string `json:"told,omitempty"`
	Spent []string    `json:"spent,omitempty"`
}

type savedIdentity struct {
	Kind    workload.Kind `json:"kind"`
	Runtime string        `json:"runtime"`
	ID      string        `json:"id"`
	Name    string        `json:"name"`
}

type savedKey struct {
	Runtime string `json:"runtime"`
	ID      string `json:"id"`
}

type savedEnd struct {
	savedKey
	Below string `json:"below,omitempty"`
	// At is null when only the order is known; Seen is when it was found out.
	At   moment        `json:"at"`
	Seen time.Duration `json:"seen"`
}

type savedStart struct {
	Outcome string        `json:"outcome"`
	Started time.Duration `json:"started"`
	Busy    time.Duration `json:"busy"`
	Peak    float64       `json:"peak"`
	// Samples are pairs of a time and the CPU time up to it.
	Samples [][2]uint64 `json:"samples,omitempty"`
}

// MarshalJSON is the time, or null for one that is not known.
func (m moment) MarshalJSON() ([]byte, error) {
	if !m.ok {
		return []byte("null"), nil
	}
	return json.Marshal(m.at)
}

// UnmarshalJSON is the reverse.
func (m *moment) UnmarshalJSON(b []byte) error {
	m.ok = string(b) != "null"
	return json.Unmarshal(b, &m.at)
}

// copied is a run as it was under the lock.
type copied struct {
	run
	start *start
}

// Save is what there is to keep now.
func (t *Tracker) Save() Saved {
	t.mu.Lock()
	runs := t.copyRuns()
	ended := slices.Clone(t.ended.queue)
	s := Saved{Lost: t.unheard()}
	for _, e := range ended {
		if last, ok := t.ended.last[e.who]; ok && last.at == e.at {
			s.Ended = append(s.Ended, savedEnd{savedKey{e.who.runtime, e.who.id}, e.who.below, last, e.at})
		}
	}
	t.mu.Unlock()
	for i := range runs {
		s.Runs = append(s.Runs, runs[i].saved())
	}
	return s
}

func (t *Tracker) copyRuns() []copied {
	list := make([]copied, 0, len(t.groups)+len(t.machines))
	add := func(r *run) {
		c := copied{run: *r}
		c.boot.began, c.boot.told = maps.Clone(r.boot.began), maps.Clone(r.boot.told)
		if s := t.starting[r]; s != nil {
			settling := *s.settling
			settling.recent = slices.Clone(settling.recent)
			c.start = &start{settling: &settling, outcome: s.outcome}
		}
		list = append(list, c)
	}
	for _, r := range t.groups {
		add(r)
	}
	for _, r := range t.machines {
		if r.cgroup == "" {
			add(r)
		}
	}
	return list
}

// unheard counts what an engine or systemd would have had to tell this process.
func (t *Tracker) unheard() map[string]int {
	lost := map[string]int{}
	if n := len(t.engines.asked.last); n > 0 {
		lost[createToStarted.String()] = n
	}
	if n := len(t.letGo); n > 0 {
		lost[stop.String()] = n
	}
	for _, x := range t.engines.held {
		if x.empty.ok {
			lost[exit]++
			if x.since.ok {
				lost[stop.String()]++
			}
		}
	}
	return lost
}

func (c *copied) saved() savedRun {
	r := &c.run
	s := savedRun{
		Identity: savedIdentity(r.identity), Pending: r.pending, Cgroup: r.cgroup, Inode: r.inode,
		Key: savedKey{r.key.runtime, r.key.id}, Since: at(r.since), Over: r.over, Managed: r.managed, Number: r.number, UUID: r.uuid,
		Lived: r.lived, ByHost: r.byHost, Reset: r.reset, OOM: r.oom, Unseen: r.unseen,
		Shutdown: r.shutdown, Poweroff: r.poweroff, Boot: r.boot.saved(),
	}
	if r.since == 0 {
		s.Since = moment{}
	}
	for p := range phases {
		if r.open[p].ok {
			s.Open = put(s.Open, p.String(), r.open[p].at)
		}
	}
	for name, v := range slots(&r.seen) {
		if n, ok := v.Get(); ok {
			s.Seen = put(s.Seen, name, n)
		}
	}
	if c.start != nil {
		s.Settling = c.start.saved()
	}
	return s
}

func (b *boot) saved() savedBoot {
	v := savedBoot{Since: b.since, Why: b.why, Began: b.began, Leaving: b.leaving, Down: b.down}
	for one := range b.told {
		v.Told = append(v.Told, [2]string{one.phase.String(), one.source})
	}
	slices.SortFunc(v.Told, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for p := range phases {
		if b.spent[p] {
			v.Spent = append(v.Spent, p.String())
		}
	}
	return v
}

func (s *start) saved() *savedStart {
	v := &savedStart{Outcome: s.outcome, Started: s.started, Busy: s.busy, Peak: s.peak}
	for _, one := range s.recent {
		v.Samples = append(v.Samples, [2]uint64{uint64(one.at), one.cpu})
	}
	return v
}

func put[V any](m map[string]V, key string, v V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = v
	return m
}

// slots is each value of what is shown of a workload, by its name.
func slots(l *workload.Lifecycle) map[string]*workload.Value {
	return map[string]*workload.Value{
		"started":                &l.Started,
		"ready":                  &l.Ready,
		createToStarted.String(): &l.CreateToStarted,
		startToGuestUp.String():  &l.StartToGuestUp,
		startToReady.String():    &l.StartToReady,
		startToSettled.String():  &l.StartToSettled,
		reboot.String():          &l.Reboot,
	}
}
