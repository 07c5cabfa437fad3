package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/workload-exporter/workload_exporter/workload"
)

// sourcesCollector exposes what the sources say of themselves.
type sourcesCollector struct {
	registry *workload.Registry
	now      func() time.Time
}

var (
	sourceUpDesc = prometheus.NewDesc("workload_source_up",
		"Whether the source of workloads answered when it was last asked.", []string{"source"}, nil)
	sourceAgeDesc = prometheus.NewDesc("workload_source_age_seconds",
		"Time since the source last had fresh news. Absent when it never had.", []string{"source"}, nil)
	sourceFailuresDesc = prometheus.NewDesc("workload_source_failures_total",
		"How often the source stopped answering.", []string{"source"}, nil)
)

// Describe implements prometheus.Collector.
func (*sourcesCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- sourceUpDesc
	ch <- sourceAgeDesc
	ch <- sourceFailuresDesc
}

// Collect implements prometheus.Collector.
func (c *sourcesCollector) Collect(ch chan<- prometheus.Metric) {
	now := c.now()
	for _, s := range c.registry.Statuses() {
		ch <- prometheus.MustNewConstMetric(sourceUpDesc, prometheus.GaugeValue, number(s.Up), s.Source)
		ch <- prometheus.MustNewConstMetric(sourceFailuresDesc, prometheus.CounterValue, float64(s.Failures), s.Source)
		if !s.Heard.IsZero() {
			ch <- prometheus.MustNewConstMetric(sourceAgeDesc, prometheus.GaugeValue, now.Sub(s.Heard).Seconds(), s.Source)
		}
	}
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
