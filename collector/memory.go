package collector

import "github.com/workload-exporter/workload_exporter/workload"

func memoryFamilies() []family {
	const subject = workload.SubjectMemory
	return []family{{
		name: "workload_memory_resident_bytes",
		help: "Memory charged to the workload, page cache included (memory.current, plus hugetlb pages where the mount does " +
			"not charge them; libvirt balloon.rss or /proc/PID/status without a cgroup).",
		typ: gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.Resident }),
	}, {
		name: "workload_memory_working_set_bytes",
		help: "Resident memory less the page cache that was not used lately (memory.stat inactive_file).",
		typ:  gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.WorkingSet }),
	}, {
		name: "workload_memory_unreclaimable_bytes",
		help: "Memory that only ending or swapping can free (memory.stat anon, shmem, kernel_stack, pagetables, " +
			"sec_pagetables, percpu, sock and slab_unreclaimable).",
		typ: gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.Unreclaimable }),
	}, {
		name: "workload_memory_peak_bytes",
		help: "The most memory that was ever charged (memory.peak, Linux 5.19 and later).",
		typ:  gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.Peak }),
	}, {
		name: "workload_memory_swap_bytes",
		help: "Swap that the workload uses (memory.swap.current).",
		typ:  gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.Swap }),
	}, {
		name: "workload_memory_limit_bytes",
		help: "Hard memory limit (memory.max). Absent without a limit.",
		typ:  gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.Limit }),
	}, {
		name: "workload_memory_capacity_bytes",
		help: "The most memory the workload could use: the least of its limit, its guest RAM and the host's memory. " +
			"The base for its utilisation.",
		typ: gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Memory.Capacity }),
	}, {
		name: "workload_memory_events_total",
		help: "Memory events of the workload, its children's included (memory.events).",
		typ:  counter, subject: subject, unit: ones, label: "event",
		series: []series{
			{"low", func(u *workload.Usage) workload.Value { return u.Memory.Events.Low }},
			{"high", func(u *workload.Usage) workload.Value { return u.Memory.Events.High }},
			{"max", func(u *workload.Usage) workload.Value { return u.Memory.Events.Max }},
			{"oom", func(u *workload.Usage) workload.Value { return u.Memory.Events.OOM }},
			{"oom_kill", func(u *workload.Usage) workload.Value { return u.Memory.Events.OOMKill }},
		},
	}}
}
