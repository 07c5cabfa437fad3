package collector

import "github.com/workload-exporter/workload_exporter/workload"

// vmFamilies is what only a machine has. None of it hides under a name that
// containers have too.
func vmFamilies() []family {
	const subject = workload.SubjectVM
	return []family{{
		name: "workload_vm_vcpus",
		help: "Virtual CPUs online (libvirt vcpu.current, or the vCPU cgroups).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.VCPUs }),
	}, {
		name: "workload_vm_vcpu_seconds_total",
		help: "Host CPU time of the virtual CPUs (cpu.stat of the vcpuN groups, or libvirt vcpu.N.time).",
		typ:  counter, subject: subject, machines: true, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.VCPUTime }),
	}, {
		name: "workload_vm_emulator_cpu_seconds_total",
		help: "Host CPU time that no virtual CPU used: device model, vhost, main loop (the top cgroup's less the vCPUs').",
		typ:  counter, subject: subject, machines: true, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.EmulatorTime }),
	}, {
		name: "workload_vm_run_delay_seconds_total",
		help: "Time in which virtual CPUs were ready and the host did not run them: the guest's steal (libvirt vcpu.N.delay).",
		typ:  counter, subject: subject, machines: true, unit: nanoseconds,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.RunDelay }),
	}, {
		name: "workload_vm_guest_memory_total_bytes",
		help: "Memory the guest has: its MemTotal, as its driver last said (libvirt balloon.available).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.Guest.Total }),
	}, {
		name: "workload_vm_guest_memory_available_bytes",
		help: "What libvirt calls available (balloon.available): the guest's MemTotal again, and not its MemAvailable, which is usable.",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.Guest.Available }),
	}, {
		name: "workload_vm_guest_memory_usable_bytes",
		help: "Memory the guest could give to new programs without swapping: its MemAvailable, as its driver last said (libvirt balloon.usable).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.Guest.Usable }),
	}, {
		name: "workload_vm_guest_memory_unused_bytes",
		help: "Memory the guest uses for nothing at all: its MemFree, as its driver last said (libvirt balloon.unused).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.Guest.Unused }),
	}, {
		name: "workload_vm_guest_memory_updated_timestamp_seconds",
		help: "When the guest's driver last said how its memory is used (libvirt balloon.last-update).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.Guest.Updated }),
	}, {
		name: "workload_vm_balloon_bytes",
		help: "Memory that the balloon leaves the guest (libvirt balloon.current).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.Balloon }),
	}, {
		name: "workload_vm_memory_overhead_bytes",
		help: "Memory the host holds for the machine beyond the guest RAM that it touched (resident less what backs the guest RAM).",
		typ:  gauge, subject: subject, machines: true, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.VM.MemoryOverhead }),
	}}
}
