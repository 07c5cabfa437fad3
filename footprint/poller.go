package footprint

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/workload-exporter/workload_exporter/workload"
)

// retries is how often in an interval a source that fails is asked at least.
const retries = 12

// Source looks at the workloads of one runtime. It is asked by one goroutine.
type Source interface {
	// Name is for the log.
	Name() string
	// Wants says whether a workload is one of its own.
	Wants(w *workload.Workload) bool
	// Look finds out what these hold. A workload that is not in the answer is
	// left as it was, and tried again sooner if there is an error.
	Look(ctx context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error)
}

// Config is what a Poller needs to know. List is required.
type Config struct {
	// List is asked once, for the first look; then the scrapes tell.
	List func() []*workload.Workload
	// Sources are in order: a workload belongs to the first that wants it.
	Sources []Source
	// Interval is the time between two looks at a workload: an hour.
	Interval time.Duration
	// Settling is how long a newcomer is left alone: half a minute. It is
	// also the least time between two questions to a source.
	Settling time.Duration
	// Patience is how long a source may take over all of its workloads: 10 minutes.
	Patience time.Duration
	Logger   *slog.Logger
	Now      func() time.Time
}

// record is one workload's.
type record struct {
	source int
	// due is when to look next.
	due time.Time
	// holding is what was seen when it was last looked, nil if nothing was.
	holding *Holding
	looked  time.Time
	// failed is how often it could not be, since.
	failed int
}

// Poller keeps what the sources see.
type Poller struct {
	cfg Config
	// wake has one channel for each source.
	wake []chan struct{}
	// started is when the Poller was made: who is seen soon after ran before.
	started time.Time

	mu sync.Mutex
	// list is the one of the last scrape, which was at scraped.
	list    []*workload.Workload
	begun   bool
	scraped time.Time
	records map[*workload.Workload]*record
	summary *summary
	// failing is whose last answer was an error.
	failing []bool
}

// New returns a Poller that does nothing until Run is called.
func New(cfg Config) *Poller {
	if cfg.Interval == 0 {
		cfg.Interval = time.Hour
	}
	if cfg.Settling == 0 {
		cfg.Settling = 30 * time.Second
	}
	if cfg.Patience == 0 {
		cfg.Patience = 10 * time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	p := &Poller{
		cfg: cfg, records: map[*workload.Workload]*record{}, summary: &summary{}, failing: make([]bool, len(cfg.Sources)),
	}
	p.started = cfg.Now()
	for range cfg.Sources {
		p.wake = append(p.wake, make(chan struct{}, 1))
	}
	return p
}

// Settle is told at each scrape who runs.
func (p *Poller) Settle(list []*workload.Workload) {
	now := p.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle(now)
	p.scraped = now
	if idle {
		// Those that are due were passed over while nobody looked.
		p.rouse()
	}
	if p.begun && slices.Equal(p.list, list) {
		return
	}
	due := now
	if now.Sub(p.started) >= p.cfg.Settling {
		due = now.Add(p.cfg.Settling)
	}
	if p.adopt(list, due) {
		p.rouse()
	}
}

// adopt takes a new list, and says whether somebody in it is new.
func (p *Poller) adopt(list []*workload.Workload, due time.Time) bool {
	records, grown := make(map[*workload.Workload]*record, len(list)), false
	for _, w := range list {
		r := p.records[w]
		if r == nil {
			r = &record{due: due, source: slices.IndexFunc(p.cfg.Sources, func(s Source) bool { return s.Wants(w) })}
			grown = grown || r.source >= 0
		}
		records[w] = r
	}
	// The caller's slice is shared, and stays as it is.
	p.list, p.records, p.begun = list, records, true
	p.summary = summarize(list, records)
	return grown
}

func (p *Poller) rouse() {
	for _, ch := range p.wake {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

func (p *Poller) idle(now time.Time) bool { return now.Sub(p.scraped) > p.cfg.Interval }

// Of is what was last seen of a workload.
func (p *Poller) Of(w *workload.Workload) workload.Footprint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.summary.of[w]
}

// Host adds up those that run.
func (p *Poller) Host() []workload.HostFootprint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.summary.host
}

// Run looks until ctx ends.
func (p *Poller) Run(ctx context.Context) error {
	p.begin()
	group, ctx := errgroup.WithContext(ctx)
	for i := range p.cfg.Sources {
		group.Go(func() error {
			timer := time.NewTimer(0)
			defer timer.Stop()
			for {
				select {
				case <-ctx.Done():
					return nil
				case <-p.wake[i]:
				case <-timer.C:
				}
				timer.Reset(p.step(ctx, i))
			}
		})
	}
	return group.Wait()
}

// begin starts as if there had just been a scrape.
func (p *Poller) begin() {
	list, now := p.cfg.List(), p.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scraped = now
	if !p.begun {
		p.adopt(list, now)
	}
}

// step has one source look at those that are due, and says when to come back.
func (p *Poller) step(ctx context.Context, source int) time.Duration {
	due, wait := p.due(source, p.cfg.Now())
	if len(due) == 0 {
		return wait
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Patience)
	defer cancel()
	found, err := p.cfg.Sources[source].Look(ctx, due)
	p.keep(source, due, found, err)
	return p.cfg.Settling
}

// due is who is to be looked at now, or else how long there is nothing to do.
func (p *Poller) due(source int, now time.Time) ([]*workload.Workload, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := now.Add(p.cfg.Interval)
	if p.idle(now) {
		return nil, p.cfg.Interval
	}
	// Who is nearly due goes along: one question is cheaper than two.
	soon := now.Add(p.cfg.Interval / 10)
	var due []*workload.Workload
	ready := false
	for _, w := range p.list {
		r := p.records[w]
		if r.source != source {
			continue
		}
		if r.due.Before(next) {
			next = r.due
		}
		ready = ready || !r.due.After(now)
		if !r.due.After(soon) && (r.holding != nil || !r.due.After(now)) {
			due = append(due, w)
		}
	}
	if !ready {
		return nil, max(next.Sub(now), time.Second)
	}
	return due, 0
}

// keep takes what a source saw.
func (p *Poller) keep(source int, due []*workload.Workload, found map[*workload.Workload]Holding, err error) {
	now := p.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range due {
		r := p.records[w]
		if r == nil {
			continue
		}
		r.due = now.Add(p.cfg.Interval)
		h, ok := found[w]
		if ok {
			r.holding, r.looked, r.failed = &h, now, 0
			continue
		}
		if err != nil {
			r.due = now.Add(min(p.cfg.Settling<<r.failed, p.cfg.Interval/retries))
			r.failed = min(r.failed+1, 8)
		}
		if now.Sub(r.looked) > 3*p.cfg.Interval {
			// Too old to be of use to anybody.
			r.holding = nil
		}
	}
	p.summary = summarize(p.list, p.records)
	p.tell(source, err)
}

// tell says when a source begins or ceases to fail. What an exporter without
// privileges may not see is no failure.
func (p *Poller) tell(source int, err error) {
	if failing := err != nil; failing == p.failing[source] {
		return
	}
	p.failing[source] = err != nil
	name := p.cfg.Sources[source].Name()
	switch {
	case err == nil:
		p.cfg.Logger.Info("What images and disks take can be seen again", "source", name)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		p.cfg.Logger.Info("What images and disks take is not for this user", "source", name, "err", err)
	default:
		p.cfg.Logger.Warn("What images and disks take cannot be seen", "source", name, "err", err)
	}
}
