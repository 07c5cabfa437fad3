package cgroupfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// notOpen marks a file that was absent when it was last looked for.
const notOpen = -1

func (g *Group) release() {
	if g.fds == nil {
		return
	}
	for i := range g.fds {
		g.drop(i)
	}
	g.fds = nil
}

// drop closes one file, if it is open.
func (g *Group) drop(i int) {
	if g.fds[i] != notOpen {
		unix.Close(g.fds[i])
		g.fds[i] = notOpen
		g.fs.opts.Budget.Give(1)
	}
}

// openDir opens the group's directory. ErrGone: it is not there, or another
// group has its path.
func (g *Group) openDir() error {
	fd, errno := openat(unix.AT_FDCWD, g.dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if errno != 0 {
		if err := classifyErrno(errno); !errors.Is(err, ErrAbsent) {
			return err
		}
		return ErrGone
	}
	if inode, errno := inodeOf(fd); errno != 0 || g.inode != 0 && inode != g.inode {
		unix.Close(fd)
		return ErrGone
	}
	g.dirfd = fd
	return nil
}

func (g *Group) closeDir() {
	if g.dirfd >= 0 {
		unix.Close(g.dirfd)
		g.dirfd = -1
	}
}

// there says whether the group is still the one at its path.
func (g *Group) there() bool {
	open := g.dirfd
	err := g.openDir()
	if err == nil {
		g.closeDir()
	}
	g.dirfd = open
	return err == nil
}

// keep opens the group's files for good, if the budget allows.
func (g *Group) keep() {
	if !g.fs.opts.Budget.room(int64(len(g.files))) {
		return
	}
	g.fds = make([]int, len(g.files))
	for i := range g.fds {
		g.fds[i] = notOpen
	}
	g.openMissing()
}

func (g *Group) openMissing() {
	for i, id := range g.files {
		if g.fds[i] != notOpen {
			continue
		}
		switch fd, errno := openat(g.dirfd, g.fs.names[id], unix.O_RDONLY); errno {
		case 0:
			if !g.fs.opts.Budget.Take(1) {
				unix.Close(fd)
				g.release()
				return
			}
			g.fds[i] = fd
		case unix.EMFILE, unix.ENFILE:
			// Somebody else took what the budget counted on.
			g.release()
			return
		}
	}
}

// read gives a file's bytes, valid until the next read into buf.
func (g *Group) read(id fileID, buf *[]byte) ([]byte, error) {
	i := g.index(id)
	if i < 0 {
		return nil, ErrAbsent
	}
	if g.fds == nil {
		b, err := readFile(g.dirfd, g.fs.names[id], buf, readAll)
		if !errors.Is(err, ErrAbsent) {
			g.fs.reads.Add(1)
		}
		g.lost = g.lost || errors.Is(err, ErrAbsent) || errors.Is(err, ErrGone)
		return b, err
	}
	if g.fds[i] == notOpen {
		return nil, ErrAbsent
	}
	g.fs.reads.Add(1)
	b, err := readAll(g.fds[i], buf)
	if errors.Is(err, ErrGone) {
		// The group ended, or its controller was switched off: which of the
		// two is told at the end of the pass.
		g.drop(i)
		g.lost = true
	}
	return b, err
}

// index is where a file stands in g.files; they are in the order of their ids
// and mostly all there, so the search is short.
func (g *Group) index(id fileID) int {
	for i := min(int(id), len(g.files)-1); i >= 0; i-- {
		if g.files[i] == id {
			return i
		}
	}
	return -1
}
