package collector

import "github.com/workload-exporter/workload_exporter/workload"

// pressureFamilies names PSI as node_exporter does: "some" is waiting, "full" is stalled.
func pressureFamilies() []family {
	const subject = workload.SubjectPressure
	return []family{{
		name: "workload_pressure_cpu_waiting_seconds_total",
		help: "Time in which some task of the workload waited for CPU (cpu.pressure some).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Pressure.CPU.Waiting }),
	}, {
		name: "workload_pressure_cpu_stalled_seconds_total",
		help: "Time in which all tasks of the workload waited for CPU (cpu.pressure full).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Pressure.CPU.Stalled }),
	}, {
		name: "workload_pressure_memory_waiting_seconds_total",
		help: "Time in which some task of the workload waited for memory (memory.pressure some).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Pressure.Memory.Waiting }),
	}, {
		name: "workload_pressure_memory_stalled_seconds_total",
		help: "Time in which all tasks of the workload waited for memory (memory.pressure full).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Pressure.Memory.Stalled }),
	}, {
		name: "workload_pressure_io_waiting_seconds_total",
		help: "Time in which some task of the workload waited for I/O (io.pressure some).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Pressure.IO.Waiting }),
	}, {
		name: "workload_pressure_io_stalled_seconds_total",
		help: "Time in which all tasks of the workload waited for I/O (io.pressure full).",
		typ:  counter, subject: subject, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.Pressure.IO.Stalled }),
	}}
}
