package status

import (
	"cmp"
	"slices"
	"time"
)

// listed is how many workloads are shown: a page is for reading.
const listed = 200

// view is what the template gets: text, and nothing to decide.
type view struct {
	Version string
	Taken   string
	Refresh int
	Host    []fact
	Kinds   []string
	Rows    []compared
	Plots   []plot
	Works   []line
	Total   int
	More    int
	Sources []health
	Links   []Link
	Failing bool
}

// fact is one number with a name.
type fact struct{ Name, Value string }

// compared is one number of each kind, side by side.
type compared struct {
	Name, Remark string
	Values       []string
}

// line is one workload.
type line struct {
	Kind, Runtime, Name, ID  string
	CPU, Held, Set, Resident string
	Waiting, Up              string
	cost                     float64
	// Share is the larger of its shares of the host's CPUs and memory, in per cent of a bar.
	Share string
}

// health is one source.
type health struct{ Name, State, Class, Age string }

const (
	usage, overheadCPU    = "workload_cpu_usage_seconds_total", "workload_overhead_cpu_seconds_total"
	resident, workingSet  = "workload_memory_resident_bytes", "workload_memory_working_set_bytes"
	unreclaimable, beside = "workload_memory_unreclaimable_bytes", "workload_overhead_memory_bytes"
	cpuWaits              = "workload_pressure_cpu_waiting_seconds_total"
)

func (p *Page) view() *view {
	r := p.after
	v := &view{
		Version: p.cfg.Version, Taken: r.at.UTC().Format(time.DateTime) + " UTC", Refresh: int(every.Seconds()),
		Kinds: r.kinds(), Links: p.cfg.Links, Failing: p.failing, Total: len(r.works),
	}
	v.Host = hostFacts(p.before, r)
	v.Rows = compare(p.before, r, v.Kinds)
	v.Plots = plots(p.history, v.Kinds)
	v.Works = lines(p.before, r)
	if len(v.Works) > listed {
		v.More, v.Works = len(v.Works)-listed, v.Works[:listed]
	}
	for _, s := range r.sources {
		h := health{s.name, "up", "good", age(s.age)}
		if !s.up {
			h.State, h.Class = "down", "bad"
		}
		v.Sources = append(v.Sources, h)
	}
	return v
}

// kinds are the columns: both of the comparison always, services where there are any.
func (r *reading) kinds() []string {
	list := []string{"container", "vm"}
	for k := range r.works {
		if !slices.Contains(list, k.kind) {
			list = append(list, k.kind)
		}
	}
	return list
}

func hostFacts(before, r *reading) []fact {
	var list []fact
	add := func(name, value string) {
		if value != unknown {
			list = append(list, fact{name, value})
		}
	}
	host := func(name string) (float64, bool) { v, ok := r.host["workload_host_"+name]; return v, ok }
	add("Cores", number(host("cpu_cores")))
	add("Threads", number(host("cpu_threads")))
	change := func(name string) (float64, bool) {
		if before == nil {
			return 0, false
		}
		was, hadBefore := before.host["workload_host_"+name]
		is, has := host(name)
		took := r.at.Sub(before.at).Seconds()
		return (is - was) / took, hadBefore && has && is >= was && took > 0
	}
	add("CPU used", cores(change("cpu_usage_seconds_total")))
	add("Memory", size(host("memory_total_bytes")))
	add("Available", size(host("memory_available_bytes")))
	for _, of := range []struct{ name, resource string }{{"CPU pressure", "cpu"}, {"Memory pressure", "memory"}, {"I/O pressure", "io"}} {
		add(of.name, percent(change("pressure_"+of.resource+"_waiting_seconds_total")))
	}
	return list
}

