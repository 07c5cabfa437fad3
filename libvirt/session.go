package libvirt

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// eventGap lets the events of one start or stop come together.
	eventGap = 20 * time.Millisecond
	// publishGap is how long fresh guest numbers may wait for others.
	publishGap = time.Second
)

// serve works on a session until it is lost or ctx ends, which is no error. It
// tells whether the daemon ever gave a list.
func (s *Source) serve(ctx context.Context, ses *session) (listed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	// First the events, then the list: what comes between the two is in the list.
	if err := s.subscribe(ctx, ses.control, changed); err != nil {
		return false, err
	}
	took, err := s.refresh(ctx, ses.control)
	if err != nil {
		return false, err
	}
	s.resynced()

	var polling sync.WaitGroup
	polling.Go(func() { s.poll(ctx, ses.monitor) })
	defer polling.Wait()
	defer cancel()

	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	var soon, publish <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return true, nil
		case <-ses.control.guard.lost:
			return true, ses.control.failure()
		case <-ses.monitor.guard.lost:
			return true, ses.monitor.failure()
		case <-changed:
			if soon == nil {
				// A storm of events on a host with thousands of domains
				// must not have the daemon do nothing but list them.
				soon = time.After(max(eventGap, 10*took))
			}
			continue
		case <-s.guests.news:
			if publish == nil {
				publish = time.After(publishGap)
			}
			continue
		case <-publish:
			publish = nil
			s.publish()
			continue
		case <-soon:
			soon = nil
		case <-tick.C:
		}
		took, err = s.refresh(ctx, ses.control)
		if err == nil || ctx.Err() != nil {
			continue
		}
		if ses.control.isLost() || errors.Is(err, errDeadline) {
			return true, err
		}
		// The daemon answered, with an error: its connection is still good.
		s.down(err)
	}
}
