package libvirt

import (
	"math/rand/v2"
	"time"
)

const (
	shortestWait = time.Second
	longestWait  = time.Minute
)

// backoff is the wait between two attempts to connect.
type backoff struct{ last time.Duration }

// next doubles the wait up to a minute, and spreads it by a fifth either way:
// all hosts of a rack must not come back to one proxy in the same second.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, shortestWait), longestWait)
	return b.last*4/5 + rand.N(b.last*2/5)
}