// compare is the table of the kinds.
func compare(before, r *reading, kinds []string) []compared {
	var rows []compared
	row := func(name, remark string, of func(kind string) string) {
		c := compared{Name: name, Remark: remark}
		empty := true
		for _, kind := range kinds {
			value := of(kind)
			c.Values, empty = append(c.Values, value), empty && value == unknown
		}
		if !empty {
			rows = append(rows, c)
		}
	}
	row("Running", "", func(kind string) string { return count(r.tallies[kind]) })
	row("CPU", "cores in use, overhead included", func(kind string) string {
		return cores(total(r, kind, func(w *work) (float64, bool) { return rate(before, r, w.key, usage, overheadCPU) }))
	})
	for _, m := range []struct{ name, remark, family string }{
		{"Memory resident", "all that is charged", resident},
		{"Memory working set", "less inactive file pages", workingSet},
		{"Memory unreclaimable", "cannot be taken back", unreclaimable},
		{"Memory overhead", "outside the workload's cgroup", beside},
	} {
		row(m.name, m.remark, func(kind string) string {
			return size(total(r, kind, func(w *work) (float64, bool) { return w.sum(m.family) }))
		})
	}
	row("Memory of one", "mean, unreclaimable and overhead", func(kind string) string {
		return size(mean(r, kind, func(w *work) (float64, bool) { return w.sum(unreclaimable, beside) }))
	})
	for _, m := range []struct{ name, resource string }{{"CPU pressure", "cpu"}, {"Memory pressure", "memory"}, {"I/O pressure", "io"}} {
		row(m.name, "time in which the mean one waited", func(kind string) string {
			return percent(mean(r, kind, func(w *work) (float64, bool) {
				return rate(before, r, w.key, "workload_pressure_"+m.resource+"_waiting_seconds_total")
			}))
		})
	}
	for _, m := range []struct{ name, remark, phase string }{
		{"Start", "created, to running", "create_to_started"},
		{"Ready", "running, to ready", "start_to_ready"},
		{"Settle", "running, to quiet", "start_to_settled"},
		{"Stop", "", "stop"},
		{"Reboot", "", "reboot"},
	} {
		row(m.name, joined(m.remark, "median since the exporter's start"), func(kind string) string {
			return span(r.phases[phase{kind, m.phase}].median())
		})
	}
	row("Images", "on disk, what is shared once", func(kind string) string {
		v, ok := r.images[kind]
		return size(v, ok)
	})
	row("Disks", "allocated", func(kind string) string {
		return size(total(r, kind, func(w *work) (float64, bool) { return w.sum("workload_disk_allocated_bytes") }))
	})
	return rows
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// total adds up what is known of a kind's workloads.
func total(r *reading, kind string, of func(*work) (float64, bool)) (sum float64, ok bool) {
	sum, n := tallied(r, kind, of)
	return sum, n > 0
}

func mean(r *reading, kind string, of func(*work) (float64, bool)) (float64, bool) {
	sum, n := tallied(r, kind, of)
	return sum / float64(max(n, 1)), n > 0
}

func tallied(r *reading, kind string, of func(*work) (float64, bool)) (sum float64, n int) {
	for _, w := range r.works {
		if w.kind != kind {
			continue
		}
		if v, ok := of(w); ok {
			sum, n = sum+v, n+1
		}
	}
	return sum, n
}

// points is what the plots keep of a reading.
func points(before, r *reading) map[string]point {
	kinds := map[string]point{}
	for _, kind := range r.kinds() {
		var at point
		at.cpu, _ = total(r, kind, func(w *work) (float64, bool) { return rate(before, r, w.key, usage, overheadCPU) })
		at.memory, _ = total(r, kind, func(w *work) (float64, bool) { return w.sum(unreclaimable, beside) })
		at.waiting, _ = mean(r, kind, func(w *work) (float64, bool) { return rate(before, r, w.key, cpuWaits) })
		kinds[kind] = at
	}
	return kinds
}

// lines lists the workloads, those that take most of the host first.
func lines(before, r *reading) []line {
	list := make([]line, 0, len(r.works))
	threads, memory := r.host["workload_host_cpu_threads"], r.host["workload_host_memory_total_bytes"]
	for _, w := range r.works {
		cpu, hasCPU := rate(before, r, w.key, usage, overheadCPU)
		held, hasMemory := w.sum(unreclaimable, beside)
		if !hasMemory {
			held, hasMemory = w.sum(resident)
		}
		l := line{
			Kind: w.kind, Runtime: w.runtime, Name: w.name, ID: w.id,
			CPU: cores(cpu, hasCPU), Held: size(held, hasMemory), Set: size(w.sum(workingSet)), Resident: size(w.sum(resident)),
			Waiting: percent(rate(before, r, w.key, cpuWaits)),
			Up:      since(w, r.at),
		}
		l.cost = max(portion(cpu, threads), portion(held, memory))
		l.Share = coordinate(100 * min(l.cost, 1))
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b line) int {
		return cmp.Or(cmp.Compare(b.cost, a.cost), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Runtime, b.Runtime), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func portion(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return part / whole
}

func since(w *work, now time.Time) string {
	started, ok := w.sum("workload_start_timestamp_seconds")
	return span(float64(now.UnixNano())/1e9-started, ok)
}
