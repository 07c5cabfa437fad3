package lifecycle

import "time"

// ended is when workloads ended, for as long as a start would be a restart. Of
// more than max it forgets the oldest: so many cannot all be restarting.
type ended struct {
	max  int
	keep time.Duration
	last map[who]moment
	// queue is in the order of the ends.
	queue []end
}

type end struct {
	who who
	at  time.Duration
}

// note remembers an end, as seen at now; when is not ok if that is not when it was.
func (e *ended) note(key who, when moment) {
	e.last[key] = when
	e.queue = append(e.queue, end{key, when.at})
	e.forget(when.at)
}

// take returns the last end, and forgets it.
func (e *ended) take(key who) (moment, bool) {
	m, ok := e.last[key]
	delete(e.last, key)
	return m, ok
}

func (e *ended) forget(now time.Duration) {
	n := 0
	for n < len(e.queue) && (len(e.queue)-n > e.max || now-e.queue[n].at > e.keep) {
		if oldest := e.queue[n]; e.last[oldest.who].at == oldest.at {
			delete(e.last, oldest.who)
		}
		n++
	}
	if n > 0 {
		e.queue = append(e.queue[:0], e.queue[n:]...)
	}
}
