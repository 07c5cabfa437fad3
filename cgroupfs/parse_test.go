package cgroupfs

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

var (
	known      = workload.Known
	absent     = workload.Value{}
	unlimited  = workload.Unlimited()
	unreadable = workload.Unreadable()
)

// sameValue compares workload.Values by what they say.
var sameValue = cmp.Comparer(func(a, b workload.Value) bool { return a == b })

func TestParseSingle(t *testing.T) {
	for in, want := range map[string]workload.Value{
		"0\n":                    known(0),
		"67108864\n":             known(67108864),
		"18446744073709551615\n": known(1<<64 - 1),
		"7":                      known(7),
		"max\n":                  unlimited,
		"":                       unreadable,
		"\n":                     unreadable,
		"-1\n":                   unreadable,
		"18446744073709551616\n": unreadable,
		"99999999999999999999\n": unreadable,
		"1e3\n":                  unreadable,
		"12\n13\n":               unreadable,
		"\x00\x01\xff":           unreadable,
		"maximum\n":              unreadable,
	} {
		if got := parseSingle([]byte(in)); got != want {
			t.Errorf("parseSingle(%q) = %v, want %v", in, got, want)
		}
	}
}

// drill cgroup: a file lacks a key, or has new ones
// shows: what is there is shown
func TestParseCPUStat(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want cpuStat
	}{
		"without the cpu controller": {
			"usage_usec 12\nuser_usec 8\nsystem_usec 4\ncore_sched.force_idle_usec 0\n",
			cpuStat{usage: known(12000), user: known(8000), system: known(4000)},
		},
		"with a quota": {
			"usage_usec 5\nuser_usec 5\nsystem_usec 0\nnice_usec 1\nnr_periods 7\nnr_throttled 3\nthrottled_usec 2000\nnr_bursts 0\nburst_usec 0\n",
			cpuStat{known(5000), known(5000), known(0), known(7), known(3), known(2000000)},
		},
		"a key is missing, one is new":     {"user_usec 5\nnew_thing 9\n", cpuStat{user: known(5000)}},
		"one value is bad, the rest serve": {"usage_usec -5\nuser_usec 5\n", cpuStat{usage: unreadable, user: known(5000)}},
		"too large for nanoseconds":        {"usage_usec 18446744073709551615\n", cpuStat{usage: unreadable}},
		"empty":                            {"", cpuStat{}},
	} {
		if diff := cmp.Diff(tc.want, parseCPUStat([]byte(tc.in)), sameValue, cmp.AllowUnexported(cpuStat{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestParseCPUMax(t *testing.T) {
	for in, want := range map[string]workload.Value{
		"max 100000\n":                unlimited,
		"50000 100000\n":              known(oneCore / 2),
		"150000 100000\n":             known(3 * oneCore / 2),
		"1000 1000000\n":              known(oneCore / 1000),
		"18446744073709551615 1000\n": unreadable,
		"18446744073709 1\n":          unreadable,
		"50000\n":                     unreadable,
		"50000 0\n":                   unreadable,
		"max\n":                       unreadable,
		"":                            unreadable,
		"-1 100000\n":                 unreadable,
	} {
		if got := parseCPUMax([]byte(in)); got != want {
			t.Errorf("parseCPUMax(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestParseCPUSet(t *testing.T) {
	for in, want := range map[string]workload.Value{
		"0\n":             known(1 * oneCore),
		"0-3\n":           known(4 * oneCore),
		"0-3,8,10-11\n":   known(7 * oneCore),
		"1,3\n":           known(2 * oneCore),
		"\n":              absent,
		"":                absent,
		"3-1\n":           unreadable,
		"0-\n":            unreadable,
		"0-99999999999\n": unreadable,
		"a\n":             unreadable,
		"0,,1\n":          unreadable,
	} {
		if got := parseCPUSet([]byte(in)); got != want {
			t.Errorf("parseCPUSet(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestParseMemoryStat(t *testing.T) {
	for name, tc := range map[string]struct {
		in            string
		unreclaimable workload.Value
		inactiveFile  workload.Value
	}{
		"6.12":                      {"anon 100\nfile 50\nkernel 9\nkernel_stack 1\npagetables 2\nsec_pagetables 4\npercpu 8\nsock 16\nshmem 32\ninactive_file 7\nslab_unreclaimable 64\n", known(227), known(7)},
		"5.10, without page tables": {"anon 100\nfile 50\nkernel_stack 1\npercpu 8\nsock 16\nshmem 32\ninactive_file 7\nslab_unreclaimable 64\n", known(221), known(7)},
		"one bad key spoils the sum, not the rest": {"anon 100\nshmem x\ninactive_file 7\n", unreadable, known(7)},
		"nothing": {"", absent, absent},
	} {
		s := parseMemoryStat([]byte(tc.in))
		if got := s.unreclaimable(); got != tc.unreclaimable {
			t.Errorf("%s: unreclaimable %v, want %v", name, got, tc.unreclaimable)
		}
		if s.inactiveFile != tc.inactiveFile {
			t.Errorf("%s: inactive_file %v, want %v", name, s.inactiveFile, tc.inactiveFile)
		}
	}
}

func TestParseMemoryEvents(t *testing.T) {
	got := parseMemoryEvents([]byte("low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\nsock_throttled 7\n"))
	want := workload.MemoryEvents{Low: known(1), High: known(2), Max: known(3), OOM: known(4), OOMKill: known(5)}
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParsePressure(t *testing.T) {
	for in, want := range map[string]workload.Stall{
		"some avg10=0.00 avg60=0.02 avg300=0.15 total=1327890\nfull avg10=0.00 avg60=0.01 avg300=0.12 total=7\n": {Waiting: known(1327890000), Stalled: known(7000)},
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n":                                                       {Waiting: known(1000)},
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n":                                                       {Stalled: known(1000)},
		"some avg10=0.00\n":              {Waiting: unreadable},
		"some total=-1\nother total=4\n": {Waiting: unreadable},
		"":                               {},
	} {
		if got := parsePressure([]byte(in)); got != want {
			t.Errorf("parsePressure(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestParseIOStat(t *testing.T) {
	stacked := func(device []byte) bool { return string(device) == "253:0" }
	io := func(a, b, c, d workload.Value) workload.IO {
		return workload.IO{ReadBytes: a, WrittenBytes: b, Reads: c, Writes: d}
	}
	for name, tc := range map[string]struct {
		in   string
		want workload.IO
	}{
		"no IO yet":                   {"", io(known(0), known(0), known(0), known(0))},
		"one device":                  {"254:0 rbytes=4096 wbytes=1 rios=2 wios=3 dbytes=9 dios=9\n", io(known(4096), known(1), known(2), known(3))},
		"two devices":                 {"8:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=20 rios=30 wios=40 cost.usage=5\n", io(known(11), known(22), known(33), known(44))},
		"a stacked one counts once":   {"253:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=10 wbytes=20 rios=30 wios=40\n", io(known(10), known(20), known(30), known(40))},
		"no line break, and a device": {"253:0 8:16 rbytes=10 wbytes=20 rios=30 wios=40\n", io(known(10), known(20), known(30), known(40))},
		"a device without numbers":    {"8:0\n8:16 rbytes=10 wbytes=20 rios=30 wios=40\n", io(known(10), known(20), known(30), known(40))},
		"one bad number":              {"8:0 rbytes=x wbytes=2 rios=3 wios=4\n", io(unreadable, known(2), known(3), known(4))},
		"not an io.stat":              {"garbage here\n", io(unreadable, unreadable, unreadable, unreadable)},
	} {
		if got := parseIOStat([]byte(tc.in), stacked); got != tc.want {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestParseGroupEvents(t *testing.T) {
	for in, want := range map[string]groupEvents{
		"populated 1\nfrozen 0\n": {populated: true},
		"populated 0\nfrozen 0\n": {},
		"populated 1\nfrozen 1\n": {populated: true, frozen: true},
		"frozen 0\n":              {populated: true},
		"":                        {populated: true},
	} {
		if got := parseGroupEvents([]byte(in)); got != want {
			t.Errorf("parseGroupEvents(%q) = %+v, want %+v", in, got, want)
		}
	}
}

func TestParseProcs(t *testing.T) {
	if got, want := parseProcs([]byte("1\n0\nx\n-4\n31\n99999999999\n7"), nil), []int{1, 31, 7}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestPageSize(t *testing.T) {
	for kib, want := range map[uint64]string{64: "64KB", 2048: "2MB", 1 << 20: "1GB"} {
		if got := pageSize(kib); got != want {
			t.Errorf("pageSize(%d) = %s, want %s", kib, got, want)
		}
	}
}

// FuzzParse feeds every parser of a cgroup file. None may panic, and none may
// turn what is no number into one.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "max\n", "0\n", "-1\n", "max 100000\n", "50000 100000\n", "0-3,8\n", "usage_usec 1\n", "anon 1\nshmem 2\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n", "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n", "populated 1\n",
		"18446744073709551615\n", "\x00\n\n\n", "oom_kill 99999999999999999999\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) workload.Value{parseSingle, parseCPUMax, parseCPUSet} {
			v := parse(b)
			if _, ok := v.Get(); ok && !hasDigit(b) {
				t.Errorf("%q gave the number %v", b, v)
			}
		}
		parseCPUStat(b)
		s := parseMemoryStat(b)
		s.unreclaimable()
		parseMemoryEvents(b)
		parsePressure(b)
		parseIOStat(b, func([]byte) bool { return false })
		parseGroupEvents(b)
		parseProcs(b, nil)
		parseNotices(b, func(notice) {})
	})
}

func hasDigit(b []byte) bool {
	for _, c := range b {
		if c >= '0' && c <= '9' {
			return true
		}
	}
	return false
}
