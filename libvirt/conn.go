package libvirt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
)

// farewell is how long a daemon may take to say goodbye.
const farewell = time.Second

// conn is one connection with a client of its own: a client that is used for a
// second connection races with the end of the first.
type conn struct {
	path   string
	client *libvirt.Libvirt
	guard  *guard
	health *health
	// ctx ends when the connection is closed.
	ctx    context.Context
	cancel context.CancelFunc
	// work is everything that waits on the connection.
	work sync.WaitGroup
}

// open dials and shakes hands. Only the dialling knows of ctx: the handshake of
// a frozen daemon is ended by cutting the connection.
func (s *Source) open(ctx context.Context, path string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ConnectTimeout)
	defer cancel()
	raw, err := s.dial(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("connecting to libvirt: %w", err)
	}
	c := &conn{path: path, guard: newGuard(raw), health: s.health}
	c.client = libvirt.NewWithDialer(dialers.NewAlreadyConnected(c.guard))
	started := time.Now()
	done := make(chan error, 1)
	go func() { done <- c.client.ConnectToURI(libvirt.ConnectURI(s.cfg.URI)) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		c.guard.cut(ctx.Err())
		within(farewell, done)
		err = fmt.Errorf("no answer to the handshake: %w", ctx.Err())
	}
	close(c.guard.settled)
	s.health.observe(procConnect, time.Since(started), err)
	if err != nil {
		c.guard.cut(err)
		return nil, fmt.Errorf("connecting to libvirt at %s as %s: %w", path, s.cfg.URI, err)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// close ends the connection and waits for all that waited on it. A farewell
// spares the daemon's log an error, but is a call like any other and may hang.
// Cutting ends every call, and yet the wait for them is bounded as well: what
// the client library does with a reply that comes twice is to wait for ever.
func (c *conn) close(polite bool) {
	if polite {
		done := make(chan struct{})
		c.work.Go(func() {
			defer close(done)
			_ = c.client.Disconnect()
		})
		within(farewell, done)
	}
	c.guard.cut(errCut)
	c.cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.work.Wait()
	}()
	within(farewell, ended)
}

// within waits for done, but no longer than limit.
func within[T any](limit time.Duration, done <-chan T) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// failure says why the connection was lost.
func (c *conn) failure() error {
	return fmt.Errorf("libvirt connection at %s lost: %w", c.path, c.guard.err)
}

// isLost says whether the connection is of no more use.
func (c *conn) isLost() bool {
	select {
	case <-c.guard.lost:
		return true
	default:
		return false
	}
}

// session is the two connections to one daemon. They live and die together.
type session struct {
	// control carries events and the calls that no QEMU can hold up.
	control *conn
	// monitor carries those that it can.
	monitor *conn
}

// connect tries the sockets there are, in order, one attempt at a time.
func (s *Source) connect(ctx context.Context) (*session, error) {
	paths, err := s.cfg.probe()
	if err != nil {
		return nil, err
	}
	s.seen = true
	var failed []error
	for _, path := range paths {
		ses, err := s.connectTo(ctx, path)
		if err == nil {
			return ses, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failed...)
}

func (s *Source) connectTo(ctx context.Context, path string) (*session, error) {
	control, err := s.open(ctx, path)
	if err != nil {
		return nil, err
	}
	monitor, err := s.open(ctx, path)
	if err != nil {
		control.close(false)
		return nil, err
	}
	return &session{control: control, monitor: monitor}, nil
}

func (ses *session) close(polite bool) {
	var both sync.WaitGroup
	both.Go(func() { ses.control.close(polite) })
	both.Go(func() { ses.monitor.close(polite) })
	both.Wait()
}
