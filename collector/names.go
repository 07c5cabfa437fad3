package collector

import "github.com/workload-exporter/workload_exporter/workload"

// Name is a collector's, as --collector.NAME takes it and the collector label shows it.
type Name string

// The collectors that are not one of the workload.Subjects.
const (
	// Host is the host's own size and use.
	Host Name = "host"
	// Info is workload_info.
	Info Name = "info"
	// Sources is the state of where the workloads are known from.
	Sources Name = "sources"
	// Self is the exporter's own numbers.
	Self Name = "self"
)

// Names lists all collectors, in the order in which a user sees them.
func Names() []Name {
	names := make([]Name, 0, int(workload.Subjects)+4)
	for s := range workload.Subjects {
		names = append(names, Name(s.String()))
	}
	return append(names, Host, Info, Sources, Self)
}

// Help says what a collector exposes.
func (n Name) Help() string {
	switch n {
	case Name(workload.SubjectLifecycle.String()):
		return "starts, stops and reboots: workload_lifecycle_*, restarts, exits and what each workload's phases took"
	case Name(workload.SubjectFootprint.String()):
		return "what images and disks take: workload_image_bytes, workload_disk_*, workload_host_image_bytes"
	case Host:
		return "the host's CPUs, memory and pressure, and its number of workloads"
	case Info:
		return "workload_info, workload_kubernetes_info, workload_kubernetes_container_info, workload_openstack_info: cgroup, full id, image, pod, Nova's names and more of each workload"
	case Sources:
		return "whether cgroupfs, libvirt and the others answer, and since when"
	case Self:
		return "the exporter's own state and cost"
	}
	return "workload_" + string(n) + "*"
}

// Enabled is the set of collectors that are switched on.
type Enabled map[Name]bool

// All is every collector.
func All() Enabled {
	all := Enabled{}
	for _, n := range Names() {
		all[n] = true
	}
	return all
}

// Subjects is the same for those who read: nothing is read that nobody sees.
func (e Enabled) Subjects() [workload.Subjects]bool {
	var on [workload.Subjects]bool
	for s := range workload.Subjects {
		on[s] = e[Name(s.String())]
	}
	return on
}
