package libvirt

import (
	"context"
	"sync"
	"time"
)

const (
	// laneSlots is how many calls may wait on one connection. The daemon reads
	// no further than a client's fifth, which is left for asking about suspects.
	laneSlots = 4
	// lanesMax bounds the connections: a call to a stuck QEMU keeps one of the
	// daemon's twenty workers, even when our end of it is closed. Once eight
	// domains are stuck at a time, the others' guest numbers grow old.
	lanesMax = 2
	// planGap bounds how often the whole set is looked through.
	planGap = 100 * time.Millisecond
)

// lane is a connection for monitor calls.
type lane struct {
	conn *conn
	busy int
}

// poller calls the guests of one session.
type poller struct {
	s     *Source
	lanes []*lane
	// queue is who is due.
	queue []run
	// done and asked are sent on when a call ends, and never block: nobody
	// may be left to listen.
	done  chan *lane
	asked chan struct{}
	// asking is set while a suspect is asked about.
	asking bool
	// opened is sent the second connection, or nil.
	opened  chan *conn
	opening sync.WaitGroup
}

// poll calls the guests when they are due, until ctx ends. Calls that are in
// flight then end with their connection.
func (s *Source) poll(ctx context.Context, first *conn) {
	p := &poller{
		s: s, lanes: []*lane{{conn: first}},
		done: make(chan *lane, lanesMax*laneSlots), asked: make(chan struct{}, 1),
	}
	defer p.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.launch(ctx)
		select {
		case <-ctx.Done():
			return
		case l := <-p.done:
			l.busy--
			continue
		case c := <-p.opened:
			p.opened = nil
			if c != nil {
				p.lanes = append(p.lanes, &lane{conn: c})
			} else {
				p.queue = nil // Until the next plan, which tries again.
			}
			continue
		case <-p.asked:
			p.asking = false
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(p.plan())
	}
}

// plan looks who is due, and says when to look again.
func (p *poller) plan() time.Duration {
	if p.s.idle() {
		p.queue = nil
		return p.s.cfg.GuestInterval
	}
	now := time.Now()
	due, suspect, next := p.s.guests.plan(now)
	p.queue = due
	if (suspect != run{}) && !p.asking {
		p.ask(suspect, now)
	}
	return max(next.Sub(now), planGap)
}

// launch makes as many calls as there is room for.
func (p *poller) launch(ctx context.Context) {
	for len(p.queue) > 0 {
		l := p.free()
		if l == nil {
			p.widen(ctx)
			return
		}
		r := p.queue[0]
		p.queue = p.queue[1:]
		p.call(l, r)
	}
}

func (p *poller) free() *lane {
	for _, l := range p.lanes {
		if l.busy < laneSlots && !l.conn.isLost() {
			return l
		}
	}
	return nil
}

// widen opens a second connection when nothing but stuck calls is left on the
// first, so that the healthy go on being polled.
func (p *poller) widen(ctx context.Context) {
	first := p.lanes[0]
	if len(p.lanes) == lanesMax || p.opened != nil || first.conn.isLost() || !p.s.guests.stuck(first.busy) {
		return
	}
	opened := make(chan *conn, 1)
	p.opened = opened
	p.opening.Go(func() {
		c, _ := p.s.open(ctx, first.conn.path)
		opened <- c
	})
}

func (p *poller) stop() {
	p.opening.Wait()
	if p.opened != nil {
		if c := <-p.opened; c != nil {
			c.close(false)
		}
	}
	for _, l := range p.lanes[1:] {
		l.conn.close(false)
	}
}
