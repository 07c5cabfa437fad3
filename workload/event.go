package workload

import "time"

// EventKind is what happened to a workload.
type EventKind string

// What a cgroup tells.
const (
	// EventCreated: the top cgroup was made.
	EventCreated EventKind = "created"
	// EventPopulated: the first process is inside.
	EventPopulated EventKind = "populated"
	// EventEmpty: the last process inside has ended.
	EventEmpty EventKind = "empty"
	// EventRemoved: the top cgroup was removed.
	EventRemoved EventKind = "removed"
	// EventOOMKill: the kernel killed a process inside for want of memory.
	EventOOMKill EventKind = "oom_kill"
	// EventMissed: something happened that nobody saw; Detail says why.
	EventMissed EventKind = "missed"
)

// What a machine's manager tells. Detail is its own word for the cause.
const (
	// EventStarted: the machine's CPUs run.
	EventStarted EventKind = "started"
	// EventShutdown: the machine is about to stop.
	EventShutdown EventKind = "shutdown"
	// EventStopped: the machine has ended.
	EventStopped EventKind = "stopped"
	// EventReboot: the machine was reset, and is the same run.
	EventReboot EventKind = "reboot"
	// EventAgent: an agent inside the guest has opened its channel.
	EventAgent EventKind = "agent"
	// EventGuestUp: the guest's init has brought up what is basic.
	EventGuestUp EventKind = "guest_up"
	// EventBegan: the run began, by a stamp that somebody kept; it may be of
	// long before anybody looked.
	EventBegan EventKind = "began"
	// EventUnready: the workload is not ready yet, and Source is to tell when
	// it is.
	EventUnready EventKind = "unready"
	// EventUnitStops: systemd was asked to stop the unit of a run that has since
	// ended, at When; Detail is "forced" if it took a KILL. Late: it was not, or
	// nobody knows.
	EventUnitStops EventKind = "unit_stops"
	// EventReady: the workload is ready for its work, by a word of its own or
	// by a check that its engine made. Source says whose.
	EventReady EventKind = "ready"
	// EventGuestStops: the guest's init has begun to stop; Detail is what for:
	// "poweroff", "reboot".
	EventGuestStops EventKind = "guest_stops"
	// EventResynced has no workload: what the source told before may have gaps.
	// Of a container engine Identity has the runtime.
	EventResynced EventKind = "resynced"
)

// What a container engine tells. Code is what comes with it.
const (
	// EventAskedCreate: the engine was asked for a container.
	EventAskedCreate EventKind = "engine_create"
	// EventRan: the engine has started the container.
	EventRan EventKind = "engine_start"
	// EventKilled: a signal was sent; Code is its number.
	EventKilled EventKind = "engine_kill"
	// EventHalted: the engine is done with a stop that it was asked for.
	EventHalted EventKind = "engine_stop"
	// EventDied: the container has ended; Code is its exit code.
	EventDied EventKind = "engine_die"
	// EventOOM: the engine heard of a kill for want of memory.
	EventOOM EventKind = "engine_oom"
	// EventSilent has no workload: the source is not heard any more.
	EventSilent EventKind = "silent"
)

// CodeUnknown is a Code that nobody told.
const CodeUnknown = -1

// Why an Event was missed.
const (
	// MissedTooShort: a cgroup was made and removed before anybody could look.
	MissedTooShort = "too_short"
	// MissedOverflow: the kernel dropped notices, nobody knows how many.
	MissedOverflow = "overflow"
	// MissedStranger: who spoke is no machine that is known, or not its root.
	MissedStranger = "unknown_guest"
	// MissedGarbled: what a guest said was too long, or did not end.
	MissedGarbled = "garbled"
)

// Witness is what an Event's When is worth.
type Witness int

// The witnesses.
const (
	// Witnessed: When is when it happened, as near as the source can tell.
	Witnessed Witness = iota
	// Late: it was found out afterwards. It happened before When.
	Late
	// Adopted: it was so when the source first looked.
	Adopted
)

// Event is something that happened to a workload, as one source tells it.
type Event struct {
	Kind EventKind
	// When is on CLOCK_BOOTTIME; see Boottime.
	When    time.Duration
	Witness Witness
	// Source is who tells: "cgroup", "libvirt", "engine", "vsock", "systemd",
	// "process". An engine tells by its own name of what it has checked.
	Source string
	// Identity is what the source knows of the workload by itself; the
	// Registry may know better.
	Identity Identity
	// Cgroup and Inode are the run's top cgroup, where the source knows it: the
	// same path with another inode is another run.
	Cgroup string
	Inode  uint64
	// Domain is libvirt's numbering of the run, where there is one. A machine
	// that ended may have lost its number.
	Domain Domain
	Code   int
	Detail string
}

// Events takes what sources tell of what happened. It is told under the
// source's lock: it may not wait, nor ask the source anything.
type Events interface{ Happened(e Event) }
