package cgroupfs

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Why a cgroup file could not be read. Each calls for another answer.
var (
	// ErrAbsent: this kernel, mount or group does not have the file.
	ErrAbsent = errors.New("not present")
	// ErrGone: the group was removed while it was read.
	ErrGone = errors.New("cgroup is gone")
	// ErrDenied: the file is there and not ours to read.
	ErrDenied = errors.New("permission denied")
	// ErrTooLong: the file holds more than any such file should.
	ErrTooLong = errors.New("file too long")
)

// classifyErrno maps the kernel's errno to what it means for a cgroup file.
func classifyErrno(errno unix.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.ENOENT, unix.EOPNOTSUPP, unix.ENOTDIR:
		// EOPNOTSUPP: PSI is compiled in and switched off, or the group is threaded.
		return ErrAbsent
	case unix.ENODEV:
		return ErrGone
	case unix.EACCES, unix.EPERM:
		return ErrDenied
	}
	return errno
}
