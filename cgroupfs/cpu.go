package cgroupfs

import (
	"math/bits"

	"github.com/workload-exporter/workload_exporter/workload"
)

// oneCore is a core in the unit of limits and capacities: billionths.
const oneCore = 1_000_000_000

// cpuStat is cpu.stat. The last three exist only with the cpu controller, and
// are the group's own: the kernel does not add up its children's.
type cpuStat struct {
	usage, user, system                  workload.Value
	periods, throttledPeriods, throttled workload.Value
}

// parseCPUStat reads cpu.stat; see "CPU Interface Files" in the kernel's
// cgroup-v2 documentation.
func parseCPUStat(b []byte) cpuStat {
	var s cpuStat
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, value := nextField(line)
		switch string(key) {
		case "usage_usec":
			s.usage = micro(parseNumber(value))
		case "user_usec":
			s.user = micro(parseNumber(value))
		case "system_usec":
			s.system = micro(parseNumber(value))
		case "nr_periods":
			s.periods = parseNumber(value)
		case "nr_throttled":
			s.throttledPeriods = parseNumber(value)
		case "throttled_usec":
			s.throttled = micro(parseNumber(value))
		}
	}
	return s
}

// CPU is the CPU time that the group with a path and an inode has used, in
// nanoseconds. Nothing is kept open, and no other file read: it is for groups
// that are looked at for a minute, whether or not anybody scrapes.
func (fs *FS) CPU(path string, inode uint64) (used uint64, ok bool) {
	g := Group{fs: fs, dir: newCName(fs.abs(path)), inode: inode, dirfd: -1}
	if g.openDir() != nil {
		return 0, false
	}
	defer g.closeDir()
	buf := fs.buffers.get()
	defer fs.buffers.put(buf)
	fs.reads.Add(1)
	b, err := readFile(g.dirfd, fs.names[fileCPUStat], buf, readAll)
	if err != nil {
		return 0, false
	}
	return parseCPUStat(b).usage.Get()
}

// parseCPUMax reads cpu.max, "QUOTA PERIOD" in microseconds, as billionths of a core.
func parseCPUMax(b []byte) workload.Value {
	line, _ := nextLine(b)
	quota, rest := nextField(line)
	period, _ := nextField(rest)
	p, ok := parseNumber(period).Get()
	if !ok || p == 0 {
		return workload.Unreadable()
	}
	if string(quota) == "max" {
		return workload.Unlimited()
	}
	q, ok := parseNumber(quota).Get()
	if !ok {
		return workload.Unreadable()
	}
	high, low := bits.Mul64(q, oneCore)
	if high >= p {
		return workload.Unreadable()
	}
	cores, _ := bits.Div64(high, low, p)
	return workload.Known(cores)
}

// parseCPUSet counts the CPUs of a list such as cpuset.cpus.effective: "0-3,8".
// An empty list says nothing, since the kernel never runs a task on no CPU.
func parseCPUSet(b []byte) workload.Value {
	line, _ := nextLine(b)
	if len(line) == 0 {
		return workload.Value{}
	}
	var count uint64
	for len(line) > 0 {
		var item []byte
		item, line = cut(line, ',')
		first, last := cut(item, '-')
		lo, ok := parseNumber(first).Get()
		if !ok {
			return workload.Unreadable()
		}
		hi := lo
		if len(first) != len(item) {
			if hi, ok = parseNumber(last).Get(); !ok || hi < lo || hi-lo > 1<<20 {
				return workload.Unreadable()
			}
		}
		count += hi - lo + 1
	}
	return workload.Known(count * oneCore)
}

func cut(b []byte, sep byte) (before, after []byte) {
	for i, c := range b {
		if c == sep {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}
