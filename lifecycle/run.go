package lifecycle

import (
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// moment is a time on CLOCK_BOOTTIME, if it is known.
type moment struct {
	at time.Duration
	ok bool
}

func at(d time.Duration) moment { return moment{d, true} }

// run is one life of a workload: one cgroup, one start of a domain.
type run struct {
	identity workload.Identity
	settled  bool
	// pending waits for the identity: a pod may turn out to be a machine.
	pending []said

	cgroup string
	inode  uint64
	// key is what an engine knows the run by.
	key who
	// since is when it began; what is stamped before is of the run before.
	since time.Duration
	// asked is by which signals the engine was asked to end it, one bit each;
	// the lowest is for one that it did not tell.
	asked uint64
	// over is set once its end was noted, by whoever was first.
	over bool
	// managed is set for a domain of the libvirt that is asked, which tells of
	// starts and ends; number is that of the run.
	managed bool
	number  int
	uuid    string
	// lived is set once a process was inside, and running while libvirt says so.
	lived   bool
	running bool

	open [phases]moment
	boot boot
	// shutdown and poweroff are when libvirt and when the guest itself said
	// that it stops; byHost is set when the host asked for it.
	shutdown, poweroff moment
	byHost             bool
	reset              moment
	oom                moment
	unseen             moment
	seen               workload.Lifecycle

	// kept is set on a run that another process began to follow, until libvirt
	// was listened to anew; returned is whether its group was found again.
	kept     bool
	returned returned
}

// saw notes how long a phase took last.
func (r *run) saw(p phase, d time.Duration) {
	v := workload.Known(uint64(d))
	switch p {
	case createToStarted:
		r.seen.CreateToStarted = v
	case startToGuestUp:
		firstOf(&r.seen.StartToGuestUp, v)
	case startToReady:
		firstOf(&r.seen.StartToReady, v)
	case startToSettled:
		r.seen.StartToSettled = v
	case reboot:
		r.seen.Reboot = v
	}
}

// firstOf keeps what the first source of a run has told.
func firstOf(have *workload.Value, v workload.Value) {
	if _, known := have.Get(); !known {
		*have = v
	}
}
