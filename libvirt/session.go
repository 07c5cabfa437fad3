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
	// heldMax is how long the list may be held up before the source is down.
	heldMax = 30 * time.Second
)

var errHeld = errors.New("a domain that is being started or ended holds up libvirt's list")

// serving is the work on one session.
type serving struct {
	s   *Source
	ses *session
	// listing is the list that was asked for, nil if none is: there is never
	// more than one. Since is when, and again says that it is out of date.
	listing <-chan listing
	since   time.Time
	again   bool
	// took is how long the last list took.
	took time.Duration
	// listed is set once there has been a list.
	listed bool
	// soon is when to list, publish when to pass numbers on, doubt when to ask
	// whether the daemon lives. Pinged is its answer.
	soon, publish, doubt <-chan time.Time
	pinged               <-chan struct{}
	polling              sync.WaitGroup
}

// serve works on a session until it is lost or ctx ends, which is no error. It
// tells whether the daemon ever gave a list.
func (s *Source) serve(ctx context.Context, ses *session) (listed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	v := &serving{s: s, ses: ses}
	defer v.polling.Wait()
	defer cancel()
	changed := make(chan struct{}, 1)
	// First the events, then the list: what comes between the two is in the list.
	if err := s.subscribe(ctx, ses.control, changed); err != nil {
		return false, err
	}
	v.list()
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return v.listed, nil
		case <-ses.control.guard.lost:
			err = ses.control.failure()
		case <-ses.monitor.guard.lost:
			err = ses.monitor.failure()
		case <-changed:
			if v.soon == nil {
				// A storm of events on a host with thousands of domains
				// must not have the daemon do nothing but list them.
				v.soon = time.After(max(eventGap, 10*v.took))
			}
		case <-v.soon:
			v.soon = nil
			v.list()
		case <-tick.C:
			v.list()
		case l := <-v.listing:
			err = v.received(ctx, l)
		case <-v.doubt:
			err = v.doubts()
		case <-v.pinged:
			// Any answer is one, even an error.
			v.pinged = nil
			v.doubt = time.After(s.cfg.CallTimeout)
		case <-s.guests.news:
			if v.publish == nil {
				v.publish = time.After(publishGap)
			}
		case <-v.publish:
			v.publish = nil
			s.publish()
		}
	}
	return v.listed, err
}

// list asks for the list, unless one is on its way.
func (v *serving) list() {
	if v.listing != nil {
		v.again = true
		return
	}
	v.listing = v.s.list(v.ses.control)
	v.since = time.Now()
	v.doubt = time.After(v.s.cfg.CallTimeout / 2)
}

// received takes the list that came.
func (v *serving) received(ctx context.Context, l listing) error {
	v.listing, v.doubt, v.pinged = nil, nil, nil
	v.took = time.Since(v.since)
	if v.again {
		v.again = false
		v.soon = time.After(eventGap)
	}
	switch {
	case l.err == nil:
		v.s.update(v.ses.control.path, l.domains)
	case v.ses.control.isLost() || !v.listed:
		return l.err
	default:
		// The daemon answered, with an error: its connection is still good.
		v.s.down(l.err)
		return nil
	}
	if !v.listed {
		v.listed = true
		v.s.resynced()
		if v.s.cfg.Booting != nil {
			v.ses.monitor.work.Go(func() { v.s.findAgents(v.ses.monitor, l.domains) })
		}
		v.polling.Go(func() { v.s.poll(ctx, v.ses.monitor) })
	}
	return nil
}

// doubts finds out why the list does not come. It waits for each domain's lock,
// and a domain that is being started or ended may keep its own for seconds, a
// large one for minutes. Connecting anew would only queue up there again; but
// a daemon that does not answer a question about itself is frozen.
func (v *serving) doubts() error {
	if v.pinged != nil {
		return v.ses.control.frozen()
	}
	if time.Since(v.since) > heldMax {
		v.s.down(errHeld)
	}
	v.pinged = v.s.ping(v.ses.control)
	v.doubt = time.After(v.s.cfg.CallTimeout)
	return nil
}
