package cgroupfs

import "github.com/workload-exporter/workload_exporter/workload"

// platformRules are the schedulers and application platforms that run containers
// without any of the engines, or put a group around several.
func platformRules() []rule {
	return []rule{
		{
			// NAME is the task, unique within its allocation alone.
			kind: workload.KindContainer, runtime: "nomad",
			forms: []form{{in: `.*/(?:nomad|share|reserve)\.slice`, as: `(?P<id>` + uuid + `\.(?P<name>.+))\.scope`}},
		},
		{
			// A task may be several containers: its group is the workload.
			kind: workload.KindContainer, runtime: "ecs",
			forms: []form{
				{as: `ecstasks-(?P<id>[0-9A-Za-z_-]+)\.slice`},
				{in: `.*/ecs(?:/[^/]+)?`, as: `(?P<id>` + uuid + `|[0-9a-f]{32}(?:-[0-9]+)?)`},
				{in: `.*/ecs(?:/[^/]+)?`, as: full64},
			},
		},
		{
			kind: workload.KindContainer, runtime: "mesos",
			forms: []form{{in: `.*/mesos`, as: `(?P<id>` + uuid + `)`}},
		},
		{
			// With CPU throttling on, a container is in one of two groups, and
			// what it spent in the other stays there.
			kind: workload.KindContainer, runtime: "garden",
			forms: []form{
				{in: `.*/garden/(?:good|bad)`, as: word, free: true, shared: true},
				{in: `/garden`, as: word, free: true},
				{in: `.*/garden`, as: `(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){4}(?:[0-9a-f]{8})?)`},
			},
			read: func(m *match) bool { return m.name != "good" && m.name != "bad" && m.name != "init" },
		},
		{
			kind: workload.KindContainer, runtime: "bpm",
			forms: []form{
				{as: `(?:runc-)?bpm-` + word + `\.scope`},
				{as: `bpm-` + word, free: true},
			},
		},
		{
			// Singularity is Apptainer's other half; both name by PID.
			kind: workload.KindContainer, runtime: "apptainer",
			forms: []form{
				{as: `(?:apptainer|singularity)-(?P<id>[0-9]+)\.scope`},
				{in: `.*/(?:apptainer|singularity)`, as: `(?P<id>[0-9]+)`},
				{as: literal + `(?:apptainer|singularity):(?P<id>[0-9]+)`},
			},
		},
	}
}
