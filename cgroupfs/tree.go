package cgroupfs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// sourceName is how this source reports itself.
const sourceName = "cgroup"

// Registry is what the tree tells of what it finds; *workload.Registry is one.
type Registry interface {
	Found(key string, c workload.Candidate)
	Changed(key string)
	Gone(key string)
	FoundOverhead(key string, owner workload.Owner, g workload.Group)
	GoneOverhead(key string)
	Report(source string, up bool)
}

// Config is what a Tree needs.
type Config struct {
	FS         *FS
	Classifier *Classifier
	Registry   Registry
	// Events is told what happens to workloads; nobody is when nil, and then
	// the files that tell of it are not watched.
	Events workload.Events
	// Boottime is the clock that stamps Events; the kernel's when nil.
	Boottime func() time.Duration
	// Reconcile is how often the whole tree is walked, to repair what was
	// missed; 60 s when zero.
	Reconcile time.Duration
	Logger    *slog.Logger
}

// Tree follows the hierarchy: it watches every directory that can hold a
// workload, and nothing below one.
type Tree struct {
	cfg Config

	mu   sync.Mutex
	in   *inotify
	root *node
	// watched is the nodes by their watch.
	watched map[int32]*node
	// heard is the workloads by the watches of their files.
	heard map[int32]*node
	// young is the workloads in which something was made a moment ago.
	young map[*node]bool
	// rescan is set when the tree may be out of date: at the start, after an
	// overflow, and for as long as not everything can be watched.
	rescan   bool
	degraded bool
	// told is set when the log has it that the tree is degraded.
	told     bool
	last     time.Time
	closed   bool
	overflow uint64
	// at and witness are what an event is worth that is found out now.
	at      time.Duration
	witness workload.Witness
	walked  bool
}

// when is when something happened, and what that is worth.
type when struct {
	at      time.Duration
	witness workload.Witness
}

// node is one directory of the tree: a host's group, a workload's top, or a helper's.
type node struct {
	path     string
	name     string
	inode    uint64
	wd       int32
	parent   *node
	children map[string]*node
	// group is set at a workload's top and at a helper's group.
	group    *Group
	helper   bool
	youngTil time.Time
	// signals is set at the top of a workload that is followed.
	signals *signals
	// born is when the directory was first seen; early is set when that was by
	// a walk, and the notice that it was made may be still to come.
	born  when
	early bool
}

const noWatch = -1

// NewTree prepares to follow the tree; the first Sync walks it.
func NewTree(cfg Config) *Tree {
	if cfg.Reconcile == 0 {
		cfg.Reconcile = time.Minute
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Boottime == nil {
		cfg.Boottime = workload.Boottime
	}
	t := &Tree{cfg: cfg, watched: map[int32]*node{}, heard: map[int32]*node{}, young: map[*node]bool{}, rescan: true}
	t.root = &node{path: "/", wd: noWatch, children: map[string]*node{}}
	in, err := newInotify(cfg.Boottime)
	if err != nil {
		t.degrade(err)
	}
	t.in = in
	return t
}

// What a scrape gives to the notices that are queued, and what Run gives them at a
// time, which a scrape may have to wait for. Each notice costs some 0.05 ms, and
// far more where cores are short: thousands of groups that are made at once shall
// not hold up a scrape, which has the rest of them the next time.
const (
	drainScrape = 100 * time.Millisecond
	drainRun    = 10 * time.Millisecond
)

// Sync takes the notices that the kernel has queued, and walks the tree where
// that is not enough. It never waits.
func (t *Tree) Sync() error {
	_, err := t.sync(drainScrape)
	return err
}

// sync says whether more is queued.
func (t *Tree) sync(within time.Duration) (more bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, nil
	}
	more, err = t.drain(within)
	now := t.cfg.FS.opts.Now()
	if t.rescan || t.degraded || now.Sub(t.last) >= t.cfg.Reconcile {
		t.rescan, t.last = false, now
		err = errors.Join(err, t.reconcile())
	}
	t.askAgain(now)
	t.cfg.Registry.Report(sourceName, err == nil)
	return more, err
}

