// Package workload is the vocabulary of the exporter: what a workload is, what
// is known of it, and the live Registry of those that run.
//
// Data flows one way. Sources (cgroupfs, process, libvirt, runtimes) tell the
// Registry what exists; collectors ask it what runs and read each one's Usage.
// This package imports none of the others.
package workload
