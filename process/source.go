package process

import (
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Config is what a Source needs to know.
type Config struct {
	// ProcRoot is where procfs is mounted; "/proc" if empty.
	ProcRoot string
	// HostPIDs yields the PIDs of each group that belongs to no workload and is
	// nobody's overhead. The slice is only good during the call.
	HostPIDs func(yield func(cgroup string, pids []int))
	// Interval is how often the host's processes are looked at, at most; 5 s if zero.
	Interval time.Duration
	Host     Host
	// Budget is for the descriptors that are kept; none if nil.
	Budget Budget
	// Now is the clock of Interval.
	Now func() time.Time
	// Uptime is the clock that process start times are counted on; the
	// kernel's if nil.
	Uptime func() time.Duration
	Logger *slog.Logger
}

// Source finds the machines that have no cgroup of their own, and the helpers
// that serve a workload from outside, among the host's processes.
type Source struct {
	cfg      Config
	proc     proc
	registry *workload.Registry
	seed     maphash.Seed

	mu      sync.Mutex
	scanned time.Time
	round   int
	err     error
	seen    map[int]look
	found   map[int]*served
	// fresh is the machines of this scan that are not registered yet.
	fresh []*served
}

// look is what is remembered of a process that is of no interest.
type look struct {
	round int
	times int
}

// served is a process that the Registry knows of, or is about to.
type served struct {
	pid, ppid int
	key       string
	group     *Group
	round     int
	// candidate is set for a machine, owner for a helper.
	candidate *workload.Candidate
	owner     workload.Owner
	// args is a hash: who has the same and is the parent is the same machine.
	args uint64
}

// NewSource returns a Source that tells registry what it finds.
func NewSource(cfg Config, registry *workload.Registry) *Source {
	if cfg.ProcRoot == "" {
		cfg.ProcRoot = defaultProcRoot
	}
	if cfg.Interval == 0 {
		cfg.Interval = 5 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Uptime == nil {
		cfg.Uptime = uptime
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Source{
		cfg: cfg, proc: proc{cfg.ProcRoot}, registry: registry, seed: maphash.MakeSeed(),
		seen: map[int]look{}, found: map[int]*served{},
	}
}

// Sync looks at the host's processes, unless it did within Interval: what ends
// in between is told by its Group.
func (s *Source) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if s.round > 0 && now.Sub(s.scanned) < s.cfg.Interval {
		return s.err
	}
	s.scanned = now
	// Everybody may read this of the first process, unless /proc hides it.
	_, err := s.proc.comm(1)
	if err == nil {
		s.scan()
	}
	s.report(err)
	return err
}

func (s *Source) report(err error) {
	if first := s.round == 0; first || (err == nil) != (s.err == nil) {
		switch {
		case err != nil:
			s.cfg.Logger.Warn("Processes cannot be read", "path", s.cfg.ProcRoot, "err", err)
		case !first:
			s.cfg.Logger.Info("Processes can be read again", "path", s.cfg.ProcRoot)
		}
	}
	s.err = err
	s.round++
	s.registry.Report("process", err == nil)
}

// Close gives all descriptors back.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.found {
		s.drop(f)
	}
}
