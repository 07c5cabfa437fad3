package status

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const (
	// every is how often is read while somebody looks; the page asks for itself as often.
	every = 10 * time.Second
	// window is what the plots show.
	window = 10 * time.Minute
	// attention is for how long after the last look reading goes on.
	attention = time.Minute
	// fresh is how old a reading may be and still be shown: many viewers are one reading.
	fresh = time.Second
	// stale is how old one may be for rates to be made with it.
	stale = time.Minute
	// apart is between the two readings that the first look needs.
	apart = 500 * time.Millisecond
)

// Link is one that the page ends with.
type Link struct{ Address, Text string }

// Config is what a Page needs.
type Config struct {
	// Gather is a scrape, as prometheus.TransactionalGatherer has it.
	Gather  func() (families []*dto.MetricFamily, done func(), err error)
	Version string
	Links   []Link
	// Now is the clock, Sleep waits; for tests.
	Now    func() time.Time
	Sleep  func(context.Context, time.Duration) error
	Logger *slog.Logger
}

// Page is an http.Handler.
type Page struct {
	cfg Config

	// woken has an entry when somebody looks after a while of nobody doing so.
	woken chan struct{}

	mu            sync.Mutex
	looked        time.Time
	before, after *reading
	history       history
	failing       bool
}

// New makes a Page.
func New(cfg Config) *Page {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Page{cfg: cfg, woken: make(chan struct{}, 1)}
}

// Run reads for the plots while somebody looks, until ctx ends.
func (p *Page) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.woken:
		}
		for p.watched() {
			if err := p.cfg.Sleep(ctx, every); err != nil {
				return err
			}
			p.mu.Lock()
			p.take()
			p.mu.Unlock()
		}
	}
}

func (p *Page) watched() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.Now().Sub(p.looked) < attention
}

// look makes the view of now, from two readings.
func (p *Page) look(ctx context.Context) (*view, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	p.looked = now
	select {
	case p.woken <- struct{}{}:
	default:
	}
	if p.after == nil || now.Sub(p.after.at) > stale {
		p.before, p.after = nil, nil
		p.take()
		if err := p.cfg.Sleep(ctx, apart); err != nil {
			return nil, err
		}
	}
	if p.after == nil || p.cfg.Now().Sub(p.after.at) > fresh || p.before == nil {
		p.take()
	}
	if p.after == nil {
		return nil, errors.New("nothing could be read")
	}
	return p.view(), nil
}

// take reads once. The last reading but one goes, so that two are kept and the
// rest is in the history.
func (p *Page) take() {
	families, done, err := p.cfg.Gather()
	r := read(families, p.cfg.Now())
	done()
	if failing := err != nil; failing != p.failing {
		p.failing = failing
		if failing {
			p.cfg.Logger.Warn("The status page lacks something", "err", err)
		}
	}
	p.before, p.after = p.after, r
	if p.before != nil && p.history.due(r.at) {
		p.history = p.history.keep(moment{r.at, points(p.before, p.after)})
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
