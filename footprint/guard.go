package footprint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/sys/mountinfo"
)

var (
	// errStuck is storage that does not answer.
	errStuck = errors.New("storage does not answer")
	// errLeft ends what was left behind, when it comes back.
	errLeft = errors.New("nobody waits any more")
)

const (
	// stuckPatience is how long one system call may take.
	stuckPatience = 10 * time.Second
	// stuckPerMount and stuckMax bound the goroutines, each with a thread, that
	// are left in the kernel.
	stuckPerMount = 2
	stuckMax      = 16
)

// guard runs what may hang for ever in the kernel, one after the other, each in a
// goroutine that is left behind when it does.
type guard struct {
	mountinfo string
	patience  time.Duration
	// turn is held by who is not left behind.
	turn chan struct{}

	mu sync.Mutex
	// inside is the paths whose goroutine has not come back, and their mounts.
	inside map[string]string
}

func newGuard(mountinfo string) *guard {
	return &guard{mountinfo: mountinfo, patience: stuckPatience, turn: make(chan struct{}, 1), inside: map[string]string{}}
}

// guarded runs fn, which calls beat before each system call and ends with its
// error. Whatever fn returns after it was left behind is lost.
func guarded[T any](ctx context.Context, g *guard, path string, fn func(beat func() error) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var zero T
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return zero, ctx.Err()
	}
	if err := g.enter(path); err != nil {
		return zero, err
	}
	var beats atomic.Uint64
	var left atomic.Bool
	defer left.Store(true)
	done := make(chan answer, 1)
	go func() {
		value, err := fn(func() error {
			beats.Add(1)
			if left.Load() {
				return errLeft
			}
			return nil
		})
		g.exit(path)
		done <- answer{value, err}
	}()
	tick := time.NewTicker(g.patience)
	defer tick.Stop()
	seen := beats.Load()
	for {
		select {
		case a := <-done:
			return a.value, a.err
		case <-ctx.Done():
			return zero, ctx.Err()
		case <-tick.C:
			now := beats.Load()
			if now == seen {
				return zero, fmt.Errorf("%s: %w", path, errStuck)
			}
			seen = now
		}
	}
}

// enter refuses a path that somebody is stuck at, or whose mount has too many.
func (g *guard) enter(path string) error {
	mount := g.mountOf(path)
	g.mu.Lock()
	defer g.mu.Unlock()
	_, there := g.inside[path]
	same := 0
	for _, m := range g.inside {
		if m == mount {
			same++
		}
	}
	if there || same >= stuckPerMount || len(g.inside) >= stuckMax {
		return fmt.Errorf("%s: %w", path, errStuck)
	}
	g.inside[path] = mount
	return nil
}

func (g *guard) exit(path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.inside, path)
}

// mountOf is the mount that a path is on, as far as its text tells: that it is to
// be touched for no more is the point. Without a list of mounts all are one.
func (g *guard) mountOf(path string) string {
	f, err := os.Open(g.mountinfo)
	if err != nil {
		return ""
	}
	defer f.Close()
	longest := ""
	// The filter sees them all, and keeps none.
	_, _ = mountinfo.GetMountsFromReader(f, func(m *mountinfo.Info) (skip, stop bool) {
		if len(m.Mountpoint) > len(longest) && within(path, m.Mountpoint) {
			longest = m.Mountpoint
		}
		return true, false
	})
	return longest
}

func within(path, dir string) bool {
	dir = strings.TrimSuffix(dir, "/")
	return path == dir || strings.HasPrefix(filepath.Clean(path), dir+"/")
}
