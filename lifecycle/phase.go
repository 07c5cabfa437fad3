package lifecycle

// phase is a part of a workload's life that has a beginning and an end.
type phase int

const (
	createToStarted phase = iota
	startToGuestUp
	startToReady
	startToSettled
	stop
	reboot
	phases
)

func (p phase) String() string {
	return [...]string{"create_to_started", "start_to_guest_up", "start_to_ready", "start_to_settled", "stop", "reboot"}[p]
}

// phaseOf is the phase of that name.
func phaseOf(name string) (phase, bool) {
	for p := range phases {
		if p.String() == name {
			return p, true
		}
	}
	return 0, false
}

// What is missed besides a phase.
const (
	// exit is the reason of an end.
	exit = "exit"
	// anything is said when nobody knows what.
	anything = "any"
)

// Why something was missed.
const (
	timeout   = "timeout"            // its end did not come in time
	late      = "late"               // it was found out afterwards, by a walk
	order     = "order"              // its end was told before its beginning
	removed   = "removed"            // the group went before a process was seen in it
	stopped   = "stopped"            // the workload ended in between
	rebooted  = "rebooted"           // the machine was reset in between
	resync    = "resync"             // libvirt or the engine was connected to anew: events may have been lost
	clockStep = "clock_step"         // the clock that it was stamped on was set
	unheard   = "unheard"            // libvirt did not tell
	noCgroup  = "no_cgroup"          // no cgroup was seen to be made for it
	noRequest = "no_request"         // nobody was seen to ask for it
	noSource  = "no_source"          // nobody tells that of this kind of workload
	unknown   = "unknown"            // nobody tells
	tooMany   = "too_many"           // more workloads than are kept track of
	away      = "exporter_restarted" // it happened while the exporter did not run
	unseen    = "unseen"             // its CPU time was not read for too long
)

// What the end of a phase was.
const (
	done     = "ok"
	graceful = "graceful"
	forced   = "forced"
	restart  = "restart"
	reset    = "reset"
)
