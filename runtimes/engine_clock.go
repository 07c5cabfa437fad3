package runtimes

import (
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// maxStep is how much the clock on the wall may drift between two looks:
	// what it is slewed by is far less.
	maxStep = 100 * time.Millisecond
	// maxAhead is how far in the future a stamp may be, from sampling two clocks.
	maxAhead = 20 * time.Millisecond
)

// clock brings stamps of the clock on the wall to CLOCK_BOOTTIME.
type clock struct {
	mu sync.Mutex
	// offset is the wall's lead, when last looked at.
	offset time.Duration
	// stepped is until when stamps may be from before a step.
	stepped time.Duration

	wall func() time.Time
	boot func() time.Duration
}

func newClock() clock { return clock{wall: time.Now, boot: workload.Boottime} }

// reset looks for the first time.
func (c *clock) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, _ = workload.Lead(c.boot, c.wall)
	c.stepped = 0
}

// check looks whether the clock on the wall was set.
func (c *clock) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
}

// look does not take it for a step that this process did not run in between.
func (c *clock) look() {
	lead, off := workload.Lead(c.boot, c.wall)
	if off > maxStep/2 {
		return
	}
	if step := (lead - c.offset).Abs(); step > maxStep {
		c.stepped = c.boot() + pingWait
	}
	c.offset = lead
}

// boottime converts a stamp. False: it cannot be trusted, and what is returned is
// when it was heard. A stamp from before a step would be off by it.
func (c *clock) boottime(stamp int64) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look()
	now := c.boot()
	at := time.Duration(stamp) - c.offset
	if stamp <= 0 || now < c.stepped || at > now+maxAhead || at < 0 {
		return now, false
	}
	return min(at, now), true
}
