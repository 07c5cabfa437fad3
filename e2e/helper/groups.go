package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// population is containers, as far as cgroups go: groups named as Docker's are, with
// all controllers, and a process in each.
type population struct {
	top  string
	pids []int
	// silence is where each process waits for a line that never comes; each also has
	// the end that could write it, so that it never breaks.
	silence, end *os.File
}

// lives wakes once a second, without a fork.
const lives = "while :; do read -t 1 x; done"

func newPopulation(mount, name string) (*population, error) {
	p := &population{top: filepath.Join(mount, name)}
	for _, dir := range []string{mount, p.top} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+cpu +io +memory +pids"), 0); err != nil {
			return nil, err
		}
	}
	var err error
	p.silence, p.end, err = os.Pipe()
	return p, err
}

func (p *population) dir(i int) string {
	return filepath.Join(p.top, fmt.Sprintf("docker-%064x.scope", i))
}

// grow makes groups until there are so many.
func (p *population) grow(to int) error {
	for i := len(p.pids); i < to; i++ {
		if err := os.Mkdir(p.dir(i), 0o755); err != nil {
			return err
		}
		fd, err := unix.Open(p.dir(i), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		// os/exec would hold a descriptor of each process.
		pid, err := syscall.ForkExec("/bin/busybox", []string{"sh", "-c", lives}, &syscall.ProcAttr{
			Files: []uintptr{p.silence.Fd(), p.end.Fd(), p.end.Fd()}, Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd},
		})
		unix.Close(fd)
		if err != nil {
			return err
		}
		p.pids = append(p.pids, pid)
	}
	return nil
}

// close ends all of it. A group is busy for a moment with a process that ends.
func (p *population) close() error {
	for _, pid := range p.pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
	}
	var errs []error
	for i := range p.pids {
		errs = append(errs, removeGroup(p.dir(i)))
	}
	return errors.Join(append(errs, removeGroup(p.top), p.silence.Close(), p.end.Close())...)
}

func removeGroup(dir string) error {
	for n := 0; ; n++ {
		err := os.Remove(dir)
		if err == nil || n == 1000 {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}
