//go:build fleet

package prometheus

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// line is a series of an exposition; each is one for every workload.
type line struct {
	series labels.Labels
	value  float64
	each   bool
}

func lines(t testing.TB, file string, keep func(name string) bool) []line {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../collector/testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var list []line
	for _, m := range regexp.MustCompile(`(?m)^([a-z]\S*\{.*\}|[a-z]\S*) ([0-9.e+-]+)$`).FindAllStringSubmatch(string(b), -1) {
		if name, _, _ := strings.Cut(m[1], "{"); !keep(name) {
			continue
		}
		series, err := parser.NewParser(parser.Options{}).ParseMetric(strings.ReplaceAll(m[1], "\uFFFD", ""))
		if err != nil {
			t.Fatal(err)
		}
		l := line{series: series, each: series.Has("id")}
		if _, err := fmt.Sscan(m[2], &l.value); err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// feed is series that have a sample every so often, from some time before the end.
type feed struct {
	every, since time.Duration
	series       []labels.Labels
	values       []float64
	refs         []storage.SeriesRef
}

func (f *feed) add(l labels.Labels, v float64) {
	f.series, f.values, f.refs = append(f.series, l), append(f.values, v), append(f.refs, 0)
}

func with(l labels.Labels, pairs ...string) labels.Labels {
	b := labels.NewBuilder(l)
	for i := 0; i < len(pairs); i += 2 {
		b.Set(pairs[i], pairs[i+1])
	}
	return b.Labels()
}

// fleet is what an evaluation has to read, with as much of the past as each rule
// looks back to. One workload in five is a machine.
func fleet(t testing.TB, hosts, workloads int) (scraped *feed, past []*feed) {
	t.Helper()
	lifecycle := func(name string) bool { return strings.HasPrefix(name, "workload_lifecycle_duration") }
	container := lines(t, "docker.prom", func(string) bool { return true })
	vm := lines(t, "vm.prom", func(string) bool { return true })
	host := lines(t, "everything.prom", func(name string) bool { return !lifecycle(name) })
	host = slices.DeleteFunc(host, func(l line) bool { return l.each })
	histogram := lines(t, "lifecycle.prom", lifecycle)
	for _, l := range histogram {
		// Each kind has every phase.
		for _, phase := range []string{"start_to_ready", "reboot"} {
			histogram = append(histogram, line{series: with(l.series, "phase", phase), value: l.value})
		}
	}

	scraped = &feed{every: 30 * time.Second, since: 10 * time.Minute}
	raw := &feed{every: 30 * time.Second, since: time.Hour}
	hours := &feed{every: time.Hour, since: 7 * 24 * time.Hour}
	day3 := &feed{every: 3 * time.Minute, since: 24 * time.Hour}
	day := &feed{every: time.Minute, since: 24 * time.Hour}
	quarter := &feed{every: time.Minute, since: 6 * time.Hour}
	for h := range hosts {
		instance := []string{"instance", fmt.Sprintf("host-%d:10075", h), "job", "workload"}
		for _, l := range host {
			scraped.add(with(l.series, instance...), l.value)
		}
		for n := range workloads {
			template := container
			if n%5 == 0 {
				template = vm
			}
			id := fmt.Sprintf("%012d", n)
			for _, l := range template {
				if l.each {
					scraped.add(with(l.series, append(instance, "id", id, "name", "name-"+id)...), l.value*(1+float64(n)/1000))
				}
			}
		}
		for _, l := range histogram {
			l.series = with(l.series, instance...)
			raw.add(l.series, l.value)
			if strings.HasSuffix(l.series.Get("__name__"), "_bucket") {
				l.series = labels.NewBuilder(l.series).Del("runtime").Labels()
				hours.add(with(l.series, "__name__", "host_kind:lifecycle_duration_seconds_bucket:hourly"), l.value)
				day3.add(with(l.series, "__name__", "host_kind:lifecycle_duration_seconds_bucket:increase1h"), l.value)
			}
		}
		bare := labels.FromStrings(instance...)
		day.add(with(bare, "__name__", "host:cpu_used_cores:rate5m"), 1)
		for _, name := range []string{"host:workloads_settled:product", "host:memory_used_settled_bytes:sub", "host:cpu_used_settled_cores:sub"} {
			quarter.add(with(bare, "__name__", name), 100)
		}
		for _, kind := range []string{"container", "vm"} {
			kept := with(bare, "kind", kind)
			day.add(with(kept, "__name__", "host_kind:cpu_attributed_cores:p90"), 1)
			for _, name := range []string{
				"host_kind:workloads_settled:sum", "host_kind:memory_used_settled_bytes:product",
				"host_kind:cpu_used_settled_cores:product", "host_kind:headroom_workloads:min",
			} {
				quarter.add(with(kept, "__name__", name), 10)
			}
		}
	}
	return scraped, []*feed{raw, hours, day3, day, quarter}
}

// fill appends in the order of time, which is the only one that a database takes.
func (w *world) fill(end time.Time, feeds ...*feed) {
	w.t.Helper()
	const step = 30 * time.Second
	for ago := 7 * 24 * time.Hour; ago > 0; ago -= step {
		app := w.db.Appender(w.t.Context())
		for _, f := range feeds {
			if ago > f.since || ago%f.every != 0 {
				continue
			}
			moves := float64((f.since - ago) / f.every)
			for i, l := range f.series {
				v := f.values[i] * (1 + moves/100)
				ref, err := app.Append(f.refs[i], l, end.Add(-ago).UnixMilli(), v)
				if err != nil {
					w.t.Fatal(l, err)
				}
				f.refs[i] = ref
			}
		}
		if err := app.Commit(); err != nil {
			w.t.Fatal(err)
		}
	}
}

type cost struct {
	hosts, workloads  int
	scraped, recorded int
	heap              uint64
	groups            map[string]time.Duration
	slowest           []string
}

func (c cost) evaluation() (sum time.Duration) {
	for name, took := range c.groups {
		if name != "workload-lifecycle-week" {
			sum += took
		}
	}
	return sum
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func measure(t *testing.T, hosts, workloads int) cost {
	t.Helper()
	before := heap()
	w := newWorld(t)
	c := cost{hosts: hosts, workloads: workloads, groups: map[string]time.Duration{}}
	end := epoch
	scraped, past := fleet(t, hosts, workloads)
	w.fill(end, append(past, scraped)...)
	c.scraped = len(scraped.series) + len(past[0].series)
	history := 0
	for _, f := range past[1:] {
		history += len(f.series)
	}
	scraped, past = nil, nil
	// Once for what has to be made, once for the time it takes from then on.
	w.eval(end)
	for _, g := range w.groups {
		began := time.Now()
		w.eval(end.Add(time.Millisecond), g.Name())
		c.groups[g.Name()] = time.Since(began)
	}
	c.heap = heap() - before
	c.recorded = int(w.db.Head().NumSeries()) - c.scraped
	type slow struct {
		name string
		took time.Duration
	}
	var all []slow
	for _, g := range w.groups {
		for _, r := range g.Rules() {
			all = append(all, slow{r.Name(), r.GetEvaluationDuration()})
		}
	}
	slices.SortFunc(all, func(a, b slow) int { return cmp.Compare(b.took, a.took) })
	for _, s := range all[:5] {
		c.slowest = append(c.slowest, fmt.Sprintf("`%s` %v", s.name, s.took.Round(time.Millisecond)))
	}
	if got := w.ask(end, "count(host_kind:headroom_workloads:min)")[""]; got != float64(2*hosts) {
		t.Errorf("%v answers for %d hosts", got, hosts)
	}
	t.Logf("%d hosts, %d workloads: %d series scraped, %d recorded (%d of history), %d MiB, evaluation %v", hosts, workloads, c.scraped, c.recorded, history, c.heap>>20, c.evaluation())
	return c
}

// TestFleet writes docs/fleet-cost.md. Nothing in it may grow faster than the
// number of workloads does.
func TestFleet(t *testing.T) {
	var costs []cost
	// Hosts, and workloads of each.
	for _, size := range [][2]int{{50, 50}, {50, 100}, {200, 100}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { costs = append(costs, measure(t, size[0], size[1])) })
	}
	var page strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&page, format+"\n", args...) }
	p("# What the rules cost a Prometheus")
	p("Written by `make fleet`: synthetic hosts with the series of the exporter's own expositions, four containers to one VM, loaded into")
	p("Prometheus' own engine and database with all of [dashboards/rules](../dashboards/rules), and as much of the past as each rule looks")
	p("back to, scraped every 30 s. %d CPUs (%s), not idle; other machines differ, the proportions should not.", runtime.NumCPU(), runtime.Version())
	p("")
	p("| hosts | workloads each | series scraped | series recorded | recorded per workload | heap | heap per host | one evaluation | per workload |")
	p("|---|---|---|---|---|---|---|---|---|")
	for _, c := range costs {
		n := c.hosts * c.workloads
		p("| %d | %d | %d | %d | %.1f | %d MiB | %.1f MiB | %v | %v |", c.hosts, c.workloads, c.scraped, c.recorded, float64(c.recorded)/float64(n),
			c.heap>>20, float64(c.heap)/float64(c.hosts)/(1<<20), c.evaluation().Round(time.Millisecond), (c.evaluation() / time.Duration(n)).Round(time.Microsecond))
	}
	last := costs[len(costs)-1]
	p("")
	p("The heap is that of the database with all series, scraped and recorded. An evaluation is all groups but the hourly one; Prometheus")
	p("spreads them over the minute (`workload-lifecycle`: three minutes). With %d hosts of %d workloads:", last.hosts, last.workloads)
	p("")
	p("| group | takes |")
	p("|---|---|")
	for _, name := range slices.Sorted(maps.Keys(last.groups)) {
		p("| `%s` | %v |", name, last.groups[name].Round(time.Millisecond))
	}
	p("")
	p("The slowest rules: %s.", strings.Join(last.slowest, ", "))
	if err := os.WriteFile("../../docs/fleet-cost.md", []byte(page.String()), 0o644); err != nil {
		t.Fatal(err)
	}

	small, double := costs[1], costs[2]
	if f := float64(double.recorded) / float64(small.recorded); f > 4.01 {
		t.Errorf("four times the hosts record %.2f times the series", f)
	}
	if f := float64(costs[1].recorded) / float64(costs[0].recorded); f > 2 {
		t.Errorf("twice the workloads record %.2f times the series", f)
	}
	// Of the time only what is far off: the machine does other things.
	if f := float64(double.evaluation()) / float64(small.evaluation()); f > 12 {
		t.Errorf("four times the hosts take %.1f times as long", f)
	}
	if most := time.Minute / 2; double.evaluation() > most {
		t.Errorf("an evaluation takes %v of each minute", double.evaluation())
	}
}
