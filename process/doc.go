// Package process looks at the processes inside and outside of cgroups, through
// the world-readable files of /proc, for what a path does not tell: the true
// name and UUID of a machine, the machine inside what looks like a pod, and the
// machines and helpers that have no group of their own.
//
// It is told which PIDs to look at by cgroupfs; it never walks /proc.
package process
