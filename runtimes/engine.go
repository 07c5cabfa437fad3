package runtimes

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/workload-exporter/workload_exporter/retry"
	"github.com/workload-exporter/workload_exporter/workload"
)

// EngineConfig is what an Engine needs to know. Runtime and Reporter are required.
type EngineConfig struct {
	// Runtime is the engine's: "docker" or "podman".
	Runtime string
	// User is the number of the user whose own engine it is; empty is the host's.
	User string
	// Socket was asked for by name; empty is Usual, if that is there.
	Socket, Usual string
	// Labels are the keys of those that are asked for.
	Labels []string
	// Events is told how containers start and end; it may be nil.
	Events   workload.Events
	Reporter Reporter
	Logger   *slog.Logger
}

// Engine follows the events of a daemon with Docker's API, over its unix socket. It
// tells workload.Events, and is a workload.Namer that answers from what it was
// told: an engine that hangs holds nobody up.
type Engine struct {
	cfg    EngineConfig
	client *http.Client
	clock  clock
	link   link
	book   *book

	// What tests put their own in for.
	pause     func(ctx context.Context, d time.Duration)
	pingAfter time.Duration
	pingWait  time.Duration
	listWait  time.Duration
}

const (
	// pingAfter is how often it is asked whether it lives: a stream of events
	// is as silent when nothing happens as when the daemon hangs.
	pingAfter = 30 * time.Second
	// pingWait is how long the answer may take.
	pingWait = 5 * time.Second
)

// NewEngine returns an Engine that does nothing until Run is called.
func NewEngine(cfg EngineConfig) *Engine {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Logger = cfg.Logger.With("runtime", cfg.Source())
	e := &Engine{cfg: cfg, clock: newClock(), book: newBook(), pause: retry.Pause, pingAfter: pingAfter, pingWait: pingWait, listWait: listWait}
	e.link = link{source: cfg.Source(), named: cfg.Socket != "", reporter: cfg.Reporter, logger: cfg.Logger}
	e.client = unixClient(e.socket())
	return e
}

// Source is what the engine is called as a source.
func (c *EngineConfig) Source() string {
	if c.User == "" {
		return c.Runtime
	}
	return c.Runtime + "@" + c.User
}

func (e *Engine) socket() string {
	if e.cfg.Socket != "" {
		return e.cfg.Socket
	}
	return e.cfg.Usual
}

// Run connects, and connects again, until ctx ends. It leaves nothing running.
func (e *Engine) Run(ctx context.Context) error {
	defer e.client.CloseIdleConnections()
	var wait retry.Backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := e.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		e.book.setHope(e.link.down(e.socket(), err))
		if time.Since(began) > retry.Longest {
			// One that sends rubbish at once is not to be asked each second.
			wait = retry.Backoff{}
		}
		e.pause(ctx, wait.Next())
	}
	return nil
}

// tell says something of the engine itself.
func (e *Engine) tell(kind workload.EventKind) {
	if e.cfg.Events == nil {
		return
	}
	e.cfg.Events.Happened(workload.Event{
		Kind: kind, When: workload.Boottime(), Source: engineSource,
		Identity: workload.Identity{Runtime: e.cfg.Runtime},
	})
}
