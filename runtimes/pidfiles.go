package runtimes

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// PIDFiles names libvirt's machines by the files that QEMU writes its PID to,
// NAME.pid: the only place besides QEMU's arguments that has the exact name, and
// the one that hidepid does not hide.
type PIDFiles struct {
	dir  string
	pids func(cgroup string) ([]int, error)

	mu    sync.Mutex
	made  time.Time
	read  time.Time
	names map[int]string
}

// NewPIDFiles returns a PIDFiles of a directory; pids lists the processes in a
// cgroup and below it.
func NewPIDFiles(dir string, pids func(cgroup string) ([]int, error)) *PIDFiles {
	return &PIDFiles{dir: dir, pids: pids}
}

// Expect implements workload.Namer.
func (*PIDFiles) Expect(*workload.Candidate) {}

// Name tells the name of a machine whose QEMU told nobody.
func (p *PIDFiles) Name(c *workload.Candidate) workload.Opinion {
	if c.Runtime != "libvirt" || c.Domain.Driver != "qemu" || c.Hypervisor != "" || c.Cgroup == "" {
		return workload.NoOpinion
	}
	pids, err := p.pids(c.Cgroup)
	if err != nil {
		return workload.NoOpinion
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	names := p.list()
	for _, pid := range pids {
		if name, ok := names[pid]; ok {
			c.Name = name
			return workload.NoOpinion
		}
	}
	if len(names) > 0 {
		return workload.Wait
	}
	return workload.NoOpinion
}

// list is the names by PID, read anew if the directory has changed.
func (p *PIDFiles) list() map[int]string {
	info, err := os.Stat(p.dir)
	if err != nil {
		return nil
	}
	// QEMU makes the file and then writes to it, and a directory's clock ticks
	// too slowly to tell every change.
	if info.ModTime().Equal(p.made) && p.read.Sub(p.made) > time.Second {
		return p.names
	}
	p.made, p.read = info.ModTime(), time.Now()
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return nil
	}
	p.names = make(map[int]string, len(entries))
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".pid")
		if !ok || !e.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(p.dir, e.Name()))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && pid > 0 {
			p.names[pid] = name
		}
	}
	return p.names
}
