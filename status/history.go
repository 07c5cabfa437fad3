package status

import "time"

// moment is what the plots keep of one reading, by kind.
type moment struct {
	at    time.Time
	kinds map[string]point
}

// point is one kind at one moment: cores, bytes, and the share of time in
// which its mean workload waited for a CPU.
type point struct{ cpu, memory, waiting float64 }

// history is the last moments, oldest first.
type history []moment

// due is whether it is time for another moment: many viewers are not many moments.
func (h history) due(at time.Time) bool { return len(h) == 0 || at.Sub(h[len(h)-1].at) >= every/2 }

// keep adds a moment, and forgets those that are too old.
func (h history) keep(m moment) history {
	h = append(h, m)
	for m.at.Sub(h[0].at) > window {
		h = h[1:]
	}
	return append(history(nil), h...)
}
