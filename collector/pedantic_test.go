package collector

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// adapter shows gathered families to a registry, which checks all that it knows to check.
type adapter struct{ families []*dto.MetricFamily }

func (adapter) Describe(chan<- *prometheus.Desc) {}

func (a adapter) Collect(ch chan<- prometheus.Metric) {
	for _, f := range a.families {
		for _, m := range f.Metric {
			names := make([]string, len(m.Label))
			for i, l := range m.Label {
				names[i] = l.GetName()
			}
			ch <- adapted{prometheus.NewDesc(f.GetName(), f.GetHelp(), names, nil), m}
		}
	}
}

type adapted struct {
	desc   *prometheus.Desc
	metric *dto.Metric
}

func (a adapted) Desc() *prometheus.Desc { return a.desc }

func (a adapted) Write(m *dto.Metric) error {
	proto.Merge(m, a.metric)
	return nil
}

func TestPedantic(t *testing.T) {
	for name, registry := range shapes() {
		families, done, err := everything(registry).Gather()
		if err != nil {
			t.Fatal(err)
		}
		pedantic := prometheus.NewPedanticRegistry()
		pedantic.MustRegister(adapter{families})
		again, err := pedantic.Gather()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(again) != len(families) {
			t.Errorf("%s: %d families became %d", name, len(families), len(again))
		}
		for i := range min(len(again), len(families)) {
			if again[i].GetName() != families[i].GetName() {
				t.Errorf("%s: %s is where %s should be", name, families[i].GetName(), again[i].GetName())
			}
		}
		done()
	}
}
