package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// The calls that are made, by the name that their durations are counted under.
const (
	procConnect   = "connect"
	procSubscribe = "subscribe"
	procInventory = "inventory"
	procGuest     = "guest_stats"
	procControl   = "control_info"
	procPing      = "ping"
	procXML       = "domain_xml"
	procDisks     = "disk_stats"
)

var errDeadline = errors.New("no answer in time")

// call makes a call that the daemon can always answer. When it does not, the
// connection is useless, and is cut: that is what ends the call.
func call[T any](ctx context.Context, c *conn, proc string, limit time.Duration, fn func(*libvirt.Libvirt) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	c.work.Go(func() {
		value, err := wait(c, proc, fn)
		done <- answer{value, err}
	})
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var zero T
	select {
	case a := <-done:
		return a.value, a.err
	case <-timer.C:
		return zero, c.frozen()
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

// frozen cuts a connection whose daemon answers nothing any more.
func (c *conn) frozen() error {
	err := fmt.Errorf("libvirt at %s: %w", c.path, errDeadline)
	c.guard.cut(err)
	return err
}

// wait makes a call and waits for as long as it takes, or the connection lasts.
func wait[T any](c *conn, proc string, fn func(*libvirt.Libvirt) (T, error)) (T, error) {
	started := time.Now()
	value, err := protect(c.client, fn)
	c.health.observe(proc, time.Since(started), err)
	if err != nil {
		err = fmt.Errorf("libvirt %s at %s: %w", proc, c.path, err)
	}
	return value, err
}

// protect makes an error of a panic. Replies are decoded in the goroutine of
// the caller, and one that is malformed must not end the exporter.
func protect[T any](client *libvirt.Libvirt, fn func(*libvirt.Libvirt) (T, error)) (value T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed reply: %v", r)
		}
	}()
	return fn(client)
}
