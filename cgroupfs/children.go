package cgroupfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// child is a group below a workload's top cgroup whose quota, throttling or
// vCPU time is the workload's.
type child struct {
	// name is the path below the top cgroup.
	name string
	dir  cname
	role role
	// fds are the kept cpu.stat, cpu.max and memory.max; nil when none is kept.
	fds []int
	// last is what was read last: what is carried on when the child ends.
	last cpuStat
}

// The files of a child, by their place in fds; a thread's group has only the first two.
const (
	childStat = iota
	childQuota
	childMemoryMax
	childFiles
)

func childFile(i int) fileID {
	return [childFiles]fileID{childStat: fileCPUStat, childQuota: fileCPUMax, childMemoryMax: fileMemoryMax}[i]
}

// maxChildren bounds what a guest or tenant can make us hold.
const maxChildren = 1024

// list brings the children up to date, when something may have changed.
func (g *Group) list() {
	if !g.relist && g.fs.opts.Now().After(g.youngTil) {
		return
	}
	g.relist = false
	seen := make(map[string]bool, len(g.children))
	g.listBelow("", seen)
	kept := g.children[:0]
	for _, c := range g.children {
		if seen[c.name] {
			kept = append(kept, c)
			continue
		}
		g.retire(c)
	}
	clear(g.children[len(kept):])
	g.children = kept
}

func (g *Group) listBelow(below string, seen map[string]bool) {
	entries, err := os.ReadDir(g.fs.abs(g.path + "/" + below))
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		if below != "" {
			name = below + "/" + name
		}
		if !e.IsDir() {
			continue
		}
		role := g.shape(name)
		if role == roleNone {
			continue
		}
		seen[name] = true
		g.adopt(name, role)
		if below == "" {
			g.listBelow(name, seen)
		}
	}
}

func (g *Group) adopt(name string, role role) {
	for _, c := range g.children {
		if c.name == name {
			return
		}
	}
	if len(g.children) >= maxChildren {
		return
	}
	g.children = append(g.children, &child{name: name, dir: newCName(g.fs.abs(g.path + "/" + name)), role: role})
}

// retire carries on the counters of a child that ended.
func (g *Group) retire(c *child) {
	r, l := &g.retired, &c.last
	if c.role == roleVCPU {
		r.usage = r.usage.Plus(l.usage)
	}
	r.periods, r.throttledPeriods = r.periods.Plus(l.periods), r.throttledPeriods.Plus(l.throttledPeriods)
	r.throttled = r.throttled.Plus(l.throttled)
	c.release(g.fs.opts.Budget)
}

// readChildren adds the children's throttling to own, and fills in the limits
// and vCPUs that only they tell.
func (g *Group) readChildren(own *cpuStat, u *workload.Usage, buf *[]byte) {
	if g.shape == nil {
		return
	}
	sum := g.retired
	quotas, vcpus, unlimited := workload.Value{}, uint64(0), false
	for _, c := range g.children {
		stat, limit, memory, err := c.read(g.fs, buf)
		if err != nil {
			stat = c.last
		}
		c.last = stat
		sum.periods, sum.throttledPeriods = sum.periods.Plus(stat.periods), sum.throttledPeriods.Plus(stat.throttledPeriods)
		sum.throttled = sum.throttled.Plus(stat.throttled)
		if errors.Is(err, ErrGone) {
			// It ended, or was made anew: what it had counted is carried on.
			g.retire(c)
			c.last, g.relist = cpuStat{}, true
		}
		switch c.role {
		case roleWrapper:
			u.CPU.Limit, u.Memory.Limit = u.CPU.Limit.Least(limit), u.Memory.Limit.Least(memory)
		case roleVCPU:
			vcpus++
			sum.usage = sum.usage.Plus(stat.usage)
			quotas = quotas.Plus(limit)
			unlimited = unlimited || limit.State() != workload.StateKnown
		}
	}
	own.periods, own.throttledPeriods = own.periods.Plus(sum.periods), own.throttledPeriods.Plus(sum.throttledPeriods)
	own.throttled = own.throttled.Plus(sum.throttled)
	if vcpus > 0 {
		u.VM.VCPUs, u.VM.VCPUTime = workload.Known(vcpus), sum.usage
		if !unlimited {
			u.CPU.Limit = u.CPU.Limit.Least(quotas)
		}
	}
}

// read gives a child's cpu.stat and limits. Limits that it does not have are absent.
func (c *child) read(fs *FS, buf *[]byte) (stat cpuStat, limit, memory workload.Value, err error) {
	dirfd := notOpen
	if c.fds == nil {
		fd, errno := openat(unix.AT_FDCWD, c.dir, unix.O_RDONLY|unix.O_DIRECTORY)
		if errno != 0 {
			if err = classifyErrno(errno); errors.Is(err, ErrAbsent) {
				err = ErrGone
			}
			return stat, limit, memory, err
		}
		defer unix.Close(fd)
		c.keep(fs, fd)
		dirfd = fd
	}
	b, err := c.file(fs, dirfd, childStat, buf)
	if err != nil {
		return stat, limit, memory, err
	}
	stat = parseCPUStat(b)
	if c.role == roleInner {
		return stat, limit, memory, nil
	}
	if b, err := c.file(fs, dirfd, childQuota, buf); err == nil {
		limit = parseCPUMax(b)
	}
	if c.role == roleWrapper {
		if b, err := c.file(fs, dirfd, childMemoryMax, buf); err == nil {
			memory = parseSingle(b)
		}
	}
	return stat, limit, memory, nil
}

func (c *child) file(fs *FS, dirfd, i int, buf *[]byte) ([]byte, error) {
	fs.reads.Add(1)
	if c.fds == nil {
		return readFile(dirfd, fs.names[childFile(i)], buf, readAll)
	}
	if c.fds[i] == notOpen {
		return nil, ErrAbsent
	}
	return readAll(c.fds[i], buf)
}

func (c *child) keep(fs *FS, dirfd int) {
	if !fs.opts.Budget.Take(childFiles) {
		return
	}
	c.fds = make([]int, childFiles)
	for i := range c.fds {
		c.fds[i] = notOpen
		if c.role == roleInner && i > childStat || c.role == roleVCPU && i > childQuota {
			continue
		}
		if fd, errno := openat(dirfd, fs.names[childFile(i)], unix.O_RDONLY); errno == 0 {
			c.fds[i] = fd
		}
	}
}

func (c *child) release(budget *Budget) {
	if c.fds == nil {
		return
	}
	for _, fd := range c.fds {
		if fd != notOpen {
			unix.Close(fd)
		}
	}
	budget.Give(childFiles)
	c.fds = nil
}
