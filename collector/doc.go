// Package collector turns the Registry's workloads into metrics.
//
// There are two halves. What every workload has is a page of prepared samples
// (page.go) from a table of families (cpu.go, memory.go, ...): made when a
// workload appears, and only filled in by a scrape. What there are few of, the
// host's and the exporter's own numbers, are ordinary prometheus.Collectors.
// Gatherer joins both, and Handler serves them.
//
// A new family is one row in the table of its subject.
package collector
