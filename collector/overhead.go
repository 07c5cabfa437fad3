package collector

import "github.com/workload-exporter/workload_exporter/workload"

// overheadFamilies is never part of the other numbers: a machine's emulator sits
// inside its group and a container's monitor outside, and only a family of its
// own lets the reader decide what to compare.
func overheadFamilies() []family {
	const subject = workload.SubjectOverhead
	return []family{{
		name: "workload_overhead_cpu_seconds_total",
		help: "CPU time the host spends on the workload outside its top cgroup, where it can be told: monitors, shims, " +
			"network helpers (cpu.stat or /proc/PID/stat of those). Not part of workload_cpu_usage_seconds_total.",
		typ: counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Overhead.CPU }),
	}, {
		name: "workload_overhead_memory_bytes",
		help: "Memory the host spends on the workload outside its top cgroup, where it can be told (memory.current or " +
			"/proc/PID/status of those). Not part of workload_memory_resident_bytes.",
		typ: gauge, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.Overhead.Memory }),
	}}
}
