package collector

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// TestInjectedTroubleStaysWithIt has what the sources are asked for go wrong.
func TestInjectedTroubleStaysWithIt(t *testing.T) {
	for name, unreadable := range map[string]func() map[string]uint64{
		"panic":     func() map[string]uint64 { panic("a bug") },
		"duplicate": func() map[string]uint64 { return map[string]uint64{"x\xfe": 1, "x\xff": 2} },
	} {
		g := New(Config{
			Registry: newRegistry(container(1)), ProcRoot: "testdata/host/proc", SysRoot: "testdata/host/sys",
			Runtime: true, Unreadable: unreadable,
		})
		h := g.Handler(HandlerConfig{})
		for range 2 {
			w := get(t, h)
			body := w.Body.String()
			if w.Code != http.StatusOK || !strings.Contains(body, "workload_tasks{") || !strings.Contains(body, "workload_host_cpu_threads 4") {
				t.Errorf("%s: %d\n%s", name, w.Code, body)
			}
			parse(t, w.Body.Bytes(), "text/plain; version=0.0.4; charset=utf-8")
		}
		if body := get(t, h).Body.String(); !strings.Contains(body, `promhttp_metric_handler_errors_total{cause="gathering"} 2`) {
			t.Errorf("%s: nobody is told:\n%s", name, body)
		}
	}
}

func TestJoin(t *testing.T) {
	metric := []*dto.Metric{{}}
	family := func(name string, m []*dto.Metric) *dto.MetricFamily {
		f := newFamily(name, "", gauge)
		f.Metric = m
		return f
	}
	g := &Gatherer{page: &page{families: []*dto.MetricFamily{
		family("b", metric), family("c", nil), family("d", metric), family("f", metric),
	}}}
	err := g.join([]*dto.MetricFamily{family("a", metric), family("c", metric), family("d", metric), family("e", metric), family("g", metric)})
	if err == nil || !strings.Contains(err.Error(), "d is there twice") {
		t.Errorf("err = %v", err)
	}
	var names []string
	for _, f := range g.families {
		names = append(names, f.GetName())
	}
	if want := []string{"a", "b", "c", "d", "e", "f", "g"}; !slices.Equal(names, want) {
		t.Errorf("families %v", names)
	}
	if g.families[3] != g.page.families[2] {
		t.Error("the page's family lost to the other")
	}
}
