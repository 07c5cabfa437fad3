package libvirt

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/workload-exporter/workload_exporter/retry"
)

// Source keeps the Registry told of libvirt's machines. See New and Run.
type Source struct {
	cfg    Config
	dial   func(ctx context.Context, path string) (net.Conn, error)
	health *health
	guests *guests
	// scraped is when somebody last asked, in Unix nanoseconds.
	scraped atomic.Int64
	// telling has OnEvent called once at a time: each subscription has a
	// goroutine of its own.
	telling sync.Mutex
	// wake ends the poller's sleep: a scrape after a long silence, new domains.
	wake chan struct{}

	// What follows is Run's alone.
	link    link
	seen    bool // a socket was found at least once
	listed  []domain
	process map[run]*process
}

// New returns a Source that does nothing until Run is called.
func New(cfg Config) *Source {
	cfg = cfg.withDefaults()
	s := &Source{
		cfg:     cfg,
		dial:    dialUnix,
		health:  newHealth(),
		wake:    make(chan struct{}, 1),
		process: map[run]*process{},
	}
	s.guests = newGuests(cfg.GuestInterval, cfg.Logger)
	return s
}

// Sync notes that somebody scrapes, without which guests are not polled. What
// runs is already known from events: there is nothing to wait for.
func (s *Source) Sync() error {
	now := s.cfg.Now().UnixNano()
	if before := s.scraped.Swap(now); now-before > int64(s.cfg.IdleAfter) {
		nudge(s.wake)
	}
	return nil
}

// idle says that nobody has scraped for long.
func (s *Source) idle() bool {
	return s.cfg.Now().UnixNano()-s.scraped.Load() > int64(s.cfg.IdleAfter)
}

// Run connects, and connects again, until ctx ends. It is to be called once.
// It returns at once when ctx ends, or after a second or two if the daemon does
// not answer the farewell, and leaves nothing running.
func (s *Source) Run(ctx context.Context) error {
	// The first scrape is to find numbers: start as if one had just been.
	_ = s.Sync()
	var wait retry.Backoff
	for ctx.Err() == nil {
		ses, err := s.connect(ctx)
		if err == nil {
			var listed bool
			if listed, err = s.serve(ctx, ses); listed {
				wait = retry.Backoff{}
			}
			// Only a daemon that has not just failed us gets a farewell.
			ses.close(err == nil)
		}
		if ctx.Err() != nil {
			break
		}
		s.down(err)
		retry.Pause(ctx, wait.Next())
	}
	return nil
}

// nudge sends on a channel of one, where a signal that already waits will do.
func nudge(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
