package workload

import (
	"log/slog"
	"sync"
	"time"
)

// Config is what a Registry needs to know.
type Config struct {
	// Resolvers are asked in order, until one has settled the candidate.
	Resolvers []Resolver
	// Patience is how long a newcomer is held back for its identity before
	// what its path told serves. Well under any scrape interval.
	Patience time.Duration
	// StatsMaxAge is how old a machine's numbers may be and still be served.
	StatsMaxAge time.Duration
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

	mu      sync.Mutex
	sources []Source
	entries map[string]*entry
	helpers map[string]helper
	// machines is what libvirt last listed, by UUID, and when; numbered is the
	// same by the number of the run.
	machines map[string]*Machine
	numbered map[int]*Machine
	heard    time.Time
	// alone is the workloads made for domains without a cgroup, by UUID.
	alone map[string]*Workload
	// joined is the runs that were seen with a cgroup: libvirt's list may be a
	// moment older than the tree, and a domain whose group just went must not
	// come back as one that never had any.
	joined   map[run]bool
	statuses map[string]Status
	dirty    bool
	running  []*Workload
}

type run struct {
	uuid string
	id   int
}

// entry is one candidate and, once it is settled, its workload.
type entry struct {
	candidate Candidate
	found     time.Time
	workload  *Workload
	// changed is set when the Resolvers are to be asked again.
	changed bool
}

type helper struct {
	owner Owner
	group Group
}

// Owner says whose overhead a group or process is: the container with a full
// id, or the workload with a top cgroup. Either may be empty.
type Owner struct{ FullID, Cgroup string }

// NewRegistry returns an empty Registry.
func NewRegistry(cfg Config) *Registry {
	if cfg.Patience == 0 {
		cfg.Patience = time.Second
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
		helpers:  map[string]helper{},
		machines: map[string]*Machine{},
		alone:    map[string]*Workload{},
		joined:   map[run]bool{},
		statuses: map[string]Status{},
	}
}

// Add makes s one of the sources that Refresh brings up to date, in this order.
func (r *Registry) Add(s Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, s)
}

// Found tells of a candidate. The key is the source's own and names the place
// (a cgroup path, a process); the same key with another inode is a new run.
func (r *Registry) Found(key string, c Candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries[key]; ok && e.candidate.Inode == c.Inode {
		return
	}
	r.entries[key] = &entry{candidate: c, found: r.cfg.Now()}
	r.dirty = true
}

// Changed says that something inside a candidate is new, so that the Resolvers
// are asked again: a pod turns into a machine when the machine starts in it.
func (r *Registry) Changed(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries[key]; ok {
		e.changed = true
	}
}

// Gone says that a candidate ended.
func (r *Registry) Gone(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.entries[key]; ok {
		delete(r.entries, key)
		r.dirty = true
	}
}

// FoundOverhead tells of a group or process that serves a workload from outside.
func (r *Registry) FoundOverhead(key string, owner Owner, g Group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.helpers[key] = helper{owner: owner, group: g}
	r.dirty = true
}

// GoneOverhead says that such a group or process ended.
func (r *Registry) GoneOverhead(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.helpers[key]; ok {
		delete(r.helpers, key)
		r.dirty = true
	}
}

// SetMachines replaces what libvirt knows: all active domains.
func (r *Registry) SetMachines(machines []Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[string]*Machine, len(machines))
	r.numbered = make(map[int]*Machine, len(machines))
	r.heard = r.cfg.Now()
	for i := range machines {
		m := &machines[i]
		now[m.UUID] = m
		if m.DomainID > 0 {
			r.numbered[m.DomainID] = m
		}
		if old, ok := r.machines[m.UUID]; !ok || old.DomainID != m.DomainID {
			r.dirty = true
		}
	}
	r.dirty = r.dirty || len(now) != len(r.machines)
	r.machines = now
	r.attachMachines()
}

// Report records what a source says of itself. Heard moves only when it is up.
func (r *Registry) Report(source string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.statuses[source]
	s.Source, s.Up = source, up
	if up {
		s.Heard = r.cfg.Now()
	}
	r.statuses[source] = s
}

// Statuses lists the sources that have reported, by name.
func (r *Registry) Statuses() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Status, 0, len(r.statuses))
	for _, s := range r.statuses {
		list = append(list, s)
	}
	sortStatuses(list)
	return list
}

// Refresh brings every source up to now and returns the workloads that run,
// ordered by their labels. The slice is shared: it is not to be changed.
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
	}
	return r.running
}
