package cgroupfs

import (
	"errors"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Read fills u from the group's files. workload.ErrGone means that the group
// has ended, was made anew under the same path, or holds no process.
func (g *Group) Read(u *workload.Usage) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return workload.ErrGone
	}
	if err := g.begin(); err != nil {
		return err
	}
	defer g.closeDir()
	buf := g.fs.buffers.get()
	defer g.fs.buffers.put(buf)

	if b, err := g.read(fileEvents, buf); err == nil {
		events := parseGroupEvents(b)
		if !events.populated {
			return workload.ErrGone
		}
		u.Paused = events.frozen
	} else if errors.Is(err, ErrGone) {
		return workload.ErrGone
	}
	if g.shape != nil {
		g.list()
	}
	then := time.Now()
	for s, read := range g.fs.passes {
		if read == nil {
			continue
		}
		read(g, u, buf)
		now := time.Now()
		u.Spent[s] = now.Sub(then)
		then = now
	}
	if g.lost && !g.there() {
		return workload.ErrGone
	}
	return nil
}

// begin opens what is to be read. Files that were absent are looked for again
// now and then, and at once after one went away.
func (g *Group) begin() error {
	g.reads++
	if g.fds != nil && !g.lost && g.reads%recheck != 0 {
		return nil
	}
	g.lost = false
	if err := g.openDir(); errors.Is(err, ErrGone) {
		return workload.ErrGone
	} else if err != nil {
		return err
	}
	if g.fds == nil {
		g.keep()
	} else {
		g.openMissing()
	}
	if g.fds != nil {
		g.closeDir()
	}
	return nil
}

// pass reads one subject of a group.
type pass func(g *Group, u *workload.Usage, buf *[]byte)

func (fs *FS) subjectPasses() [workload.Subjects]pass {
	all := [workload.Subjects]pass{
		workload.SubjectCPU:      (*Group).readCPU,
		workload.SubjectMemory:   (*Group).readMemory,
		workload.SubjectPressure: (*Group).readPressure,
		workload.SubjectIO:       (*Group).readIO,
		workload.SubjectTasks:    (*Group).readTasks,
	}
	for s := range all {
		if !fs.opts.Subjects[s] {
			all[s] = nil
		}
	}
	return all
}

func (g *Group) readCPU(u *workload.Usage, buf *[]byte) {
	own := g.cpuStat(buf)
	c := &u.CPU
	c.Usage, c.User, c.System = own.usage, own.user, own.system
	c.Limit = g.value(fileCPUMax, buf, parseCPUMax)
	cpus := g.value(fileCPUSet, buf, parseCPUSet)
	g.readChildren(&own, u, buf)
	c.Periods, c.ThrottledPeriods, c.Throttled = own.periods, own.throttledPeriods, own.throttled
	if g.fs.opts.Host.CPUs > 0 {
		c.Capacity = workload.Known(g.fs.opts.Host.CPUs * oneCore)
	}
	c.Capacity = c.Capacity.Least(c.Limit).Least(cpus)
}

func (g *Group) cpuStat(buf *[]byte) cpuStat {
	b, err := g.read(fileCPUStat, buf)
	if err != nil {
		bad := g.missing(fileCPUStat, err)
		return cpuStat{usage: bad, user: bad, system: bad}
	}
	s := parseCPUStat(b)
	g.count(fileCPUStat, s.usage, s.user, s.system, s.periods, s.throttledPeriods, s.throttled)
	return s
}

