package prometheus

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	mib   = 1 << 20
	total = 256 << 30
	end   = 390 // minutes: the window of six hours, and what rates need
	walks = 20
)

// host is a synthetic one. What it uses is the sum of what its workloads cost,
// of a base, and of noise.
type host struct {
	name            string
	containers, vms func(minute int) float64
	noise           func(minute int) float64
	perBox, perVM   float64
	cores           float64 // that a container takes
	busy            float64 // CPU seconds until now

	n, v, used []float64 // what was scraped, for the estimate by hand
}

// steps moves by a few every so many minutes, up and down.
func steps(seed uint64, every int, from, to float64) func(int) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	levels := map[int]float64{}
	return func(m int) float64 {
		if _, ok := levels[m/every]; !ok {
			levels[m/every] = math.Floor(from + r.Float64()*(to-from))
		}
		return levels[m/every]
	}
}

func still(n float64) func(int) float64 { return func(int) float64 { return n } }

func white(seed uint64, sd float64) func(int) float64 {
	r := rand.New(rand.NewPCG(seed, 2))
	return func(int) float64 { return r.NormFloat64() * sd }
}

func walk(seed uint64, sd float64) func(int) float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	at := 0.0
	return func(int) float64 { at += r.NormFloat64() * sd; return at }
}

func (h *host) scrape(m int) map[string]float64 {
	c, v := h.containers(m), h.vms(m)
	used := 8<<30 + c*h.perBox + v*h.perVM + h.noise(m)
	h.n, h.v, h.used = append(h.n, c), append(h.v, v), append(h.used, used)
	h.busy += 60 * (0.5 + c*h.cores)
	at := fmt.Sprintf(`{job="workload", instance=%q`, h.name)
	samples := map[string]float64{
		"workload_host_memory_total_bytes" + at + "}":                                             total,
		"workload_host_memory_available_bytes" + at + "}":                                         total - used,
		"workload_host_cpu_threads" + at + "}":                                                    64,
		"workload_host_cpu_cores" + at + "}":                                                      32,
		"workload_host_cpu_usage_seconds_total" + at + "}":                                        h.busy,
		"workload_host_workloads" + at + `, kind="container", runtime="docker", state="running"}`: c,
	}
	if v > 0 || h.v[0] > 0 {
		samples["workload_host_workloads"+at+`, kind="vm", runtime="libvirt", state="running"}`] = v
	}
	return samples
}

// slope is that of least squares with one regressor.
func slope(x, y []float64) float64 {
	var mx, my float64
	for i := range x {
		mx += x[i] / float64(len(x))
		my += y[i] / float64(len(y))
	}
	var cov, variance float64
	for i := range x {
		cov += (x[i] - mx) * (y[i] - my)
		variance += (x[i] - mx) * (x[i] - mx)
	}
	return cov / variance
}

func near(t *testing.T, what string, got map[string]float64, key string, want, within float64) {
	t.Helper()
	v, ok := got[key]
	if !ok || math.Abs(v-want) > within*math.Abs(want) {
		t.Errorf("%s of %s is %g (%v), want %g", what, key, v, ok, want)
	}
}

