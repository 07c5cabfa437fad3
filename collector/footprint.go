package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Footprint is what was last seen of what workloads take of the host's storage;
// *footprint.Poller is one.
type Footprint interface {
	// Settle is told at each scrape who runs.
	Settle(list []*workload.Workload)
	Of(w *workload.Workload) workload.Footprint
	// Host adds up those that run.
	Host() []workload.HostFootprint
}

func footprintFamilies() []family {
	const subject = workload.SubjectFootprint
	return []family{{
		name: "workload_image_bytes",
		help: "What the workload's images and disks take of the host's storage, as of workload_footprint_updated_timestamp_seconds: " +
			"what it alone holds (unique: writable layer, root directory, a disk's own clusters), and what others could use too " +
			"(shared: image layers, backing files, read-only disks), in full. Add up workload_host_image_bytes instead, where that is counted once.",
		typ: gauge, subject: subject, unit: ones, label: "sharing",
		series: []series{
			{"shared", func(u *workload.Usage) workload.Value { return u.Footprint.Shared }},
			{"unique", func(u *workload.Usage) workload.Value { return u.Footprint.Unique }},
		},
	}, {
		name: "workload_disk_allocated_bytes",
		help: "What the disks that the workload can write to take of the host's storage: writable layer, root directory, " +
			"or a machine's disks without their backing files (st_blocks, the engine's SizeRw, libvirt block.N.physical).",
		typ: gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Footprint.Allocated }),
	}, {
		name: "workload_disk_capacity_bytes",
		help: "The most that those disks can hold: the size that the guest sees (libvirt block.N.capacity), or a container's quota. Absent without one.",
		typ:  gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Footprint.Capacity }),
	}, {
		name: "workload_footprint_updated_timestamp_seconds",
		help: "When the workload's images and disks were last looked at, in seconds since the epoch.",
		typ:  gauge, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Footprint.Updated }),
	}}
}

// footprintCollector exposes the sums, which no query could make from the
// workloads' own: it does not show who shares what.
type footprintCollector struct{ footprint Footprint }

var hostImageDesc = prometheus.NewDesc("workload_host_image_bytes",
	"What the images and disks of the workloads that run take of the host's storage, each layer and file counted once: "+
		"for its kind and runtime, or the first of several by name. Its sum is all that they take.",
	[]string{"kind", "runtime", "sharing"}, nil)

// Describe implements prometheus.Collector.
func (footprintCollector) Describe(ch chan<- *prometheus.Desc) { ch <- hostImageDesc }

// Collect implements prometheus.Collector.
func (c footprintCollector) Collect(ch chan<- prometheus.Metric) {
	for _, h := range c.footprint.Host() {
		for sharing, bytes := range map[string]uint64{"shared": h.Shared, "unique": h.Unique} {
			ch <- prometheus.MustNewConstMetric(hostImageDesc, prometheus.GaugeValue, float64(bytes), string(h.Kind), workload.Clean(h.Runtime), sharing)
		}
	}
}
