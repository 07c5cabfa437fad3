package collector

import (
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/workload-exporter/workload_exporter/footprint"
	"github.com/workload-exporter/workload_exporter/workload"
)

var _ Footprint = (*footprint.Poller)(nil)

// weights is a Footprint in which a machine has a disk, container(1) a layer
// and no quota, and others something that could not be had.
type weights struct{ settled int }

func (f *weights) Settle(list []*workload.Workload) { f.settled += len(list) }

func (*weights) Of(w *workload.Workload) workload.Footprint {
	known, at := workload.Known, workload.Known(1_699_999_000_250_000_000)
	switch {
	case w.Kind == workload.KindVM:
		return workload.Footprint{Unique: known(1 << 20), Shared: known(5 << 20), Allocated: known(1 << 20), Capacity: known(10 << 30), Updated: at}
	case w.Inode == 1:
		return workload.Footprint{Unique: known(0), Shared: known(1_200_000), Allocated: known(0), Updated: at}
	}
	return workload.Footprint{Unique: workload.Unreadable(), Updated: at}
}

func (*weights) Host() []workload.HostFootprint {
	return []workload.HostFootprint{
		{Kind: workload.KindContainer, Runtime: "docker", Unique: 0, Shared: 1_200_000},
		{Kind: workload.KindVM, Runtime: "libvirt", Unique: 1 << 20, Shared: 5 << 20},
	}
}

// masked is what differs from build to build.
var masked = regexp.MustCompile(`(?m)^.*workload_exporter_build_info.*\n`)

func TestGoldenFootprint(t *testing.T) {
	registry := shapes()["vm"]
	registry.Found("docker", container(1))
	registry.Found("unreadable", container(2))
	f := &weights{}
	enabled := Enabled{Name(workload.SubjectFootprint.String()): true, Self: true}
	g := New(Config{Registry: registry, Enabled: enabled, Now: clock, Footprint: f})
	golden(t, "footprint", masked.ReplaceAllString(text(t, g), ""))
	if f.settled != 3 {
		t.Errorf("%d workloads settled", f.settled)
	}
	families, done, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