// TestMarginalCost has hosts of which the cost of one more is known, and hosts
// where nobody can know it.
func TestMarginalCost(t *testing.T) {
	few, many := steps(3, 15, 0, 10), steps(4, 15, 5, 25)
	both := steps(7, 15, 2, 20)
	hosts := []*host{
		{name: "exact", containers: steps(1, 20, 5, 40), vms: still(0), noise: still(0), perBox: 44 * mib, cores: .25},
		{name: "noise", containers: still(3), vms: steps(2, 20, 2, 12), noise: white(2, 100*mib), perVM: 190 * mib},
		// More containers where there are more machines: each kind alone would be charged for the other.
		{
			name: "mixed", containers: func(m int) float64 { return many(m) + 2*few(m) }, vms: few,
			noise: white(4, 50*mib), perBox: 44 * mib, perVM: 190 * mib,
		},
		{name: "first", containers: still(9), vms: func(m int) float64 { return math.Max(0, float64(m/30-5)) }, noise: white(5, 10*mib), perVM: 190 * mib},

		{name: "still", containers: still(12), vms: still(3), noise: white(6, 100*mib), perBox: 44 * mib, perVM: 190 * mib},
		{name: "together", containers: both, vms: both, noise: white(7, 10*mib), perBox: 44 * mib, perVM: 190 * mib},
		{name: "once", containers: func(m int) float64 { return 10 + 5*float64(m/200) }, vms: still(0), noise: white(8, mib), perBox: 44 * mib},
		{name: "costless", containers: steps(9, 20, 5, 40), vms: still(0), noise: white(9, 100*mib)},
		{name: "leak", containers: steps(10, 20, 5, 40), vms: still(0), noise: func(m int) float64 { return float64(m) * 10 * mib }},
	}
	for seed := range uint64(walks) {
		hosts = append(hosts, &host{
			name: fmt.Sprint("walk", seed), containers: steps(100+seed, 20, 5, 40), vms: still(0), noise: walk(seed, 100*mib),
		})
	}
	w := newWorld(t)
	for m := range end + 1 {
		for _, h := range hosts {
			w.scrape(minute(m), h.scrape(m))
		}
		w.eval(minute(m), "workload-thresholds", "workload-use", "workload-marginal")
	}
	memory := w.ask(minute(end), "host_kind:memory_marginal_bytes:slope6h")
	near(t, "memory", memory, "exact container", 44*mib, 1e-6)
	by := hosts[1]
	near(t, "memory by hand", memory, "noise vm", slope(by.v[end-359:], by.used[end-359:]), 1e-6)
	near(t, "memory", memory, "noise vm", 190*mib, .1)
	near(t, "memory", memory, "mixed container", 44*mib, .15)
	near(t, "memory", memory, "mixed vm", 190*mib, .1)
	near(t, "memory", memory, "first vm", 190*mib, .05)
	mixed := hosts[2]
	if alone := slope(mixed.n[end-359:], mixed.used[end-359:]); alone < 1.5*44*mib {
		t.Errorf("containers alone come to %g MiB: nothing to tell apart", alone/mib)
	}
	spurious := 0
	for key := range memory {
		if strings.HasPrefix(key, "walk") {
			spurious++
		}
	}
	t.Logf("%d of %d walks have a slope", spurious, walks)
	if told := len(memory) - spurious; told != 5 {
		t.Errorf("%d slopes: %v", told, memory)
	}
	if spurious > walks/20 {
		t.Errorf("%d of %d hosts whose memory wanders have a cost", spurious, walks)
	}

	cores := w.ask(minute(end), "host_kind:cpu_marginal_cores:slope6h")
	// A rate is of five minutes, and so late.
	near(t, "CPU", cores, "exact container", .25, .1)
	if len(cores) != 1 {
		t.Errorf("%d slopes of CPU: %v", len(cores), cores)
	}
}

// TestMarginalCostSettled has machines that touch their memory for as long as
// they are too young to count.
func TestMarginalCostSettled(t *testing.T) {
	const cost = 292 * mib
	number := steps(11, 20, 2, 12)
	born := map[int]int{} // by machine
	w := newWorld(t)
	for m := range end + 1 {
		n := int(number(m))
		for i := range n {
			if _, ok := born[i]; !ok {
				born[i] = m
			}
		}
		maps.DeleteFunc(born, func(i, _ int) bool { return i >= n })
		samples, used := map[string]float64{}, 4.0*(1<<30)
		for i, since := range born {
			labels := fmt.Sprintf(`{job="workload", instance="a", kind="vm", runtime="libvirt", id="%d", name="%d"}`, i, i)
			touched := cost * math.Min(1, float64(m-since+1)/5)
			used += touched
			samples["workload_memory_unreclaimable_bytes"+labels] = touched
			samples["workload_start_timestamp_seconds"+labels] = float64(minute(since).Unix())
		}
		samples[`workload_host_memory_total_bytes{job="workload", instance="a"}`] = total
		samples[`workload_host_memory_available_bytes{job="workload", instance="a"}`] = total - used
		samples[`workload_host_workloads{job="workload", instance="a", kind="vm", runtime="libvirt", state="running"}`] = float64(n)
		w.scrape(minute(m), samples)
		w.eval(minute(m), "workload-thresholds", "workload-use", "workload-marginal")
	}
	near(t, "memory", w.ask(minute(end), "host_kind:memory_marginal_bytes:slope6h"), "a vm", cost, .01)
}
