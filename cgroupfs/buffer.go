package cgroupfs

import (
	"sync"

	"golang.org/x/sys/unix"
)

// firstBuffer holds every file of an ordinary group in one read; maxBuffer is
// more than the kernel prints for any.
const (
	firstBuffer = 16 << 10
	maxBuffer   = 1 << 20
)

// buffers lends the one buffer that a group's files are read into.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{pool: sync.Pool{New: func() any { b := make([]byte, firstBuffer); return &b }}}
}

func (p *buffers) get() *[]byte  { return p.pool.Get().(*[]byte) }
func (p *buffers) put(b *[]byte) { p.pool.Put(b) }

// readAll reads the whole of an open file from its start. The answer is a part
// of *buf, which grows when it must. A cgroup file is printed in one go, so a
// read that does not fill the buffer is the whole of it.
func readAll(fd int, buf *[]byte) ([]byte, error) {
	used := 0
	for {
		n, errno := pread(fd, (*buf)[used:], int64(used))
		if errno != 0 {
			return nil, classifyErrno(errno)
		}
		used += n
		if used < len(*buf) {
			return (*buf)[:used], nil
		}
		if len(*buf) >= maxBuffer {
			return nil, ErrTooLong
		}
		grown := make([]byte, 2*len(*buf))
		copy(grown, *buf)
		*buf = grown
	}
}

// readList is readAll for files of many records (cgroup.procs), of which the
// kernel gives a page at a time.
func readList(fd int, buf *[]byte) ([]byte, error) {
	used := 0
	for {
		n, errno := pread(fd, (*buf)[used:], int64(used))
		if errno != 0 {
			return nil, classifyErrno(errno)
		}
		if n == 0 {
			return (*buf)[:used], nil
		}
		used += n
		if used < len(*buf) {
			continue
		}
		if len(*buf) >= maxBuffer {
			return nil, ErrTooLong
		}
		grown := make([]byte, 2*len(*buf))
		copy(grown, *buf)
		*buf = grown
	}
}

// readFile opens, reads and closes a file below an open directory.
func readFile(dirfd int, name cname, buf *[]byte, read func(int, *[]byte) ([]byte, error)) ([]byte, error) {
	fd, errno := openat(dirfd, name, unix.O_RDONLY)
	if errno != 0 {
		return nil, classifyErrno(errno)
	}
	b, err := read(fd, buf)
	unix.Close(fd)
	return b, err
}
