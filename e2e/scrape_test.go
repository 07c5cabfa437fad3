//go:build e2e

package e2e

import (
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape is one answer of the exporter in the lab.
type scrape map[string]*dto.MetricFamily

// labels pick a series: those that are named must have the value.
type labels map[string]string

func takeScrape(t *testing.T) scrape {
	t.Helper()
	port, err := os.ReadFile("lab/run/metrics_port")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://127.0.0.1:" + strings.TrimSpace(string(port)) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("scrape: %s", resp.Status)
	}
	return parseScrape(t, resp.Body)
}

func parseScrape(t *testing.T, r io.Reader) scrape {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// series lists the series of a family that have the labels.
func (s scrape) series(name string, want labels) []*dto.Metric {
	var list []*dto.Metric
	for _, m := range s[name].GetMetric() {
		have := labelsOf(m)
		matches := true
		for k, v := range want {
			matches = matches && have[k] == v
		}
		if matches {
			list = append(list, m)
		}
	}
	return list
}

// value is that of the only series with the labels; ok is false without one.
func (s scrape) value(t *testing.T, name string, want labels) (v float64, ok bool) {
	t.Helper()
	list := s.series(name, want)
	if len(list) > 1 {
		t.Fatalf("%s%v: %d series", name, want, len(list))
	}
	if len(list) == 0 {
		return 0, false
	}
	return number(list[0]), true
}

// must is value for a series that has to be there.
func (s scrape) must(t *testing.T, name string, want labels) float64 {
	t.Helper()
	v, ok := s.value(t, name, want)
	if !ok {
		t.Fatalf("%s%v is not there", name, want)
	}
	return v
}

func (s scrape) sum(name string, want labels) float64 {
	var sum float64
	for _, m := range s.series(name, want) {
		sum += number(m)
	}
	return sum
}

// workloads lists what is shown: kind, runtime, id and name, tab-separated.
func (s scrape) workloads() []string {
	set := map[string]bool{}
	for _, m := range s["workload_info"].GetMetric() {
		l := labelsOf(m)
		set[strings.Join([]string{l["kind"], l["runtime"], l["id"], l["name"]}, "\t")] = true
	}
	return slices.Sorted(maps.Keys(set))
}

func number(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	}
	return m.Untyped.GetValue()
}

func labelsOf(m *dto.Metric) labels {
	l := labels{}
	for _, p := range m.Label {
		l[p.GetName()] = p.GetValue()
	}
	return l
}
