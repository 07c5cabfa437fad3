package workload

import "time"

// Usage is one reading of one workload. All times are nanoseconds, all sizes
// bytes, all core counts billionths of a core (so that a limit and the rate of
// a counter share one scale). A field that is not known is not a sample.
type Usage struct {
	CPU      CPU
	Memory   Memory
	Pressure Pressure
	IO       IO
	// Tasks is pids.current: threads and processes of the group.
	Tasks    Value
	Overhead Overhead
	VM       VM
	// Lifecycle is not read: it is what was seen of the workload's past.
	Lifecycle Lifecycle
	// Footprint is not read either: it was looked at in the background.
	Footprint Footprint
	// Paused is set when the group is frozen or the machine is paused.
	Paused bool
	// Spent is what each subject's reading cost.
	Spent [Subjects]time.Duration
}

// Reset makes u empty again, so that one Usage serves a whole scrape.
func (u *Usage) Reset() { *u = Usage{} }

// Subject is one of the things that are read of a workload, each of which can be switched off.
type Subject int

// The subjects, in the order in which they are read.
const (
	SubjectCPU Subject = iota
	SubjectMemory
	SubjectPressure
	SubjectIO
	SubjectTasks
	SubjectOverhead
	SubjectVM
	SubjectLifecycle
	SubjectFootprint
	Subjects
)

// String is the subject's collector name, as --collector.NAME takes it.
func (s Subject) String() string {
	switch s {
	case SubjectCPU:
		return "cpu"
	case SubjectMemory:
		return "memory"
	case SubjectPressure:
		return "pressure"
	case SubjectIO:
		return "io"
	case SubjectTasks:
		return "tasks"
	case SubjectOverhead:
		return "overhead"
	case SubjectVM:
		return "vm"
	case SubjectLifecycle:
		return "lifecycle"
	case SubjectFootprint:
		return "footprint"
	}
	return "unknown"
}

// CPU is cpu.stat, cpu.max and cpuset.cpus.effective of the top cgroup.
type CPU struct {
	Usage  Value
	User   Value
	System Value
	// Periods, ThrottledPeriods and Throttled are the sum over the top cgroup
	// and the children that carry a quota: the kernel does not add them up.
	Periods          Value
	ThrottledPeriods Value
	Throttled        Value
	// Limit is the quota; Unlimited without one.
	Limit Value
	// Capacity is the most that could be used: the least of quota, cpuset, vCPUs and the host.
	Capacity Value
}

// Memory is memory.current, memory.stat and their kin.
type Memory struct {
	Resident      Value
	WorkingSet    Value
	Unreclaimable Value
	Peak          Value
	Swap          Value
	// Limit is memory.max; Unlimited without one.
	Limit Value
	// Capacity is the most that could be used: the least of limit, guest RAM and the host.
	Capacity Value
	// GuestBacking is what guest RAM is made of (anon, shmem and hugetlb): the
	// base of a machine's memory overhead.
	GuestBacking Value
	Events       MemoryEvents
}

// MemoryEvents is memory.events.
type MemoryEvents struct{ Low, High, Max, OOM, OOMKill Value }

// Stall is one line pair of a *.pressure file: the total of "some" and of "full".
type Stall struct{ Waiting, Stalled Value }

// Pressure is cpu.pressure, memory.pressure and io.pressure.
type Pressure struct{ CPU, Memory, IO Stall }

// IO is io.stat, added up over the devices.
type IO struct{ ReadBytes, WrittenBytes, Reads, Writes Value }

// Overhead is what the host spends on a workload outside its top cgroup.
type Overhead struct{ CPU, Memory Value }

// VM is the guest view of a machine, and the host's view of its parts.
type VM struct {
	// VCPUs is the number of virtual CPUs online.
	VCPUs    Value
	VCPUTime Value
	// EmulatorTime is the top cgroup's CPU time that no vCPU used.
	EmulatorTime   Value
	RunDelay       Value
	MemoryOverhead Value
	Balloon        Value
	Guest          GuestMemory
}

// GuestMemory is what the guest's balloon driver last said.
type GuestMemory struct {
	Total, Available, Usable, Unused Value
	// Updated is when it said so, in seconds since the epoch.
	Updated Value
}

// Lifecycle is what was seen of the run that goes on.
type Lifecycle struct {
	// Started is when it started, in nanoseconds since the epoch.
	Started Value
	// Ready is when it first was ready, likewise.
	Ready Value
	// CreateToStarted, StartToGuestUp, StartToReady, StartToSettled and Reboot
	// are how long each phase took when it was last seen.
	CreateToStarted, StartToGuestUp, StartToReady, StartToSettled, Reboot Value
}

// MachineStats is what libvirt knows of a machine's numbers.
type MachineStats struct {
	// Updated is when these were heard; the zero time means never.
	Updated time.Time
	// CPUTime, CPUUser and CPUSystem are libvirt's cpu.time, cpu.user and cpu.system.
	CPUTime, CPUUser, CPUSystem Value
	// RSS is balloon.rss, the resident set of the QEMU process.
	RSS Value
	// VCPUs is vcpu.current; VCPUTime and RunDelay are the sums of vcpu.N.time and vcpu.N.delay.
	VCPUs, VCPUTime, RunDelay Value
	// Maximum is balloon.maximum, the configured memory.
	Maximum Value
	Balloon Value
	Guest   GuestMemory
}
