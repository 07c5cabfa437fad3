package process

import "time"

// Oldest is when the first of some processes started, on CLOCK_BOOTTIME, to the
// tick. Those that have ended are left out. False: none could be read.
func Oldest(procRoot string, pids []int) (time.Duration, bool) {
	p := proc{root: procRoot}
	var oldest uint64
	found := false
	for _, pid := range pids {
		s, err := p.stat(pid)
		if err == nil && !s.ended() && (!found || s.starttime < oldest) {
			oldest, found = s.starttime, true
		}
	}
	return time.Duration(oldest) * tick, found && oldest < 1<<63/tick
}
