package workload

import (
	"time"

	"golang.org/x/sys/unix"
)

// Boottime is CLOCK_BOOTTIME: it never steps, and goes on while the host sleeps.
func Boottime() time.Duration {
	var ts unix.Timespec
	// It fails for clocks that do not exist, and for bad pointers.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return time.Duration(ts.Nano())
}

const (
	// leadTries is how often two clocks are read to catch them at one moment, and
	// leadGood is when that will do.
	leadTries = 5
	leadGood  = time.Millisecond
)

// Lead is how far the clock on the wall is ahead of CLOCK_BOOTTIME, and by how much
// that may be off: on a busy host a process may not run for long between reading the
// one and the other.
func Lead(boot func() time.Duration, wall func() time.Time) (lead, off time.Duration) {
	for try := range leadTries {
		before := boot()
		at := time.Duration(wall().UnixNano())
		within := boot() - before
		if try == 0 || within < off {
			lead, off = at-before-within/2, within
		}
		if off <= leadGood {
			break
		}
	}
	return lead, off
}
