// Package cgroupfs reads the cgroup v2 hierarchy: it finds the mount, says what
// a path is, follows the tree with inotify, and reads one group's counters.
//
// It is a source: it tells the workload.Registry which groups are workloads,
// and hands it a Group for each, which is read at scrape time. It never writes
// to a cgroup and needs no privilege.
package cgroupfs
