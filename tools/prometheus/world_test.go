package prometheus

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

// order is the one in which groups are evaluated, so that what one records the
// next one sees.
var order = []string{
	"workload-thresholds", "workload-use", "workload-marginal", "workload-headroom", "workload-lifecycle", "workload-lifecycle-week",
	"workload-pressure", "workload-density-alerts", "workload-lifecycle-alerts", "workload-exporter",
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is a Prometheus without a clock: its database, its engine, our rules.
type world struct {
	t      testing.TB
	db     *tsdb.DB
	engine *promql.Engine
	groups []*rules.Group
	series map[string]labels.Labels
}

func newWorld(t testing.TB) *world {
	t.Helper()
	options := tsdb.DefaultOptions()
	options.RetentionDuration = 0
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	db.DisableCompactions()
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: 50_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	files, err := filepath.Glob("../../dashboards/rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no rules", err)
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		Appendable: db, Queryable: db, QueryFunc: rules.EngineQueryFunc(engine, db),
		Context: t.Context(), Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Parser:     parser.NewParser(parser.Options{}),
	})
	loaded, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, files...)
	if len(errs) != 0 {
		t.Fatal(errs)
	}
	w := &world{t: t, db: db, engine: engine, series: map[string]labels.Labels{}}
	for _, name := range order {
		for _, g := range loaded {
			if g.Name() == name {
				w.groups = append(w.groups, g)
			}
		}
	}
	if len(w.groups) != len(loaded) {
		t.Fatalf("%d of %d groups have a place in the order", len(w.groups), len(loaded))
	}
	return w
}

// minute is when that minute of the test is.
func minute(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }

// scrape adds samples of one moment.
func (w *world) scrape(at time.Time, samples map[string]float64) {
	w.t.Helper()
	app := w.db.Appender(w.t.Context())
	for series, v := range samples {
		l, ok := w.series[series]
		if !ok {
			var err error
			if l, err = parser.NewParser(parser.Options{}).ParseMetric(series); err != nil {
				w.t.Fatal(series, err)
			}
			w.series[series] = l
		}
		if _, err := app.Append(0, l, at.UnixMilli(), v); err != nil {
			w.t.Fatal(series, err)
		}
	}
	if err := app.Commit(); err != nil {
		w.t.Fatal(err)
	}
}

// eval evaluates those groups, all without a name.
func (w *world) eval(at time.Time, names ...string) {
	w.t.Helper()
	for _, g := range w.groups {
		if len(names) != 0 && !slices.Contains(names, g.Name()) {
			continue
		}
		g.Eval(w.t.Context(), at)
		for _, r := range g.Rules() {
			if r.LastError() != nil {
				w.t.Fatalf("%s: %v", r.Name(), r.LastError())
			}
		}
	}
}

// vector is the answer to a query.
func (w *world) vector(at time.Time, query string) promql.Vector {
	w.t.Helper()
	q, err := w.engine.NewInstantQuery(w.t.Context(), w.db, nil, query, at)
	if err != nil {
		w.t.Fatal(query, err)
	}
	defer q.Close()
	vector, err := q.Exec(w.t.Context()).Vector()
	if err != nil {
		w.t.Fatal(query, err)
	}
	return slices.Clone(vector)
}

// ask is the answer to a query, by the instance and kind of each sample.
func (w *world) ask(at time.Time, query string) map[string]float64 {
	w.t.Helper()
	answer := map[string]float64{}
	for _, s := range w.vector(at, query) {
		key := s.Metric.Get("instance")
		for _, l := range []string{"kind", "bound_by"} {
			if v := s.Metric.Get(l); v != "" {
				key = strings.TrimPrefix(key+" "+v, " ")
			}
		}
		answer[key] = s.F
	}
	return answer
}
