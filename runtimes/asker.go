package runtimes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/retry"
	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// askWait is how long an answer may take.
	askWait = 10 * time.Second
	// askEvery is how often it is asked when nobody is expected, to know whether it lives.
	askEvery = time.Minute
	// Somebody who is expected is asked for again until the API knows of them,
	// after a wait that doubles: a pod is listed only once its sandbox runs.
	askSoonest = 50 * time.Millisecond
	expectFor  = 5 * time.Second
)

// AskerConfig is what an Asker needs to know. Source and Reporter are required.
type AskerConfig struct {
	Source string
	// Socket was asked for by name; empty is the first of Usual that is there.
	Socket string
	Usual  []string
	// Labels are the keys of those that are asked for.
	Labels   []string
	Reporter Reporter
	// Contain is told what runs in pods, by their UIDs; nil where there are none.
	Contain func(source string, pods map[string][]workload.Container)
	Logger  *slog.Logger
}

// Asker asks an API for all that it knows: at the start, and when a newcomer is
// found that it has not told of. It is a workload.Namer that answers from what
// it was told.
type Asker struct {
	cfg  AskerConfig
	api  api
	link link
	book *book

	mu sync.Mutex
	// expected is who was not told of yet, and until when it is asked for them.
	expected map[string]time.Time
	wake     chan struct{}

	// What tests put their own in for.
	pause func(ctx context.Context, d time.Duration)
	every time.Duration
}

// api is what one kind of daemon is asked.
type api interface {
	// list asks over a connection for everything, by the key of candidates.
	list(ctx context.Context, conn net.Conn, labels []string) (map[string]told, error)
	// key is what a candidate is looked up by, empty if it is not of this runtime.
	key(c *workload.Candidate) string
	// early is the same before it is known what the candidate is.
	early(c *workload.Candidate) string
}

func newAsker(cfg AskerConfig, a api) *Asker {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Logger = cfg.Logger.With("runtime", cfg.Source)
	return &Asker{
		cfg: cfg, api: a, book: newBook(), expected: map[string]time.Time{}, wake: make(chan struct{}, 1), pause: retry.Pause, every: askEvery,
		link: link{source: cfg.Source, named: cfg.Socket != "", reporter: cfg.Reporter, logger: cfg.Logger},
	}
}

// Run asks until ctx ends. It leaves nothing running.
func (a *Asker) Run(ctx context.Context) error {
	var wait retry.Backoff
	for ctx.Err() == nil {
		socket, all, err := a.ask(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			a.book.setHope(a.link.down(socket, err))
			a.missing()
			a.pause(ctx, wait.Next())
			continue
		}
		wait = retry.Backoff{}
		a.book.replace(all)
		a.contain(all)
		a.link.up(socket)
		a.rest(ctx)
	}
	return nil
}

// contain passes on what runs in pods.
func (a *Asker) contain(all map[string]told) {
	if a.cfg.Contain == nil {
		return
	}
	pods := map[string][]workload.Container{}
	for uid, t := range all {
		if len(t.inside) > 0 {
			pods[uid] = t.inside
		}
	}
	a.cfg.Contain(a.cfg.Source, pods)
}

func (a *Asker) ask(ctx context.Context) (socket string, all map[string]told, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	conn, socket, err := a.connect(ctx)
	if err != nil {
		return socket, nil, err
	}
	defer conn.Close()
	all, err = a.api.list(ctx, conn, a.cfg.Labels)
	if err != nil {
		return socket, nil, fmt.Errorf("%s: %w", socket, err)
	}
	return socket, all, nil
}

// connect takes the first socket that is there.
func (a *Asker) connect(ctx context.Context) (conn net.Conn, socket string, err error) {
	candidates := a.cfg.Usual
	if a.cfg.Socket != "" {
		candidates = []string{a.cfg.Socket}
	}
	var d net.Dialer
	for _, socket = range candidates {
		if _, err = os.Stat(socket); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		conn, err = d.DialContext(ctx, "unix", socket)
		return conn, socket, err
	}
	return nil, socket, err
}

// rest waits until there is somebody to ask for, or it is time to see whether
// the API lives.
func (a *Asker) rest(ctx context.Context) {
	a.pause(ctx, askSoonest)
	d := a.every
	if last, ok := a.missing(); ok {
		// As long again as was waited for them already.
		d = expectFor - time.Until(last)
	}
	again := time.NewTimer(d)
	defer again.Stop()
	select {
	case <-a.wake:
	case <-again.C:
	case <-ctx.Done():
	}
}

// missing drops those who were told of or are past asking for, and says until when
// the last of the others is asked for.
func (a *Asker) missing() (last time.Time, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for key, until := range a.expected {
		if until.Before(now) || a.book.knows(key) {
			delete(a.expected, key)
			continue
		}
		if until.After(last) {
			last = until
		}
	}
	return last, len(a.expected) > 0
}

// Expect has the API asked for a newcomer.
func (a *Asker) Expect(c *workload.Candidate) {
	if key := cmp.Or(a.api.key(c), a.api.early(c)); key != "" {
		a.expect(key)
	}
}

func (a *Asker) expect(key string) {
	if a.book.knows(key) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.expected[key]; ok || len(a.expected) == maxTold {
		return
	}
	a.expected[key] = time.Now().Add(expectFor)
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// Name tells what the API calls a workload.
func (a *Asker) Name(c *workload.Candidate) workload.Opinion {
	key := a.api.key(c)
	if key == "" {
		if c.Runtime == "unknown" && a.book.knows(c.FullID) {
			return a.book.name(c.FullID, c)
		}
		return workload.NoOpinion
	}
	opinion := a.book.name(key, c)
	if opinion == workload.Wait {
		a.expect(key)
	}
	return opinion
}
