package collector

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"
)

// Gatherer is everything that is exposed: the page of workloads, and a registry
// for the rest. It is a prometheus.TransactionalGatherer: what Gather returns
// is its own, and stays as it is until done is called.
type Gatherer struct {
	cfg Config
	// registry has what there are few of. Its collectors say what the scrape
	// found, so it is gathered last, under the same lock.
	registry *prometheus.Registry

	// mu is held from Gather to done, so that two scrapers get the same,
	// complete answers one after the other. Each of them reads anew:
	// a page that was shared would be as old as its slowest reader.
	mu       sync.Mutex
	page     *page
	host     *host
	took     map[Name]time.Duration
	failed   map[Name]bool
	families []*dto.MetricFamily
}

// New makes a Gatherer.
func New(cfg Config) *Gatherer {
	cfg.setDefaults()
	g := &Gatherer{
		cfg: cfg, registry: prometheus.NewRegistry(), page: newPage(cfg.Enabled, cfg.History),
		took: map[Name]time.Duration{}, failed: map[Name]bool{},
	}
	if cfg.Enabled[Host] {
		g.host = newHost(cfg.ProcRoot, cfg.SysRoot)
		g.registry.MustRegister(&hostCollector{g})
	}
	if cfg.Lifecycle != nil {
		g.registry.MustRegister(cfg.Lifecycle)
	}
	if cfg.Footprint != nil {
		g.page.footprint = cfg.Footprint
		g.registry.MustRegister(footprintCollector{cfg.Footprint})
	}
	if cfg.Enabled[Sources] {
		g.registry.MustRegister(&sourcesCollector{registry: cfg.Registry, now: cfg.Now})
	}
	if cfg.Enabled[Self] {
		g.registry.MustRegister(&selfCollector{g}, version.NewCollector("workload_exporter"))
	}
	if cfg.Runtime {
		g.registry.MustRegister(collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return g
}

// Gather reads everything. The caller must call done, and not touch the
// families after it.
func (g *Gatherer) Gather() (_ []*dto.MetricFamily, done func(), err error) {
	g.mu.Lock()
	errs := []error{g.timed(Host, g.readHost), g.timed("workloads", g.readWorkloads)}
	few, err := g.registry.Gather()
	errs = append(errs, err, g.join(few))
	return g.families, g.mu.Unlock, errors.Join(errs...)
}

func (g *Gatherer) readWorkloads() error { return g.page.fill(g.cfg.Registry.Refresh()) }

func (g *Gatherer) readHost() error {
	if g.host == nil {
		return nil
	}
	return g.host.read()
}

// timed runs one part of a scrape, which neither by an error nor by a panic
// keeps the others from being served.
func (g *Gatherer) timed(name Name, part func() error) (err error) {
	started := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("collecting %s: %v", name, p)
			g.cfg.Logger.Error("A collector panicked", "collector", name, "panic", p, "stack", string(debug.Stack()))
		}
		g.took[name], g.failed[name] = time.Since(started), err != nil
	}()
	return part()
}

// join merges the page's families, less those without a sample, with the few
// others, by name.
func (g *Gatherer) join(few []*dto.MetricFamily) error {
	var errs []error
	g.families = g.families[:0]
	for _, f := range g.page.families {
		if len(f.Metric) == 0 {
			continue
		}
		for len(few) > 0 && few[0].GetName() < f.GetName() {
			g.families, few = append(g.families, few[0]), few[1:]
		}
		if len(few) > 0 && few[0].GetName() == f.GetName() {
			errs = append(errs, fmt.Errorf("family %s is there twice", f.GetName()))
			few = few[1:]
		}
		g.families = append(g.families, f)
	}
	g.families = append(g.families, few...)
	return errors.Join(errs...)
}
