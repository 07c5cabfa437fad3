package cgroupfs

import (
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// lxcRules are LXC's, and those of what is built on it: Incus, LXD and Proxmox
// leave no mark in the path.
func lxcRules() []rule {
	return []rule{{
		kind: workload.KindContainer, runtime: "lxc",
		forms: []form{
			{as: `lxc\.payload\.(?P<id>.+)`},
			// LXC before 4, and Proxmox. Below a unit: an unprivileged one.
			{in: `/lxc(?:\.payload)?`, as: `(?P<id>[^.].*)`, free: true},
			{in: `.*\.(?:scope|service)/lxc(?:\.payload)?`, as: `(?P<id>[^.].*)`, free: true},
		},
		read: func(m *match) bool { return !strings.HasPrefix(m.name, "lxc.pivot") },
	}}
}
