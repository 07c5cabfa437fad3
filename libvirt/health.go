package libvirt

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Health is how the source itself is doing.
type Health struct {
	// Connected is set while the daemon answers.
	Connected bool
	// Reconnects counts the connections after the first.
	Reconnects uint64
	// Domains is how many are active; Quarantined, how many of them do not answer.
	Domains, Quarantined int
	// Pending is the monitor calls without an answer.
	Pending int
	// Calls is what was asked of the daemon, by call.
	Calls map[string]CallStats
	// Events counts what the daemon told unasked, by kind.
	Events map[EventKind]uint64
}

// CallStats is a cumulative histogram of the duration of one kind of call.
type CallStats struct {
	Count uint64
	// Sum is in seconds.
	Sum float64
	// Buckets counts the calls that took at most so many seconds.
	Buckets map[float64]uint64
	// Errors counts the calls that failed, lost connections included.
	Errors uint64
}

// bounds are the upper bounds of the buckets, in seconds: a call that touches no
// QEMU takes under a millisecond, one that does a few, and a stuck one for ever.
func bounds() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
}

type health struct {
	mu         sync.Mutex
	up         bool
	sessions   uint64
	pending    int
	calls      map[string]*callCount
	events     map[EventKind]uint64
	upperBound []float64
}

type callCount struct {
	count, errors uint64
	sum           time.Duration
	// buckets has one count more than there are bounds.
	buckets []uint64
}

func newHealth() *health {
	return &health{calls: map[string]*callCount{}, events: map[EventKind]uint64{}, upperBound: bounds()}
}

func (h *health) observe(proc string, took time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.calls[proc]
	if c == nil {
		c = &callCount{buckets: make([]uint64, len(h.upperBound)+1)}
		h.calls[proc] = c
	}
	c.count++
	c.sum += took
	i, _ := slices.BinarySearch(h.upperBound, took.Seconds())
	c.buckets[i]++
	if err != nil {
		c.errors++
	}
}

func (h *health) event(kind EventKind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events[kind]++
}

func (h *health) connected(up bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up = up
}

func (h *health) session() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions++
}

func (h *health) pend(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending += n
}

// Health is a snapshot.
func (s *Source) Health() Health {
	domains, quarantined := s.guests.count()
	h := s.health
	h.mu.Lock()
	defer h.mu.Unlock()
	snapshot := Health{
		Connected: h.up, Domains: domains, Quarantined: quarantined, Pending: h.pending,
		Calls: make(map[string]CallStats, len(h.calls)), Events: maps.Clone(h.events),
	}
	if h.sessions > 0 {
		snapshot.Reconnects = h.sessions - 1
	}
	for proc, c := range h.calls {
		buckets := make(map[float64]uint64, len(h.upperBound))
		var below uint64
		for i, bound := range h.upperBound {
			below += c.buckets[i]
			buckets[bound] = below
		}
		snapshot.Calls[proc] = CallStats{Count: c.count, Sum: c.sum.Seconds(), Buckets: buckets, Errors: c.errors}
	}
	return snapshot
}
