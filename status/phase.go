package status

import (
	"math"

	dto "github.com/prometheus/client_model/go"
)

// phase is a part of a life, of one kind.
type phase struct{ kind, name string }

// durations is a histogram over runtimes: how many took up to bound.
type durations struct {
	bounds []float64
	upTo   []float64
	count  float64
}

// duration adds one histogram. What an engine says of a start that the cgroup
// shows too would count it twice, and a forced stop took what somebody chose.
func (r *reading) duration(m *dto.Metric) {
	p := phase{label(m, "kind"), label(m, "phase")}
	if p.name == "create_to_started" && label(m, "source") == "engine" || p.name == "stop" && label(m, "outcome") == "forced" {
		return
	}
	h := m.GetHistogram()
	d := r.phases[p]
	if d == nil {
		d = &durations{}
		for _, b := range h.GetBucket() {
			d.bounds, d.upTo = append(d.bounds, b.GetUpperBound()), append(d.upTo, 0)
		}
		r.phases[p] = d
	}
	if len(h.GetBucket()) != len(d.bounds) {
		return
	}
	for i, b := range h.GetBucket() {
		d.upTo[i] += float64(b.GetCumulativeCount())
	}
	d.count += float64(h.GetSampleCount())
}

// median is estimated within its bucket, as Prometheus does.
func (d *durations) median() (seconds float64, ok bool) {
	if d == nil || d.count == 0 {
		return 0, false
	}
	half, below, from := d.count/2, 0.0, 0.0
	for i, bound := range d.bounds {
		if d.upTo[i] >= half {
			if math.IsInf(bound, 1) {
				return from, true
			}
			return from + (bound-from)*(half-below)/(d.upTo[i]-below), true
		}
		below, from = d.upTo[i], bound
	}
	return from, true
}
