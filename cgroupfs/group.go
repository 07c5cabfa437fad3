package cgroupfs

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Group is one cgroup that is read again and again. Within the budget its
// files stay open; past it they are opened, read and closed each time.
type Group struct {
	fs    *FS
	path  string
	dir   cname
	inode uint64
	shape shape
	// files are those that are read of this group; a helper's are few.
	files []fileID
	// quiet is set while it is known that no process is inside, and would be told
	// if one came: thousands of empty groups shall cost a scrape nothing.
	quiet atomic.Bool

	mu     sync.Mutex
	closed bool
	// fds is indexed as files; nil when nothing is kept.
	fds []int
	// dirfd is open while a group that keeps nothing is read.
	dirfd int
	// lost is set when a file was not there: the group may have ended.
	lost  bool
	reads uint

	children []*child
	// retired is the throttling and vCPU time of children that are gone: a
	// sum of counters must not fall because one of them ended.
	retired  cpuStat
	relist   bool
	youngTil time.Time
}

// youth is how long after a change inside a group its children are listed at
// each read: a runtime makes them one by one, and nobody tells of the second level.
const youth = 10 * time.Second

// recheck is after how many reads an absent file is looked for again: somebody
// may have switched a controller on.
const recheck = 64

// Group prepares to read the workload whose top cgroup is at a path below the mount.
func (fs *FS) Group(class Class, inode uint64) *Group {
	g := fs.group(class.Top, inode)
	g.shape = shapeOf(class, fs.opts.isContainer)
	for id := range fs.files {
		if fs.wanted(fileID(id)) {
			g.files = append(g.files, fileID(id))
		}
	}
	return g
}

// Helper prepares to read a group that serves a workload from outside it: of
// its numbers only CPU time and memory are of interest.
func (fs *FS) Helper(path string, inode uint64) *Group {
	g := fs.group(path, inode)
	g.files = []fileID{fileEvents, fileCPUStat, fileMemoryCurrent}
	return g
}

func (fs *FS) group(path string, inode uint64) *Group {
	return &Group{
		fs: fs, path: path, dir: newCName(fs.abs(path)), inode: inode, dirfd: -1,
		relist: true, youngTil: fs.opts.Now().Add(youth),
	}
}

// Running says whether any process is inside.
func (g *Group) Running() bool {
	if g.quiet.Load() {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	buf := g.fs.buffers.get()
	defer g.fs.buffers.put(buf)
	if g.fds != nil {
		b, err := g.read(fileEvents, buf)
		return errors.Is(err, ErrAbsent) || err == nil && parseGroupEvents(b).populated
	}
	if err := g.openDir(); err != nil {
		// Only a group that is surely gone is not running: what we may not
		// read for want of descriptors still runs.
		return !errors.Is(err, ErrGone)
	}
	defer g.closeDir()
	b, err := g.read(fileEvents, buf)
	return errors.Is(err, ErrAbsent) || err == nil && parseGroupEvents(b).populated
}

// Holds says whether a child of the group is the container with a full id.
func (g *Group) Holds(fullID string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shape != nil && !g.closed {
		g.list()
	}
	for _, c := range g.children {
		if strings.Contains(c.name, fullID) {
			return true
		}
	}
	return false
}

// Inside says that something was made or removed inside the group.
func (g *Group) Inside() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.relist, g.youngTil = true, g.fs.opts.Now().Add(youth)
}

// Relist lets the next read look for children that came or went.
func (g *Group) Relist() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.relist = true
}

// Close gives the descriptors back; what is read after is workload.ErrGone.
func (g *Group) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.release()
	for _, c := range g.children {
		c.release(g.fs.opts.Budget)
	}
	g.children = nil
}

var _ workload.Group = (*Group)(nil)
