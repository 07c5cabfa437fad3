package cgroupfs

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The scrape path makes its system calls itself. os.ReadFile registers every
// cgroup file with epoll (ten calls a file, kernfs files being pollable), and
// unix.Openat allocates a terminated copy of the name at each call.

// cname is a file name as the kernel takes it, ending in a NUL byte.
type cname []byte

func newCName(s string) cname { return append([]byte(s), 0) }

func openat(dirfd int, name cname, flags int) (int, unix.Errno) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(unsafe.Pointer(&name[0])),
			uintptr(flags|unix.O_CLOEXEC), 0, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		return int(fd), errno
	}
}

func pread(fd int, buf []byte, offset int64) (int, unix.Errno) {
	for {
		n, err := unix.Pread(fd, buf, offset)
		if errno := errnoOf(err); errno != unix.EINTR {
			return n, errno
		}
	}
}

// inodeOf is the inode of an open directory: the kernel's cgroup id.
func inodeOf(fd int) (uint64, unix.Errno) {
	var st unix.Stat_t
	errno := errnoOf(unix.Fstat(fd, &st))
	return st.Ino, errno
}

// errnoOf is what a system call's error is: package unix returns no other kind.
func errnoOf(err error) unix.Errno {
	if err == nil {
		return 0
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return unix.EIO
	}
	return errno
}
