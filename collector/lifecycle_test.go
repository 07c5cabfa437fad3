package collector

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/lifecycle"
	"github.com/workload-exporter/workload_exporter/workload"
)

var _ lifecycle.Recorder = (*Lifecycle)(nil)

// past is a History in which container(1) and every machine have had all that there is.
type past struct{ settled int }

func (p *past) Settle(list []*workload.Workload) { p.settled += len(list) }

func (*past) Of(w *workload.Workload) workload.Lifecycle {
	known := workload.Known
	l := workload.Lifecycle{Started: known(1_699_999_000_250_000_000), CreateToStarted: known(250_000_000), StartToSettled: known(31_000_000_000), StartToReady: known(4_500_000_000), Ready: known(1_699_999_004_750_000_000), Reboot: known(1_500_000_000)}
	switch {
	case w.Kind == workload.KindVM:
		l.StartToGuestUp = known(8_000_000_000)
	case w.Inode != 1:
		return workload.Lifecycle{}
	}
	return l
}

// lived is a Gatherer of workloads that have had a life.
func lived(registry *workload.Registry) (*Gatherer, *past) {
	l, p := NewLifecycle(), &past{}
	docker := workload.Identity{Kind: workload.KindContainer, Runtime: "docker", ID: "a", Name: "a"}
	machine := workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: "b", Name: "b"}
	l.Duration(docker, "create_to_started", "cgroup", "ok", 250*time.Millisecond)
	l.Duration(docker, "create_to_started", "cgroup", "ok", 30*time.Millisecond)
	l.Duration(docker, "start_to_ready", "docker", "ok", 4500*time.Millisecond)
	l.Duration(docker, "start_to_settled", "cpu", "ok", 31*time.Second)
	l.Duration(machine, "stop", "libvirt", "graceful", 1200*time.Millisecond)
	l.Event(docker, "created")
	l.Event(workload.Identity{Kind: workload.KindContainer, Runtime: "in\xffvalid"}, "created")
	l.Restarted(docker)
	l.Exited(machine, "clean")
	l.Missed("exit", "unknown")
	l.Missed("exit", "unknown")
	g := New(Config{Registry: registry, Enabled: workloadsOnly(), Now: clock, Lifecycle: l, History: p})
	return g, p
}

func TestGoldenLifecycle(t *testing.T) {
	registry := shapes()["vm"]
	registry.Found("docker", container(1))
	registry.Found("adopted", container(2))
	g, p := lived(registry)
	golden(t, "lifecycle", text(t, g))
	if p.settled != 3 {
		t.Errorf("%d workloads settled", p.settled)
	}
}

func TestLintLifecycle(t *testing.T) {
	g, _ := lived(shapes()["vm"])
	families, done, err := g.Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestBothHistograms has classic and native buckets in one family.
func TestBothHistograms(t *testing.T) {
	g, _ := lived(shapes()["empty"])
	families, done, err := g.Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "workload_lifecycle_duration_seconds" })
	if i < 0 {
		t.Fatal("no histogram")
	}
	for _, m := range families[i].Metric {
		h := m.GetHistogram()
		if len(h.GetBucket()) != 20 || h.Schema == nil || h.GetSchema() < 3 || len(h.GetPositiveSpan()) == 0 {
			t.Errorf("%d classic buckets, schema %v, %d spans", len(h.GetBucket()), h.Schema, len(h.GetPositiveSpan()))
		}
	}
}

// TestBudgetLifecycle holds the promise of the README with all that a life can have.
func TestBudgetLifecycle(t *testing.T) {
	registry := shapes()["vm"]
	registry.Found("docker", container(1))
	g, _ := lived(registry)
	families, done, err := g.Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, f := range families {
		for _, m := range f.Metric {
			kind, own := "", false
			for _, l := range m.Label {
				own = own || l.GetName() == "id"
				if l.GetName() == "kind" {
					kind = l.GetValue()
				}
			}
			if own {
				count[kind]++
			}
		}
	}
	t.Logf("series: %v", count)
	if count["container"] > 48 || count["vm"] > 64 || count["container"] != 40 {
		t.Errorf("series: %v", count)
	}
}
