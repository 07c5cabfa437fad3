package collector

import "github.com/workload-exporter/workload_exporter/workload"

func cpuFamilies() []family {
	const subject = workload.SubjectCPU
	return []family{{
		name: "workload_cpu_usage_seconds_total",
		help: "CPU time of the workload as the host accounts it, for a machine with everything the host spends on it " +
			"(cpu.stat usage_usec of the top cgroup; libvirt cpu.time or /proc/PID/stat where there is none).",
		typ: counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.Usage }),
	}, {
		name: "workload_cpu_user_seconds_total",
		help: "CPU time in user mode (cpu.stat user_usec; libvirt cpu.user). A machine's is guest time, whatever the guest " +
			"did in it: the split does not compare across kinds.",
		typ: counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.User }),
	}, {
		name: "workload_cpu_system_seconds_total",
		help: "CPU time in the host's kernel (cpu.stat system_usec; libvirt cpu.system). A machine's excludes its guest's " +
			"kernel: the split does not compare across kinds.",
		typ: counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.System }),
	}, {
		name: "workload_cpu_throttled_seconds_total",
		help: "Time held back by a CPU quota (cpu.stat throttled_usec, summed over the top cgroup and the children that carry a quota).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.Throttled }),
	}, {
		name: "workload_cpu_throttled_periods_total",
		help: "Quota periods in which the workload was held back (cpu.stat nr_throttled, summed as for the time).",
		typ:  counter, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.ThrottledPeriods }),
	}, {
		name: "workload_cpu_periods_total",
		help: "Quota periods that passed while the workload was runnable (cpu.stat nr_periods, summed as for the throttled ones).",
		typ:  counter, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.Periods }),
	}, {
		name: "workload_cpu_limit_cores",
		help: "CPU quota in cores (cpu.max: quota over period). Absent without a quota.",
		typ:  gauge, subject: subject, unit: billionths,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.Limit }),
	}, {
		name: "workload_cpu_capacity_cores",
		help: "The most cores the workload could use: the least of its quota, its cpuset, its vCPUs and the host's CPUs. " +
			"The base for its utilisation.",
		typ: gauge, subject: subject, unit: billionths,
		series: one(func(u *workload.Usage) workload.Value { return u.CPU.Capacity }),
	}}
}