func (g *Group) readMemory(u *workload.Usage, buf *[]byte) {
	m := &u.Memory
	m.Resident = g.value(fileMemoryCurrent, buf, parseSingle)
	var stat memoryStat
	if b, err := g.read(fileMemoryStat, buf); err == nil {
		stat = parseMemoryStat(b)
		g.count(fileMemoryStat, stat.anon, stat.shmem, stat.inactiveFile, stat.kernelStack, stat.pageTables,
			stat.secondary, stat.percpu, stat.sock, stat.slabUnreclaimable)
	} else {
		bad := g.missing(fileMemoryStat, err)
		stat.anon, stat.inactiveFile = bad, bad
	}
	m.Peak = g.value(fileMemoryPeak, buf, parseSingle)
	m.Swap = g.value(fileMemorySwap, buf, parseSingle)
	m.Limit = m.Limit.Least(g.value(fileMemoryMax, buf, parseSingle))
	m.GuestBacking = stat.anon.Plus(stat.shmem)
	m.Unreclaimable = stat.unreclaimable()
	for id := fileHugetlb; int(id) < len(g.fs.files); id++ {
		huge := g.value(id, buf, parseSingle)
		if n, ok := huge.Get(); ok && n > 0 {
			// Huge pages are nobody's to reclaim, and no peak counts them.
			m.Resident, m.GuestBacking = m.Resident.Plus(huge), m.GuestBacking.Plus(huge)
			m.Unreclaimable, m.Peak = m.Unreclaimable.Plus(huge), workload.Value{}
		}
	}
	if stat.inactiveFile.State() != workload.StateAbsent {
		m.WorkingSet = m.Resident.Minus(stat.inactiveFile)
	}
	if g.fs.opts.Host.Memory > 0 {
		m.Capacity = workload.Known(g.fs.opts.Host.Memory)
	}
	m.Capacity = m.Capacity.Least(m.Limit)
	if b, err := g.read(fileMemoryEvents, buf); err == nil {
		e := parseMemoryEvents(b)
		g.count(fileMemoryEvents, e.Low, e.High, e.Max, e.OOM, e.OOMKill)
		m.Events = e
	} else if bad := g.missing(fileMemoryEvents, err); bad.State() != workload.StateAbsent {
		m.Events = workload.MemoryEvents{Low: bad, High: bad, Max: bad, OOM: bad, OOMKill: bad}
	}
}

func (g *Group) readPressure(u *workload.Usage, buf *[]byte) {
	u.Pressure.CPU = g.stall(fileCPUPressure, buf)
	u.Pressure.Memory = g.stall(fileMemoryPressure, buf)
	u.Pressure.IO = g.stall(fileIOPressure, buf)
}

func (g *Group) stall(id fileID, buf *[]byte) workload.Stall {
	b, err := g.read(id, buf)
	if err != nil {
		bad := g.missing(id, err)
		return workload.Stall{Waiting: bad, Stalled: bad}
	}
	s := parsePressure(b)
	g.count(id, s.Waiting, s.Stalled)
	return s
}

func (g *Group) readIO(u *workload.Usage, buf *[]byte) {
	b, err := g.read(fileIOStat, buf)
	if err != nil {
		bad := g.missing(fileIOStat, err)
		u.IO = workload.IO{ReadBytes: bad, WrittenBytes: bad, Reads: bad, Writes: bad}
		return
	}
	u.IO = parseIOStat(b, g.fs.skip)
	g.count(fileIOStat, u.IO.ReadBytes, u.IO.WrittenBytes, u.IO.Reads, u.IO.Writes)
}

func (g *Group) readTasks(u *workload.Usage, buf *[]byte) {
	u.Tasks = g.value(filePIDs, buf, parseSingle)
}

// value reads a file that holds one value.
func (g *Group) value(id fileID, buf *[]byte, parse func([]byte) workload.Value) workload.Value {
	b, err := g.read(id, buf)
	if err != nil {
		return g.missing(id, err)
	}
	v := parse(b)
	g.count(id, v)
	return v
}

// missing is the value of a file that gave nothing.
func (g *Group) missing(id fileID, err error) workload.Value {
	if errors.Is(err, ErrAbsent) || errors.Is(err, ErrGone) {
		return workload.Value{}
	}
	g.fs.unreadable[id].Add(1)
	return workload.Unreadable()
}

func (g *Group) count(id fileID, values ...workload.Value) {
	for _, v := range values {
		if v.State() == workload.StateUnreadable {
			g.fs.unreadable[id].Add(1)
			return
		}
	}
}
