package process

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Budget says how many descriptors may be kept open. Take asks for n and is
// answered at once; Give returns n. Without a Budget none is kept.
type Budget interface {
	Take(n int64) bool
	Give(n int64)
}

// file is a file of a process that is read again and again. Its descriptor is
// kept when the budget allows: a kept one is bound to the process, so that a
// reused PID can never answer on it.
type file struct {
	path   string
	fd     int
	kept   bool
	budget Budget
}

func newFile(path string, budget Budget) file { return file{path: path, fd: -1, budget: budget} }

// maxFile is where a file of /proc stops being believable.
const maxFile = 64 << 10

// read fills *buf with the whole file, growing it where it must.
func (f *file) read(buf *[]byte) ([]byte, error) {
	fd := f.fd
	if fd < 0 {
		opened, err := open(f.path)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", f.path, err)
		}
		fd = opened
		if f.budget != nil && f.budget.Take(1) {
			f.fd, f.kept = fd, true
		} else {
			defer unix.Close(fd)
		}
	}
	for {
		n, err := unix.Pread(fd, *buf, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", f.path, err)
		case n < len(*buf) || n >= maxFile:
			return (*buf)[:n], nil
		default:
			*buf = make([]byte, max(2*len(*buf), maxSmall))
		}
	}
}

func (f *file) close() {
	if f.kept {
		_ = unix.Close(f.fd)
		f.budget.Give(1)
	}
	f.fd, f.kept = -1, false
}

// gone says that an error is how /proc tells of a process that ended.
func gone(err error) bool {
	return errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT)
}

// denied says that an error is about who asks.
func denied(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}
