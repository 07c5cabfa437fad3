package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/workload-exporter/workload_exporter/workload"
)

// selfCollector exposes what the scrape cost and whether it went well. It
// collects under the Gatherer's lock.
type selfCollector struct{ gatherer *Gatherer }

var (
	durationDesc = prometheus.NewDesc("workload_scrape_collector_duration_seconds",
		"Time that a collector took in this scrape, over all workloads.", []string{"collector"}, nil)
	successDesc = prometheus.NewDesc("workload_scrape_collector_success",
		"Whether everything a collector should have read in this scrape could be read.", []string{"collector"}, nil)
	callsDesc = prometheus.NewDesc("workload_libvirt_rpc_duration_seconds",
		"How long calls to libvirt took. A scrape waits for none of them.", []string{"call"}, nil)
	unreadableDesc = prometheus.NewDesc("workload_exporter_unreadable_total",
		"How often a cgroup file held something unexpected or could not be read.", []string{"file"}, nil)
	descriptorsDesc = prometheus.NewDesc("workload_exporter_descriptors",
		"Descriptors of cgroup files kept open.", nil, nil)
	descriptorsBudgetDesc = prometheus.NewDesc("workload_exporter_descriptors_budget",
		"Descriptors of cgroup files that may be kept open; files past it are opened for each scrape.", nil, nil)
	filesReadDesc = prometheus.NewDesc("workload_exporter_files_read_total",
		"Cgroup files that were read.", nil, nil)
	workloadsDesc = prometheus.NewDesc("workload_exporter_workloads",
		"Workloads that the exporter knows, the hidden ones included.", nil, nil)
	hiddenDesc = prometheus.NewDesc("workload_exporter_workloads_hidden",
		"Workloads that have no series of their own, since there are more than --workload.max.", nil, nil)
)

// Describe implements prometheus.Collector.
func (*selfCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		durationDesc, successDesc, callsDesc, unreadableDesc, descriptorsDesc, descriptorsBudgetDesc,
		filesReadDesc, workloadsDesc, hiddenDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *selfCollector) Collect(ch chan<- prometheus.Metric) {
	g := c.gatherer
	outcome := func(n Name, seconds float64, ok bool) {
		ch <- prometheus.MustNewConstMetric(durationDesc, prometheus.GaugeValue, seconds, string(n))
		ch <- prometheus.MustNewConstMetric(successDesc, prometheus.GaugeValue, number(ok), string(n))
	}
	for s := range workload.Subjects {
		if n := Name(s.String()); g.cfg.Enabled[n] {
			outcome(n, g.page.spent[s].Seconds(), !g.page.failed[s])
		}
	}
	if g.host != nil {
		outcome(Host, g.took[Host].Seconds(), !g.failed[Host])
	}
	if g.cfg.LibvirtCalls != nil {
		for call, h := range g.cfg.LibvirtCalls() {
			ch <- prometheus.MustNewConstHistogram(callsDesc, h.Count, h.Sum, h.Buckets, workload.Clean(call))
		}
	}
	if g.cfg.Unreadable != nil {
		for file, n := range g.cfg.Unreadable() {
			ch <- prometheus.MustNewConstMetric(unreadableDesc, prometheus.CounterValue, float64(n), workload.Clean(file))
		}
	}
	all, hidden := g.cfg.Registry.Population()
	ch <- prometheus.MustNewConstMetric(workloadsDesc, prometheus.GaugeValue, float64(all))
	ch <- prometheus.MustNewConstMetric(hiddenDesc, prometheus.GaugeValue, float64(hidden))
	if g.cfg.FilesRead != nil {
		ch <- prometheus.MustNewConstMetric(filesReadDesc, prometheus.CounterValue, float64(g.cfg.FilesRead()))
	}
	if g.cfg.Descriptors != nil {
		used, limit := g.cfg.Descriptors()
		ch <- prometheus.MustNewConstMetric(descriptorsDesc, prometheus.GaugeValue, float64(used))
		ch <- prometheus.MustNewConstMetric(descriptorsBudgetDesc, prometheus.GaugeValue, float64(limit))
	}
}
