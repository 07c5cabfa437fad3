package runtimes

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// maxLine is how long one event may be; labels are in it.
const maxLine = 1 << 20

var errEnded = errors.New("the stream of events ended")

// follow tells what the engine tells, until it cannot be heard any more. First
// the engine has to answer a question: Podman keeps the header of the events
// back until there is one.
func (e *Engine) follow(ctx context.Context) error {
	since := time.Now()
	if err := e.ping(ctx); err != nil {
		return err
	}
	if err := e.list(ctx); err != nil {
		return err
	}
	e.clock.reset()
	e.tell(workload.EventResynced)
	defer e.tell(workload.EventSilent)
	e.link.up(e.socket())

	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); e.watch(ctx, cancel) }()
	defer func() { cancel(nil); <-watched }()

	query := url.Values{
		"since":   {fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())},
		"filters": {filters(e.cfg.Runtime)},
	}
	err := e.get(ctx, "/events?"+query.Encode(), e.read)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// filters are for the events that say something. Only Podman has pods.
func filters(runtime string) string {
	if runtime == "podman" {
		return `{"type":["container","pod"]}`
	}
	return `{"type":["container"]}`
}

// watch ends the stream of an engine that does not answer.
func (e *Engine) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(e.pingAfter)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := e.ping(ctx); err != nil {
				cancel(err)
				return
			}
			e.clock.check()
		}
	}
}

func (e *Engine) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.pingWait)
	defer cancel()
	return e.get(ctx, "/_ping", func(io.Reader) error { return nil })
}

func (e *Engine) get(ctx context.Context, path string, read func(io.Reader) error) error {
	if err := httpGet(ctx, e.client, path, read); err != nil {
		return fmt.Errorf("%s: %w", e.socket(), err)
	}
	return nil
}

// read takes the events one by one, until there are no more.
func (e *Engine) read(body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		m, err := decode(lines.Bytes())
		if err != nil {
			return err
		}
		e.learn(&m)
		if w, ok := m.signal(e.cfg.Runtime); ok && e.cfg.Events != nil {
			var sure bool
			if w.When, sure = e.clock.boottime(m.TimeNano); !sure {
				w.Witness = workload.Late
			}
			e.cfg.Events.Happened(w)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errEnded
}
