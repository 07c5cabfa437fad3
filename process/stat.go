package process

import (
	"bytes"
	"time"
)

// tick is the length of a clock tick in nanoseconds: USER_HZ is 100 on every
// architecture that runs machines.
const tick = 10_000_000

// stat is what /proc/PID/stat says of a whole process, all threads added up.
type stat struct {
	state        byte
	ppid         int
	utime, stime uint64
	threads      uint64
	// starttime is in ticks since boot; with the PID it names a process for good.
	starttime uint64
	rssPages  uint64
}

// ended is true of a process that only its exit status is left of.
func (s *stat) ended() bool { return s.state == 'Z' || s.state == 'X' }

// parseStat reads the line of /proc/PID/stat. The name in it is the process's
// own choice and may hold blanks and brackets: what counts comes after the last.
func parseStat(b []byte) (stat, bool) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return stat{}, false
	}
	var s stat
	ok := true
	number := func(f []byte) uint64 {
		n, good := parseUint(f)
		ok = ok && good
		return n
	}
	field := 3
	for rest := b[end+1:]; field <= 24; field++ {
		var f []byte
		if f, rest = nextField(rest); len(f) == 0 {
			return stat{}, false
		}
		switch field {
		case 3:
			s.state = f[0]
			ok = ok && len(f) == 1 && 'A' <= f[0] && f[0] <= 'z'
		case 4:
			s.ppid = int(number(f))
		case 14:
			s.utime = number(f)
		case 15:
			s.stime = number(f)
		case 20:
			s.threads = number(f)
		case 22:
			s.starttime = number(f)
		case 24:
			s.rssPages = number(f)
		}
	}
	return s, ok
}

func nextField(b []byte) (field, rest []byte) {
	b = bytes.TrimLeft(b, " \t\n")
	if i := bytes.IndexAny(b, " \t\n"); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

// parseUint is strconv.ParseUint without the string.
func parseUint(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// age is how long ago the process started.
func (s *stat) age(uptime time.Duration) time.Duration {
	return uptime - time.Duration(s.starttime)*tick
}
