package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// key is one workload.
type key struct{ kind, runtime, id string }

// work is what one reading has of a workload: its numbers by the name of their
// family, which is missing where there was no sample.
type work struct {
	key
	name   string
	values map[string]float64
}

// tally is how many workloads of a kind there are.
type tally struct{ running, paused int }

// source is what one of the exporter's sources says of itself.
type source struct {
	name string
	up   bool
	// age is in seconds; negative when it has never been heard.
	age float64
}

// reading is one scrape.
type reading struct {
	at      time.Time
	works   map[key]*work
	host    map[string]float64
	tallies map[string]tally
	sources []source
	phases  map[phase]*durations
	// images is what those of a kind take on disk, each layer and file once.
	images map[string]float64
}

// perWorkload are the families that are shown of each workload.
var perWorkload = map[string]bool{
	"workload_cpu_usage_seconds_total":               true,
	"workload_overhead_cpu_seconds_total":            true,
	"workload_memory_resident_bytes":                 true,
	"workload_memory_working_set_bytes":              true,
	"workload_memory_unreclaimable_bytes":            true,
	"workload_overhead_memory_bytes":                 true,
	"workload_pressure_cpu_waiting_seconds_total":    true,
	"workload_pressure_memory_waiting_seconds_total": true,
	"workload_pressure_io_waiting_seconds_total":     true,
	"workload_start_timestamp_seconds":               true,
	"workload_disk_allocated_bytes":                  true,
}

// read copies what is shown out of families, which are somebody else's.
func read(families []*dto.MetricFamily, at time.Time) *reading {
	r := &reading{
		at: at, works: map[key]*work{}, host: map[string]float64{}, tallies: map[string]tally{}, phases: map[phase]*durations{},
		images: map[string]float64{},
	}
	said := map[string]*source{}
	of := func(name string) *source {
		if said[name] == nil {
			said[name] = &source{name: name, age: -1}
		}
		return said[name]
	}
	for _, f := range families {
		name := f.GetName()
		for _, m := range f.GetMetric() {
			switch {
			case perWorkload[name]:
				r.work(m, name)
			case name == "workload_host_workloads":
				r.tally(m)
			case name == "workload_host_image_bytes":
				r.images[label(m, "kind")] += value(m)
			case strings.HasPrefix(name, "workload_host_"):
				r.host[name] = value(m)
			case name == "workload_source_up":
				of(label(m, "source")).up = value(m) == 1
			case name == "workload_source_age_seconds":
				of(label(m, "source")).age = value(m)
			case name == "workload_lifecycle_duration_seconds":
				r.duration(m)
			}
		}
	}
	for _, s := range said {
		r.sources = append(r.sources, *s)
	}
	slices.SortFunc(r.sources, func(a, b source) int { return cmp.Compare(a.name, b.name) })
	return r
}

func (r *reading) work(m *dto.Metric, family string) {
	k := key{label(m, "kind"), label(m, "runtime"), label(m, "id")}
	w := r.works[k]
	if w == nil {
		w = &work{key: k, name: strings.Clone(label(m, "name")), values: map[string]float64{}}
		r.works[k] = w
	}
	w.values[family] += value(m)
}

func (r *reading) tally(m *dto.Metric) {
	t := r.tallies[label(m, "kind")]
	if label(m, "state") == "paused" {
		t.paused += int(value(m))
	} else {
		t.running += int(value(m))
	}
	r.tallies[label(m, "kind")] = t
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func value(m *dto.Metric) float64 {
	// It has one of them, and nil is zero.
	return m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
}
