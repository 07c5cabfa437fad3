//go:build e2e && (latency || experiment)

package e2e

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// stamps is what a script in the lab printed: a name and a time, one on a line.
// Times are on the clock on the wall, or on the kernel's since its boot.
type stamps map[string]float64

// printed reads "name=time" lines. The time is in seconds, or as one of the
// runtimes writes it.
func printed(t *testing.T, out string) stamps {
	t.Helper()
	s := stamps{}
	for line := range strings.Lines(out) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.ContainsAny(name, " {:") {
			continue
		}
		v, ok := seconds(value)
		if !ok {
			t.Fatalf("%s is no time", line)
		}
		if _, again := s[name]; !again {
			s[name] = v
		}
	}
	return s
}

// seconds reads a time: a number of seconds, or of nanoseconds since the epoch;
// RFC 3339; systemd's, with --timestamp=us+utc; libvirt's.
func seconds(v string) (float64, bool) {
	if n, err := strconv.ParseFloat(v, 64); err == nil {
		if n > 1e15 {
			n /= 1e9
		}
		return n, true
	}
	for _, layout := range []string{time.RFC3339Nano, "Mon 2006-01-02 15:04:05.999999 MST", "2006-01-02 15:04:05.999-0700"} {
		if at, err := time.Parse(layout, v); err == nil {
			return float64(at.UnixNano()) / 1e9, true
		}
	}
	return 0, false
}

// span is the time from one stamp to another; both have to be there.
func (s stamps) span(t *testing.T, from, to string) float64 {
	t.Helper()
	a, ok := s[from]
	b, also := s[to]
	if !ok || !also {
		t.Fatalf("%s or %s is not among %v", from, to, s)
	}
	return b - a
}

// The kernel stamps groups by itself, on CLOCK_BOOTTIME and to the microsecond.
const (
	traceOn = `cd /sys/kernel/tracing && echo boot >trace_clock && echo >trace &&
		for e in cgroup_mkdir cgroup_notify_populated cgroup_rmdir; do echo 1 >events/cgroup/$e/enable; done`
	traceOff = `cd /sys/kernel/tracing && for e in cgroup_mkdir cgroup_notify_populated cgroup_rmdir; do echo 0 >events/cgroup/$e/enable; done; echo local >trace_clock`
	// Of the clock on the wall it knows what it is told.
	traceRead = `cd /sys/kernel/tracing && echo wall $(date +%s.%N) >trace_marker; cat trace; echo >trace`
)

// traced reads the kernel's stamps of one group: the first of being made and of
// having a process, the last of having none and of being removed.
func traced(t *testing.T, out, cgroup string) stamps {
	t.Helper()
	s := stamps{}
	for line := range strings.Lines(out) {
		if head, wall, ok := strings.Cut(line, ": tracing_mark_write: wall "); ok {
			wall, _ := seconds(strings.TrimSpace(wall))
			boot, _ := seconds(lastField(head))
			s["lead"] = wall - boot
			continue
		}
		head, args, ok := strings.Cut(line, ": cgroup_")
		fields := strings.Fields(args)
		if !ok || len(fields) == 0 || !strings.Contains(line, " path="+cgroup+" ") && !strings.HasSuffix(strings.TrimSpace(line), " path="+cgroup) {
			continue
		}
		at, err := strconv.ParseFloat(lastField(head), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		name := strings.TrimSuffix(fields[0], ":")
		switch {
		case name == "notify_populated" && strings.HasSuffix(strings.TrimSpace(line), "val=1"):
			name = "populated"
		case name == "notify_populated":
			name = "empty"
		}
		if _, again := s[name]; !again || name == "empty" || name == "rmdir" {
			s[name] = at
		}
	}
	return s
}

func lastField(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// wall is one of the kernel's stamps on the clock on the wall.
func (s stamps) wall(t *testing.T, name string) float64 {
	t.Helper()
	at, ok := s[name]
	lead, also := s["lead"]
	if !ok || !also {
		t.Fatalf("%s or lead is not among %v", name, s)
	}
	return at + lead
}
