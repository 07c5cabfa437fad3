package cgroupfs

import (
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// role is what a child of a top cgroup is to the workload's numbers.
type role int

const (
	// roleNone: the workload's own business.
	roleNone role = iota
	// roleWrapper holds all of the workload (libvirt's and crun's extra
	// level): its limits are the workload's.
	roleWrapper
	// roleVCPU is one virtual CPU of a machine.
	roleVCPU
	// roleInner may carry a quota of its own: an emulator thread, a container of a pod.
	roleInner
)

// shape says which children of a workload's top cgroup are read, given their
// path below it. Nil: none are.
type shape func(name string) role

// shapeOf knows how each runtime lays out what it puts below a top cgroup.
func shapeOf(class Class, isContainer func(name string) bool) shape {
	switch {
	case class.Kind == workload.KindVM && class.Runtime == "libvirt":
		return machineRole
	case class.Runtime == "kubernetes", class.Runtime == "ecs", class.Runtime == "kata",
		class.Runtime == "podman" && strings.HasSuffix(class.Top, ".slice"):
		return func(name string) role { return podRole(name, isContainer) }
	case class.Runtime == "podman", class.Runtime == "cri-o", class.Runtime == "crun":
		// crun's own level below the scope.
		return func(name string) role { return only(name, "container") }
	case class.Runtime == "lxc":
		// Proxmox: the limits are on the top, what runs is in ns.
		return func(name string) role { return only(name, "ns") }
	}
	return nil
}

func only(name, wrapper string) role {
	if name == wrapper {
		return roleWrapper
	}
	return roleNone
}

// machineRole knows libvirt's layout, with the level "libvirt" (7.1 and later) or without.
func machineRole(name string) role {
	if name == "libvirt" {
		return roleWrapper
	}
	name = strings.TrimPrefix(name, "libvirt/")
	switch {
	case numbered(name, "vcpu"):
		return roleVCPU
	case name == "emulator", numbered(name, "iothread"):
		return roleInner
	}
	return roleNone
}

// podRole knows a pod's containers, and crun's level in each.
func podRole(name string, isContainer func(string) bool) role {
	parent, inner, nested := strings.Cut(name, "/")
	if nested && inner != "container" {
		return roleNone
	}
	if isContainer(parent) {
		return roleInner
	}
	return roleNone
}

func numbered(name, prefix string) bool {
	digits, ok := strings.CutPrefix(name, prefix)
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}
