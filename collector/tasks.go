package collector

import "github.com/workload-exporter/workload_exporter/workload"

func tasksFamilies() []family {
	return []family{{
		name: "workload_tasks",
		help: "Processes and threads of the workload on the host (pids.current).",
		typ:  gauge, subject: workload.SubjectTasks, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Tasks }),
	}}
}
