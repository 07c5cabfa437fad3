package lifecycle

import "time"

const (
	// window is what CPU use is averaged over.
	window = 5 * time.Second
	// idle is what a workload may use, in cores, and be quiet all the same:
	// timers and health checks go on for ever.
	idle = 0.05
	// share is the part of the most that was used at the start which is quiet:
	// what the workload is for may be more than idle.
	share = 0.25
	// quiet is how long the quiet has to last.
	quiet = 30 * time.Second
	// gap is how long nobody may have looked: the host slept, or is so loaded
	// that what was not seen may have been anything.
	gap = window
	// prompt is how soon after the start somebody has to look first: what was
	// used before is not known.
	prompt = time.Second
)

// verdict is what is known of a start so far.
type verdict int

const (
	// undecided: it may be busy yet, or again.
	undecided verdict = iota
	// calm: it has settled.
	calm
	// blind: too much was not seen.
	blind
)

// sample is the CPU time that was used up to a moment, in nanoseconds.
type sample struct {
	at  time.Duration
	cpu uint64
}

// settling finds out when one start settles: at the end of the last window in
// which more was used than is quiet. It is a guess, made from nothing but CPU
// time, and so the same for any guest and any container.
type settling struct {
	started time.Duration
	// busy is the end of the last window that was not quiet.
	busy time.Duration
	// peak is the most that a window used, in cores. A window that sets it is
	// busy by itself, so those before need not be judged anew.
	peak float64
	// recent begins with the last sample that is a window old, if there is one.
	recent []sample
	// resumed is set until the first look of another process.
	resumed bool
}

func newSettling(started time.Duration) *settling {
	return &settling{started: started, busy: started}
}

// feed takes one more sample.
func (s *settling) feed(now sample) verdict {
	if n := len(s.recent); n > 0 && now.cpu < s.recent[n-1].cpu || s.unseen(now.at) && !s.idleSince(now) {
		return blind
	}
	s.resumed = false
	s.recent = append(s.recent, now)
	old := 0
	for old+1 < len(s.recent) && now.at-s.recent[old+1].at >= window {
		old++
	}
	s.recent = append(s.recent[:0], s.recent[old:]...)

	// Before the start nothing was used: the first windows reach back there.
	long := max(window, now.at-s.recent[0].at)
	rate := float64(now.cpu-s.recent[0].cpu) / float64(long)
	s.peak = max(s.peak, rate)
	if rate > s.much() {
		s.busy = now.at
	}
	if now.at-s.busy >= quiet {
		return calm
	}
	return undecided
}

// much is more than what is quiet, in cores.
func (s *settling) much() float64 { return max(idle, share*s.peak) }

// idleSince says that no window can have been busy while no process of ours
// ran: all that was used in that time would not have made one so.
func (s *settling) idleSince(now sample) bool {
	n := len(s.recent)
	return s.resumed && n > 0 && float64(now.cpu-s.recent[n-1].cpu) <= s.much()*float64(window)
}

// unseen says whether nobody has looked for too long.
func (s *settling) unseen(now time.Duration) bool {
	if n := len(s.recent); n > 0 {
		return now-s.recent[n-1].at > gap
	}
	return now-s.started > prompt
}
