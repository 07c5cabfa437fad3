package cgroupfs

import (
	"errors"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// How far below a group its processes are looked for, and how many are enough:
// a monitor or a shim is among the first of its group.
const (
	maxProcDepth = 4
	maxProcs     = 4096
)

// PIDs lists the processes in a group and below it. Only what was found of a
// group that is gone, or of threaded children (which list threads), is in it.
func (fs *FS) PIDs(group string) ([]int, error) {
	buf := fs.buffers.get()
	defer fs.buffers.put(buf)
	pids, err := fs.procs(group, buf, nil)
	if err != nil && !errors.Is(err, ErrAbsent) {
		return nil, err
	}
	return fs.procsBelow(group, buf, pids, maxProcDepth), nil
}

func (fs *FS) procsBelow(group string, buf *[]byte, pids []int, depth int) []int {
	if depth == 0 || len(pids) >= maxProcs {
		return pids
	}
	entries, err := os.ReadDir(fs.abs(group))
	if err != nil {
		return pids
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		child := path.Join(group, e.Name())
		pids, _ = fs.procs(child, buf, pids)
		pids = fs.procsBelow(child, buf, pids, depth-1)
	}
	return pids
}

// procs appends the processes of one group.
func (fs *FS) procs(group string, buf *[]byte, pids []int) ([]int, error) {
	if fs.opts.ForeignPIDs {
		return pids, nil
	}
	fd, errno := openat(unix.AT_FDCWD, newCName(path.Join(fs.abs(group), "cgroup.procs")), unix.O_RDONLY)
	if errno != 0 {
		return pids, classifyErrno(errno)
	}
	defer unix.Close(fd)
	b, err := readList(fd, buf)
	if err != nil {
		return pids, err
	}
	return parseProcs(b, pids), nil
}

// HostPIDs yields the processes of each group that belongs to no workload.
func (t *Tree) HostPIDs(yield func(group string, pids []int)) {
	fs := t.cfg.FS
	buf := fs.buffers.get()
	defer fs.buffers.put(buf)
	for _, group := range t.hostGroups() {
		if pids, err := fs.procs(group, buf, nil); err == nil && len(pids) > 0 {
			yield(group, pids)
		}
	}
}

// hostGroups lists the host's groups that may hold processes. A slice never
// does: the kernel allows none where controllers are handed down.
func (t *Tree) hostGroups() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var groups []string
	var down func(n *node)
	down = func(n *node) {
		if n.group != nil {
			return
		}
		if !strings.HasSuffix(n.name, ".slice") {
			groups = append(groups, n.path)
		}
		for _, child := range n.children {
			down(child)
		}
	}
	down(t.root)
	return groups
}
