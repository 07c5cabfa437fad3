// Package retry is the wait between two attempts to connect.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	shortest = time.Second
	// Longest is what the wait grows to. What held for longer than that begins anew.
	Longest = time.Minute
)

// Backoff is how long to wait; the zero value begins with the shortest.
type Backoff struct{ last time.Duration }

// Next doubles the wait up to the longest, and spreads it by a fifth either way:
// all hosts of a rack must not come back to one daemon in the same second.
func (b *Backoff) Next() time.Duration {
	b.last = min(max(2*b.last, shortest), Longest)
	return b.last*4/5 + rand.N(b.last*2/5)
}

// Pause waits, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
