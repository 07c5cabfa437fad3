package collector

import (
	"slices"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	infoName = "workload_info"
	infoHelp = "What else is known of the workload, always 1: its full id, its top cgroup below the mount, the machine " +
		"monitor, and where its numbers are from (source: cgroup, libvirt or process)."
)

// newInfo is workload_info of one workload: what is too long or too rarely asked
// for to be in every series. What is not known is an empty label, which
// Prometheus holds to be none.
func newInfo(w *workload.Workload, labels []*dto.LabelPair) *dto.Metric {
	value := 1.0
	return &dto.Metric{
		Label: sorted(append(slices.Clone(labels),
			pair("cgroup", clean(w.Cgroup)),
			pair("full_id", clean(w.FullID)),
			pair("hypervisor", clean(w.Hypervisor)),
			pair("source", string(w.Origin)),
		)),
		Gauge: &dto.Gauge{Value: &value},
	}
}
