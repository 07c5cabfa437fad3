package process

import (
	"os"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const core = 1_000_000_000

// Host is what a process without limits of its own could use.
type Host struct {
	CPUs   int
	Memory uint64
}

// Group is one process, read from /proc: a machine without a cgroup of its own,
// or a helper outside of its workload's.
type Group struct {
	starttime uint64
	host      Host
	pageSize  uint64

	// mu guards the descriptors and the buffer: two scrapes may come at once.
	mu     sync.Mutex
	closed bool
	buf    []byte
	stat   file
	status file
	io     file
	// lean groups read stat alone: a helper's CPU time and memory are in it.
	lean bool
}

func newGroup(p proc, pid int, starttime uint64, host Host, budget Budget, lean bool) *Group {
	size := maxSmall
	if lean {
		size = 512
	}
	return &Group{
		starttime: starttime, host: host, pageSize: uint64(os.Getpagesize()), lean: lean,
		buf:    make([]byte, size),
		stat:   newFile(p.path(pid, "stat"), budget),
		status: newFile(p.path(pid, "status"), budget),
		io:     newFile(p.path(pid, "io"), budget),
	}
}

// Read fills u from /proc/PID/{stat,status,io}. What belongs to a cgroup (limits,
// pressure, working set) and to the guest is absent.
func (g *Group) Read(u *workload.Usage) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	begin := time.Now()
	s, err := g.alive()
	if err != nil {
		return workload.ErrGone
	}
	u.CPU.User = workload.Known(s.utime * tick)
	u.CPU.System = workload.Known(s.stime * tick)
	u.CPU.Usage = u.CPU.User.Plus(u.CPU.System)
	u.Tasks = workload.Known(s.threads)
	if g.host.CPUs > 0 {
		u.CPU.Capacity = workload.Known(uint64(g.host.CPUs) * core)
	}
	begin = spend(u, workload.SubjectCPU, begin)
	if g.host.Memory > 0 {
		u.Memory.Capacity = workload.Known(g.host.Memory)
	}
	if g.lean {
		u.Memory.Resident = workload.Known(s.rssPages * g.pageSize)
		spend(u, workload.SubjectMemory, begin)
		return nil
	}
	if err := g.memory(u); err != nil {
		return err
	}
	begin = spend(u, workload.SubjectMemory, begin)
	if err := g.storage(u); err != nil {
		return err
	}
	spend(u, workload.SubjectIO, begin)
	return nil
}

// alive is the process's stat, or ErrGone when it ended or the PID is another's.
func (g *Group) alive() (stat, error) {
	if g.closed {
		return stat{}, workload.ErrGone
	}
	b, err := g.stat.read(&g.buf)
	if err != nil {
		return stat{}, err
	}
	s, ok := parseStat(b)
	if !ok || s.ended() || s.starttime != g.starttime {
		return stat{}, workload.ErrGone
	}
	return s, nil
}

func (g *Group) memory(u *workload.Usage) error {
	b, err := g.status.read(&g.buf)
	switch {
	case err != nil && gone(err):
		return workload.ErrGone
	case err != nil:
		u.Memory.Resident, u.Memory.Swap = workload.Unreadable(), workload.Unreadable()
		return nil
	}
	s := parseStatus(b)
	// VmRSS leaves out huge pages, which may be all of a guest's memory.
	u.Memory.Resident, u.Memory.Swap = s.rss.Plus(s.hugetlb), s.swap
	return nil
}

// storage reads what the kernel shows only to the process's owner and to those
// with CAP_SYS_PTRACE: to others it is not offered.
func (g *Group) storage(u *workload.Usage) error {
	b, err := g.io.read(&g.buf)
	switch {
	case err != nil && denied(err):
		return nil
	case err != nil && gone(err):
		if _, err := g.alive(); err != nil {
			return workload.ErrGone
		}
		// A kernel without task I/O accounting.
		return nil
	case err != nil:
		u.IO.ReadBytes, u.IO.WrittenBytes = workload.Unreadable(), workload.Unreadable()
		return nil
	}
	s := parseIO(b)
	u.IO.ReadBytes, u.IO.WrittenBytes = s.read, s.written
	return nil
}

func spend(u *workload.Usage, subject workload.Subject, begin time.Time) time.Time {
	now := time.Now()
	u.Spent[subject] += now.Sub(begin)
	return now
}

// Running says whether the process still lives.
func (g *Group) Running() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := g.alive()
	return err == nil
}

// Holds is false: a process is no pod.
func (*Group) Holds(string) bool { return false }

// close gives the descriptors back; who still reads hears that it is gone.
func (g *Group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.stat.close()
	g.status.close()
	g.io.close()
}
