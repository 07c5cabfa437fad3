package cgroupfs

import (
	"errors"
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// reconcile walks the tree and repairs what the notices did not tell.
func (t *Tree) reconcile() error {
	if _, err := os.Stat(t.cfg.FS.opts.Mount.Path); err != nil {
		return fmt.Errorf("walking the cgroup tree: %w", err)
	}
	t.witness = workload.Late
	if !t.walked {
		t.walked, t.witness = true, workload.Adopted
	}
	// A new try at every watch that failed before.
	if t.in != nil {
		t.degraded = false
	}
	t.cfg.FS.devices.forget()
	t.walk(t.root)
	if t.told && !t.degraded {
		t.told = false
		t.cfg.Logger.Info("Watching all cgroups again")
	}
	return nil
}

// walk compares a host's directory with what is known of it, and goes down.
func (t *Tree) walk(n *node) {
	t.watch(n)
	names, err := t.subdirectories(n)
	if err != nil {
		return
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	for name, child := range n.children {
		if !there[name] {
			t.forget(child)
		}
	}
	for _, name := range names {
		child := n.children[name]
		t.visit(n, name, true)
		if n.group != nil {
			// A child has shown that this is a workload: what is inside is its own.
			return
		}
		if child != nil && child == n.children[name] {
			t.revisit(child)
		}
	}
}

// revisit repairs what was known before.
func (t *Tree) revisit(n *node) {
	switch {
	case n.group == nil:
		t.walk(n)
	case !n.helper:
		n.group.Relist()
		if n.group.shape != nil {
			t.cfg.Registry.Changed(n.path)
		}
		if n.signals != nil {
			t.listen(n)
			t.look(n, t.now)
		}
	}
}

// made handles a notice that a directory was made. It may be old news as well.
func (t *Tree) made(parent *node, name string) {
	before := parent.children[name]
	t.visit(parent, name, false)
	switch after := parent.children[name]; {
	case after == nil:
		t.tooShort(path.Join(parent.path, name))
	case after != before:
	case after.early:
		// A walk was there before the notice.
		after.early = false
	default:
		// The one that this tells of is gone: after's was told before.
		t.tooShort(after.path)
	}
}

// visit looks at a directory that was just made, or that is walked over.
func (t *Tree) visit(parent *node, name string, walking bool) {
	full := path.Join(parent.path, name)
	inode, ok := t.inode(full)
	if !ok {
		return
	}
	if known := parent.children[name]; known != nil {
		if known.inode == inode {
			return
		}
		t.forget(known)
	}
	n := &node{path: full, name: name, inode: inode, wd: noWatch, parent: parent, born: t.now(), early: walking}
	if walking {
		// What is in a directory that was just made is younger than the notice of it.
		n.born.at = t.cfg.Boottime()
	}
	class, ok := t.cfg.Classifier.Classify(full)
	switch {
	case ok && class.Top == full:
		t.found(n, class)
	case ok:
		t.foundAbove(n, class)
		return
	default:
		if owner, ok := t.cfg.Classifier.Monitors(full); ok {
			n.group, n.helper = t.cfg.FS.Helper(full, inode), true
			t.cfg.Registry.FoundOverhead(full, owner, n.group)
			break
		}
		n.children = map[string]*node{}
	}
	parent.children[name] = n
	if n.group == nil {
		t.walk(n)
	}
}

// found tells the Registry of a workload.
func (t *Tree) found(n *node, class Class) {
	n.group = t.cfg.FS.Group(class, n.inode)
	if n.group.shape != nil {
		// What is made inside tells of containers, vCPUs and machines in pods.
		t.watch(n)
	}
	t.rejuvenate(n)
	t.cfg.Registry.Found(n.path, workload.Candidate{
		Identity: class.Identity, FullID: class.FullID, Origin: workload.OriginCgroup,
		Cgroup: n.path, Inode: n.inode, Domain: class.Domain, Shared: class.Shared, Group: n.group,
	})
	t.begin(n, class)
}

// foundAbove is for a group that shows its parent to be a workload, as the
// payload of a service that runs systemd-nspawn does.
func (t *Tree) foundAbove(n *node, class Class) {
	for top := n.parent; top != nil; top = top.parent {
		if top.path != class.Top || top.group != nil {
			continue
		}
		for _, child := range top.children {
			t.forget(child)
		}
		top.children = nil
		t.unwatch(top)
		t.found(top, class)
		return
	}
}

// left handles a notice that a directory was removed. It may be old news: the
// name may have been taken again, and noticed already.
func (t *Tree) left(parent *node, name string) {
	n := parent.children[name]
	if n == nil {
		return
	}
	if inode, ok := t.inode(n.path); ok && inode == n.inode {
		return
	}
	t.forget(n)
}

// forget drops a directory and all that is below it.
func (t *Tree) forget(n *node) {
	for _, child := range n.children {
		t.forget(child)
	}
	t.unwatch(n)
	t.end(n)
	delete(t.young, n)
	if n.parent != nil {
		delete(n.parent.children, n.name)
	}
	if n.group == nil {
		return
	}
	if n.helper {
		t.cfg.Registry.GoneOverhead(n.path)
	} else {
		t.cfg.Registry.Gone(n.path)
	}
	n.group.Close()
}

func (t *Tree) watch(n *node) {
	if n.wd != noWatch || t.in == nil {
		return
	}
	wd, err := t.in.add(t.cfg.FS.abs(n.path), watchMask)
	switch {
	case err == nil:
		n.wd = wd
		t.watched[wd] = n
	case !errors.Is(err, unix.ENOENT):
		t.degrade(fmt.Errorf("watching %s: %w", n.path, err))
	}
}

func (t *Tree) unwatch(n *node) {
	if n.wd != noWatch {
		delete(t.watched, n.wd)
		t.in.remove(n.wd)
		n.wd = noWatch
	}
}

// subdirectories lists a directory's children. On a cgroup mount two links
// mean that there are none, which spares most of the listing.
func (t *Tree) subdirectories(n *node) ([]string, error) {
	dir := t.cfg.FS.abs(n.path)
	if t.cfg.FS.opts.Mount.Kernel {
		var st unix.Stat_t
		if unix.Lstat(dir, &st) == nil && st.Nlink == 2 {
			return nil, nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (t *Tree) inode(path string) (uint64, bool) {
	var st unix.Stat_t
	if unix.Lstat(t.cfg.FS.abs(path), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return 0, false
	}
	return st.Ino, true
}
