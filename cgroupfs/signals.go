package cgroupfs

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// signals is what a workload's own files have told so far. They are watched as
// files: a watch of the directory tells of them only while the kernel happens
// to have their inodes.
type signals struct {
	class  Class
	events int32
	memory int32
	// looked is set once the files were read; what was there before is no event.
	looked    bool
	populated bool
	kills     uint64
	// heeded is when the notices of memory.events that were looked into would
	// have come, one each memoryGap.
	heeded time.Duration
}

// memoryGap is how often notices of one memory.events are looked into, after a
// burst of memoryBurst. A workload at its limit has a hundred of them a second, of
// which none need be a kill. One that is passed over is seen when the group empties,
// if that is still there: one that dies of its start is looked at each time.
const (
	memoryGap   = 100 * time.Millisecond
	memoryBurst = 100
)

// begin follows what happens in a workload that was just found. The groups that
// share one identity are left alone: no one of them is the workload.
func (t *Tree) begin(n *node, class Class) {
	if t.cfg.Events == nil || class.Shared {
		return
	}
	n.signals = &signals{class: class, events: noWatch, memory: noWatch}
	t.tell(n, workload.EventCreated, n.born)
	t.listen(n)
	// What is inside already came after the notice that there is an inside.
	t.look(n, func() when { return when{t.cfg.Boottime(), t.witness} })
}

// end tells what must have happened in a group that is gone, whether or not
// there was a notice of each.
func (t *Tree) end(n *node) {
	s := n.signals
	if s == nil {
		return
	}
	n.signals = nil
	t.unlisten(&s.events)
	t.unlisten(&s.memory)
	if t.closed {
		return
	}
	now := t.now()
	if s.populated {
		t.say(s.class, n, workload.EventEmpty, now, "")
	}
	t.say(s.class, n, workload.EventRemoved, now, "")
}

// listen watches the files. Where there is no memory controller there is no file.
func (t *Tree) listen(n *node) {
	t.listenTo(n, "cgroup.events", &n.signals.events)
	t.listenTo(n, "memory.events", &n.signals.memory)
}

func (t *Tree) listenTo(n *node, file string, wd *int32) {
	if *wd != noWatch || t.in == nil {
		return
	}
	got, err := t.in.add(t.cfg.FS.abs(n.path)+"/"+file, unix.IN_MODIFY)
	switch {
	case err == nil:
		*wd, t.heard[got] = got, n
	case !errors.Is(err, unix.ENOENT):
		t.degrade(fmt.Errorf("watching %s of %s: %w", file, n.path, err))
	}
}

func (t *Tree) unlisten(wd *int32) {
	if *wd != noWatch {
		delete(t.heard, *wd)
		t.in.remove(*wd)
		*wd = noWatch
	}
}

// heeds says whether a notice of a file is to be looked into.
func (s *signals) heeds(n notice) bool {
	if n.wd != s.memory {
		return true
	}
	if s.heeded > n.at {
		return false
	}
	s.heeded = max(s.heeded, n.at-memoryBurst*memoryGap) + memoryGap
	return true
}

// ignored takes note of a watch that the kernel has ended by itself.
func (s *signals) ignored(wd int32) {
	switch wd {
	case s.events:
		s.events = noWatch
	case s.memory:
		s.memory = noWatch
	}
}

// look reads the files and tells what is new. OOM kills come first, so that
// whoever is told that a group is empty knows by then why.
func (t *Tree) look(n *node, stamp func() when) {
	s := n.signals
	populated, kills, ok := n.group.signals()
	if !ok {
		// It is gone, which the notice on its parent will tell.
		return
	}
	now := stamp()
	if kills > s.kills {
		if s.looked || t.witness == workload.Witnessed {
			t.tell(n, workload.EventOOMKill, now)
		}
		s.kills = kills
	}
	if populated != s.populated {
		s.populated = populated
		kind := workload.EventEmpty
		if populated {
			kind = workload.EventPopulated
		}
		t.tell(n, kind, now)
	}
	s.looked = true
	t.hush(n)
}

// hush spares others the look at a group that is empty, as long as the kernel tells when
// that ends. A captured file may be replaced, of which its watch tells nothing.
func (t *Tree) hush(n *node) {
	s := n.signals
	n.group.quiet.Store(s.looked && !s.populated && s.events != noWatch && t.cfg.FS.opts.Mount.Kernel)
}

func (t *Tree) tell(n *node, kind workload.EventKind, when when) {
	t.say(n.signals.class, n, kind, when, "")
}

func (t *Tree) say(class Class, n *node, kind workload.EventKind, when when, detail string) {
	t.cfg.Events.Happened(workload.Event{
		Kind: kind, When: when.at, Witness: when.witness, Source: sourceName, Identity: class.Identity,
		Cgroup: n.path, Inode: n.inode, Domain: class.Domain, Detail: detail,
	})
}

// tooShort tells of a workload that was made and is not there any more, or of
// which the next has the place already.
func (t *Tree) tooShort(path string) {
	class, ok := t.cfg.Classifier.Classify(path)
	if t.cfg.Events != nil && ok && class.Top == path && !class.Shared {
		t.say(class, &node{path: path}, workload.EventMissed, t.now(), workload.MissedTooShort)
	}
}

// signals reads what tells of a group's start and end. False: it is gone, or
// cannot be read now.
func (g *Group) signals() (populated bool, kills uint64, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.openDir() != nil {
		return false, 0, false
	}
	defer g.closeDir()
	buf := g.fs.buffers.get()
	defer g.fs.buffers.put(buf)
	if b, err := readFile(g.dirfd, g.fs.names[fileMemoryEvents], buf, readAll); err == nil {
		kills, _ = parseMemoryEvents(b).OOMKill.Get()
	}
	b, err := readFile(g.dirfd, g.fs.names[fileEvents], buf, readAll)
	if err != nil || len(b) == 0 {
		return false, 0, false
	}
	return parseGroupEvents(b).populated, kills, true
}
