package workload

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Config is what a Registry needs to know.
type Config struct {
	// Resolvers are asked in order, until one has settled the candidate.
	Resolvers []Resolver
	// Namers are all asked, once it is known what a candidate is.
	Namers []Namer
	// Patience is how long a newcomer is held back for its identity, from when
	// it was first seen running, before what was told by then serves. Well
	// under any scrape interval.
	Patience time.Duration
	// Adoption is the same for those that ran already, when all Namers are
	// asked for all at once.
	Adoption time.Duration
	// StatsMaxAge is how old a machine's numbers may be and still be served.
	StatsMaxAge time.Duration
	// Most is how many workloads Refresh returns at most; 0 is no limit.
	Most int
	// Now is the clock.
	Now    func() time.Time
	Logger *slog.Logger
}

// Registry is the live set of workloads. Sources write to it, collectors read
// from it; all methods may be called from any goroutine.
type Registry struct {
	cfg Config

	// refresh serialises Refresh, which calls back into the methods below.
	refresh sync.Mutex

	// mu is held while Resolvers and Groups are asked, so neither may wait for
	// a lock under which somebody calls the Registry.
	mu      sync.Mutex
	sources []Source
	entries map[string]*entry
	// waiting is the entries without an identity, changed those whose
	// Resolvers are to be asked again: few, however many are settled.
	waiting map[string]*entry
	changed map[string]*entry
	// began is when it was first looked who runs.
	began time.Time
	// undecided is how many run and were held back by the last Refresh.
	undecided int
	// taken is who has which labels; unions are of those that share them.
	taken  map[Identity]*entry
	unions map[Identity]*union

	helpers map[string]*helper
	// seeking is for how many a Refresh helpers without an owner are looked
	// at again: what is inside a group is known once it has been read.
	seeking int

	// machines is what libvirt last listed, by UUID, and when; numbered is the
	// same by the number of the run.
	machines map[string]*Machine
	numbered map[int]*Machine
	heard    time.Time
	// alone is the workloads made for domains without a cgroup.
	alone map[run]*Workload
	// joined is the runs that were seen with a cgroup: libvirt's list may be a
	// moment older than the tree, and a domain whose group just went must not
	// come back as one that never had any. Former is such groups that libvirt
	// may list yet.
	joined map[run]bool
	former []former

	// contained is what each source tells of the inside of pods; recount: it is new.
	contained map[string]map[string][]Container
	recount   bool

	statuses map[string]Status
	// dirty: the list is to be made anew; restless: helpers came or went.
	dirty    bool
	restless bool
	running  []*Workload
	// shown is running, less the hidden ones.
	shown  []*Workload
	hidden int
}

// entry is one candidate and, once it is settled, its workload.
type entry struct {
	key       string
	candidate Candidate
	// ran is when it was first seen running: an empty group may be made long before.
	ran      time.Time
	workload *Workload
}

// Owner says whose overhead a group or process is: the container with a full
// id, or the workload with a top cgroup. Either may be empty.
type Owner struct{ FullID, Cgroup string }

// NewRegistry returns an empty Registry.
func NewRegistry(cfg Config) *Registry {
	if cfg.Patience == 0 {
		cfg.Patience = time.Second
	}
	if cfg.Adoption == 0 {
		cfg.Adoption = 5 * time.Second
	}
	if cfg.StatsMaxAge == 0 {
		cfg.StatsMaxAge = 5 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Registry{
		cfg:      cfg,
		entries:  map[string]*entry{},
		waiting:  map[string]*entry{},
		changed:  map[string]*entry{},
		taken:    map[Identity]*entry{},
		unions:   map[Identity]*union{},
		helpers:  map[string]*helper{},
		machines: map[string]*Machine{},
		alone:    map[run]*Workload{},
		joined:   map[run]bool{},
		statuses: map[string]Status{}, contained: map[string]map[string][]Container{},
	}
}

// Add makes s one of the sources that Refresh brings up to date, in this order.
func (r *Registry) Add(s Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, s)
}

// AddNamer is for one that itself reports to the Registry.
func (r *Registry) AddNamer(n Namer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cfg.Namers = append(r.cfg.Namers, n)
}

// Found tells of a candidate. The key is the source's own and names the place
// (a cgroup path, a process); the same key with another inode is a new run.
func (r *Registry) Found(key string, c Candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries[key]; ok {
		if e.candidate.Inode == c.Inode {
			return
		}
		r.drop(e)
	}
	c.tidy()
	for _, n := range r.cfg.Namers {
		n.Expect(&c)
	}
	e := &entry{key: key, candidate: c}
	r.entries[key], r.waiting[key] = e, e
	// A machine that is not settled yet is no domain without a cgroup.
	r.dirty = r.dirty || c.Kind == KindVM
}

// Changed says that something inside a candidate is new, so that the Resolvers
// are asked again: a pod turns into a machine when the machine starts in it.
func (r *Registry) Changed(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries[key]; ok {
		r.changed[key] = e
	}
}

// Gone says that a candidate ended.
func (r *Registry) Gone(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries[key]; ok {
		r.drop(e)
	}
}

func (r *Registry) drop(e *entry) {
	delete(r.entries, e.key)
	delete(r.waiting, e.key)
	delete(r.changed, e.key)
	r.remember(e)
	if e.workload != nil {
		r.release(e)
		r.dirty = true
	}
}

// Report records what a source says of itself. Heard moves only when it is up.
func (r *Registry) Report(source string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.statuses[source]
	if s.Up && !up {
		s.Failures++
	}
	s.Source, s.Up = source, up
	if up {
		s.Heard = r.cfg.Now()
	}
	r.statuses[source] = s
}

// Withdraw says that a source is none any more: its user has left.
func (r *Registry) Withdraw(source string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.statuses, source)
}

// Statuses lists the sources that have reported, by name.
func (r *Registry) Statuses() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Status, 0, len(r.statuses))
	for _, s := range r.statuses {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Source, b.Source) })
	return list
}

// Undecided is how many workloads the last Refresh held back, since nobody could
// tell yet what they are called. None is held back for longer than Patience.
func (r *Registry) Undecided() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undecided
}

// Refresh brings every source up to now and returns the workloads that run,
// ordered by their labels, no more than may be shown. The slice is shared: it is not to be changed.
func (r *Registry) Refresh() []*Workload {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	r.mu.Lock()
	sources := r.sources
	r.mu.Unlock()
	for _, s := range sources {
		// A source reports and logs its own failures; the rest goes on.
		_ = s.Sync()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropStaleMachines()
	r.settle()
	if r.dirty {
		r.rebuild()
		r.recount = true
	}
	if r.recount {
		r.attachPods()
	}
	r.attachOverhead()
	return r.shown
}
