package runtimes

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// stamp is one moment by two clocks, in microseconds: CLOCK_MONOTONIC and
// CLOCK_REALTIME.
type stamp struct{ mono, real uint64 }

// maxStamp is what still can be told in nanoseconds.
const maxStamp = (1<<63 - 1) / 1000

// noSleep is how far CLOCK_BOOTTIME may be ahead of CLOCK_MONOTONIC on a host that
// has not been suspended, from reading one after the other.
const noSleep = 10 * time.Millisecond

// stampClock brings systemd's stamps to CLOCK_BOOTTIME.
type stampClock struct {
	boot, mono func() time.Duration
	wall       func() time.Time
}

func newStampClock() stampClock {
	return stampClock{boot: workload.Boottime, mono: monotonic, wall: time.Now}
}

func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// boottime converts a stamp. CLOCK_MONOTONIC stands still while the host is
// suspended, so on one that was nobody knows by how much a stamp is off, unless
// the clock on the wall agrees. False: it is not known.
func (c stampClock) boottime(s stamp) (time.Duration, bool) {
	if s.mono == 0 || s.mono > maxStamp || s.real > maxStamp {
		return 0, false
	}
	now := c.boot()
	slept := now - c.mono()
	at := time.Duration(s.mono)*time.Microsecond + slept
	if slept > noSleep {
		byWall := time.Duration(s.real)*time.Microsecond - (time.Duration(c.wall().UnixNano()) - now)
		if (at - byWall).Abs() > maxStep {
			return 0, false
		}
	}
	if at > now+maxAhead {
		return 0, false
	}
	return min(at, now), true
}
