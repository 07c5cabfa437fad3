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