// askAgain lets the Resolvers look once more at workloads that are still being
// made: the process that tells a machine from a container comes last.
func (t *Tree) askAgain(now time.Time) {
	for n := range t.young {
		t.cfg.Registry.Changed(n.path)
		if now.After(n.youngTil) {
			delete(t.young, n)
		}
	}
}

func (t *Tree) rejuvenate(n *node) {
	n.youngTil = t.cfg.FS.opts.Now().Add(youth)
	t.young[n] = true
}

// Run follows the tree until ctx ends, then gives everything back.
func (t *Tree) Run(ctx context.Context) error {
	defer t.Close()
	var waiting sync.WaitGroup
	defer waiting.Wait()
	if t.in != nil {
		waiting.Go(func() {
			_ = t.in.wait(func() bool {
				// It is not told again of what it leaves in the queue.
				for more := true; more && ctx.Err() == nil; {
					more, _ = t.sync(drainRun)
				}
				return ctx.Err() != nil
			})
		})
		defer t.in.interrupt()
	}
	ticker := time.NewTicker(t.cfg.Reconcile)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			_ = t.Sync()
		}
	}
}

// Close ends all watches and closes all descriptors.
func (t *Tree) Close() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.closed = true
	for _, child := range t.root.children {
		t.forget(child)
	}
	t.unwatch(t.root)
	t.mu.Unlock()
	// Closing waits for whoever waits on the queue, who may wait for the lock.
	if t.in != nil {
		_ = t.in.close()
	}
}

// Watches is how many directories and files are watched.
func (t *Tree) Watches() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.watched) + len(t.heard)
}

// drain applies the notices that are queued, as far as the time goes.
func (t *Tree) drain(within time.Duration) (more bool, err error) {
	if t.in == nil {
		return false, nil
	}
	return t.in.take(within, t.apply)
}

func (t *Tree) apply(n notice) {
	t.at, t.witness = n.at, workload.Witnessed
	if n.mask&unix.IN_Q_OVERFLOW != 0 {
		t.overflow++
		t.rescan = true
		if t.cfg.Events != nil {
			t.say(Class{}, &node{}, workload.EventMissed, t.now(), workload.MissedOverflow)
		}
		return
	}
	at, ok := t.watched[n.wd]
	if !ok {
		t.applyFile(n)
		return
	}
	if n.mask&unix.IN_IGNORED != 0 {
		delete(t.watched, n.wd)
		at.wd = noWatch
		return
	}
	if n.mask&unix.IN_ISDIR == 0 {
		return
	}
	switch {
	case at.group != nil:
		at.group.Inside()
		t.rejuvenate(at)
	case n.mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0:
		t.made(at, n.name)
	case n.mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		t.left(at, n.name)
	}
}

// applyFile takes a notice of a workload's own file.
func (t *Tree) applyFile(n notice) {
	at, ok := t.heard[n.wd]
	switch {
	case !ok:
	case n.mask&unix.IN_IGNORED != 0:
		delete(t.heard, n.wd)
		at.signals.ignored(n.wd)
		t.hush(at)
	case at.signals.heeds(n):
		t.look(at, t.now)
	}
}

// now is the stamp of what is found out now: the time of the notice that tells
// it, or of this very moment when nothing but looking does.
func (t *Tree) now() when {
	if t.witness == workload.Witnessed {
		return when{t.at, workload.Witnessed}
	}
	return when{t.cfg.Boottime(), t.witness}
}

// degrade says once that the tree cannot be watched, and is walked instead.
func (t *Tree) degrade(err error) {
	if !t.told {
		t.told = true
		t.cfg.Logger.Warn("Cannot watch all cgroups, walking the tree at each scrape instead", "err", err)
	}
	t.degraded = true
}
