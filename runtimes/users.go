package runtimes

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// maxUsers is how many engines of users are followed.
	maxUsers = 256
	// lookEvery is how often it is looked whether a user has come or gone.
	lookEvery = 30 * time.Second
)

// UsersConfig is what Users need to know. Runtime, Dir and Reporter are required.
type UsersConfig struct {
	Runtime string
	// Dir has a directory for each user, and Socket is where the engine's is in it.
	Dir, Socket string
	Labels      []string
	Reporter    interface {
		Reporter
		// Withdraw says that a source is none any more.
		Withdraw(source string)
	}
	Logger *slog.Logger
}

// Users follows the engines that users run for themselves, as far as their
// sockets may be used: another user's directory is closed to all but root.
// They tell names, and nothing of starts and ends.
type Users struct {
	cfg UsersConfig

	mu      sync.Mutex
	engines map[string]*userEngine

	// tick is what a test puts its own in for.
	tick <-chan time.Time
}

type userEngine struct {
	*Engine
	stop func()
}

// NewUsers returns Users that do nothing until Run is called.
func NewUsers(cfg UsersConfig) *Users {
	return &Users{cfg: cfg, engines: map[string]*userEngine{}}
}

// Run follows those who come and go until ctx ends. It leaves nothing running.
func (u *Users) Run(ctx context.Context) error {
	if u.tick == nil {
		every := time.NewTicker(lookEvery)
		defer every.Stop()
		u.tick = every.C
	}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		u.look(ctx, &running)
		select {
		case <-ctx.Done():
			return nil
		case <-u.tick:
		}
	}
}

func (u *Users) look(ctx context.Context, running *sync.WaitGroup) {
	// A directory that may not be read is one without sockets.
	paths, _ := filepath.Glob(filepath.Join(u.cfg.Dir, "[0-9]*", u.cfg.Socket))
	there := map[string]bool{}
	for _, path := range paths {
		user, _, _ := strings.Cut(strings.TrimPrefix(path, u.cfg.Dir+"/"), "/")
		there[user] = true
		u.start(ctx, running, user, path)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for user, e := range u.engines {
		if _, err := os.Lstat(filepath.Join(u.cfg.Dir, user)); !there[user] && err != nil {
			e.stop()
			delete(u.engines, user)
		}
	}
}

func (u *Users) start(ctx context.Context, running *sync.WaitGroup, user, path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.engines[user] != nil || len(u.engines) == maxUsers {
		return
	}
	ctx, stop := context.WithCancel(ctx)
	e := NewEngine(EngineConfig{
		Runtime: u.cfg.Runtime, User: user, Usual: path, Labels: u.cfg.Labels, Reporter: u.cfg.Reporter, Logger: u.cfg.Logger,
	})
	u.engines[user] = &userEngine{e, stop}
	running.Go(func() {
		// An engine's Run has no error but its context's end.
		_ = e.Run(ctx)
		u.cfg.Reporter.Withdraw(e.link.source)
	})
}

// Expect needs to do nothing, as an Engine's.
func (u *Users) Expect(*workload.Candidate) {}

// Name asks the engine of the user whose container it is.
func (u *Users) Name(c *workload.Candidate) workload.Opinion {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.engines {
		if opinion := e.Name(c); opinion != workload.NoOpinion {
			return opinion
		}
	}
	return workload.NoOpinion
}
