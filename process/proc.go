package process

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultProcRoot = "/proc"
	// maxCmdline is more than libvirt's longest, and less than what a process
	// may put there to make us read.
	maxCmdline = 128 << 10
	maxSmall   = 4 << 10
	// maxComm is 16 characters, and room to see that there are no more.
	maxComm = 64
)

// proc reads the world-readable files of processes below a mount of procfs.
type proc struct{ root string }

func (p proc) path(pid int, name string) string {
	return p.root + "/" + strconv.Itoa(pid) + "/" + name
}

// read is the file of a process, up to limit. It is not os.ReadFile, which
// registers the descriptor with the poller and takes ten system calls for it.
func (p proc) read(pid int, name string, limit int) ([]byte, error) {
	path := p.path(pid, name)
	fd, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	b := make([]byte, 0, min(limit, 1<<10))
	for len(b) < limit {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):min(cap(b), limit)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", path, err)
		case n == 0:
			return b, nil
		}
		b = b[:len(b)+n]
	}
	return b, nil
}

func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func (p proc) comm(pid int) (string, error) {
	b, err := p.read(pid, "comm", maxComm)
	if err != nil {
		return "", err
	}
	return parseComm(b), nil
}

func (p proc) cmdline(pid int) ([]string, error) {
	b, err := p.read(pid, "cmdline", maxCmdline)
	if err != nil {
		return nil, err
	}
	if len(b) == maxCmdline {
		b = wholeArguments(b)
	}
	return parseCmdline(b), nil
}

func (p proc) stat(pid int) (stat, error) {
	b, err := p.read(pid, "stat", maxSmall)
	if err != nil {
		return stat{}, err
	}
	s, ok := parseStat(b)
	if !ok {
		return stat{}, fmt.Errorf("read %s: not understood", p.path(pid, "stat"))
	}
	return s, nil
}

// uptime is the clock that start times are counted on.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
