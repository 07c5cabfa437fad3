package runtimes

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	shortestWait = time.Second
	longestWait  = time.Minute
)

// backoff is the wait between two attempts to connect.
type backoff struct{ last time.Duration }

// next doubles the wait up to a minute, and spreads it by a fifth either way.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, shortestWait), longestWait)
	return b.last*4/5 + rand.N(b.last*2/5)
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
