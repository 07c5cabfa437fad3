package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// elevenFiles are those that cAdvisor and the like read, each in its own way.
var elevenFiles = []string{
	"memory.stat", "cpu.stat", "cpu.pressure", "memory.pressure", "io.pressure", "memory.events",
	"pids.current", "memory.peak", "memory.swap.current", "memory.current", "io.stat",
}

// passes is how often a floor is measured, after once for nothing.
const passes = 5

// eleven lists those files of each group.
func (p *population) eleven() []string {
	paths := make([]string, 0, len(p.pids)*len(elevenFiles))
	for i := range p.pids {
		for _, file := range elevenFiles {
			paths = append(paths, filepath.Join(p.dir(i), file))
		}
	}
	return paths
}

// keptBy lists what a process keeps open below a directory.
func keptBy(pid int, top string) ([]string, error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		path, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && strings.HasPrefix(path, top+"/") {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// keptFloor is the CPU time of a pass of bare reads of files that are kept open.
func keptFloor(paths []string) (time.Duration, error) {
	fds := make([]int, 0, len(paths))
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, path := range paths {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		fds = append(fds, fd)
	}
	buf := make([]byte, 1<<16)
	return eachPass(func() error {
		for _, fd := range fds {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// openFloor is the same for files that are opened and closed each time.
func openFloor(paths []string) (time.Duration, error) {
	buf := make([]byte, 1<<16)
	return eachPass(func() error {
		for _, path := range paths {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			_, err = unix.Read(fd, buf)
			unix.Close(fd)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	})
}

func eachPass(pass func() error) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if err := pass(); err != nil {
		return 0, err
	}
	began, err := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
	for range passes {
		if err == nil {
			err = pass()
		}
	}
	if err != nil {
		return 0, err
	}
	ended, err := cpuTime(unix.CLOCK_THREAD_CPUTIME_ID)
	return (ended - began) / passes, err
}

// clockOf is the clock of the CPU time that another process takes.
func clockOf(pid int) int32 { return int32(^pid)<<3 | 2 } //nolint:gosec // a PID has 22 bits at most

func cpuTime(clock int32) (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(clock, &ts)
	return time.Duration(ts.Nano()), err
}
