package cgroupfs

import (
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// monitorRules are the groups of processes that serve one workload from outside.
func monitorRules() []rule {
	return []rule{
		{
			// conmon's, of Podman and CRI-O.
			forms: []form{{as: `(?:libpod|crio)-conmon-` + full64 + `(?:\.scope)?`}},
			owner: func(m match) workload.Owner { return workload.Owner{FullID: m.class.FullID} },
		},
		{
			// Kata without sandbox_cgroup_only: all of the monitor but the vCPUs.
			forms: []form{
				{in: `.*/kata_overhead`, as: `(?P<id>.+)`},
				{in: `.*/kata-overhead\.slice`, as: `runtime-rs-(?P<id>.+)\.scope`},
				{as: `(?:.+-)?kata-overhead\.slice:runtime-rs:(?P<id>.+)`},
			},
			owner: func(m match) workload.Owner { return workload.Owner{FullID: m.class.ID} },
		},
		{
			forms: []form{{as: `lxc\.monitor\.(?P<id>.+)`}},
			owner: func(m match) workload.Owner {
				return workload.Owner{Cgroup: m.above() + "/lxc.payload." + m.class.ID}
			},
		},
		{
			// Proxmox, and LXC 3.
			forms: []form{{in: `.*/lxc\.monitor`, as: `(?P<id>.+)`}},
			owner: func(m match) workload.Owner {
				return workload.Owner{Cgroup: strings.TrimSuffix(m.above(), ".monitor") + "/" + m.class.ID}
			},
		},
	}
}
