package lifecycle

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// meter is the CPU time of groups, each by what it uses from the clock's zero on.
type meter struct {
	now    func() time.Duration
	traces map[string][]load

	mu    sync.Mutex
	reads map[string]int
}

func (m *meter) cpu(cgroup string, inode uint64) (uint64, bool) {
	key := fmt.Sprint(cgroup, " ", inode)
	m.mu.Lock()
	m.reads[key]++
	m.mu.Unlock()
	trace, ok := m.traces[key]
	return used(trace, m.now()), ok
}

func (m *meter) total() (sum int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.reads {
		sum += n
	}
	return sum
}

// metered is a stage of which the CPU time is seen.
func metered(t *testing.T, traces map[string][]load) (*stage, *meter) {
	m := &meter{traces: traces, reads: map[string]int{}}
	s := newStage(t, func(c *Config) {
		c.CPU = m.cpu
		m.now = c.Boottime
	})
	return s, m
}

// until lets time pass, with somebody who looks.
func (s *stage) until(when time.Duration) {
	for ; s.now <= when; s.now += often {
		s.sample()
	}
	s.now = when
}

// only leaves what is told of a phase, whoever it is of.
func (s *stage) only(phase string) {
	for _, r := range s.groups {
		s.flush(r)
	}
	var kept []string
	for _, line := range s.rec.lines {
		if strings.Contains(line, phase) {
			kept = append(kept, line)
		}
	}
	s.rec.lines = kept
}

func TestSettled(t *testing.T) {
	const a, vm = "/docker/a 1", "/libvirt/7 10"
	for name, tc := range map[string]struct {
		trace  []load
		script string
		want   string
	}{
		"a container": {
			[]load{{10 * sec, 1}, {20 * sec, 0}},
			"9s created docker a 1\n10s populated docker a 1\n100s scrape",
			"container docker start_to_settled cpu ok 13.5s",
		},
		"idle": {
			nil, "9s created docker a 1\n10s populated docker a 1\n100s scrape",
			"container docker start_to_settled cpu ok 0s",
		},
		"a machine starts with its CPUs": {
			[]load{{9 * sec, 1}, {20 * sec, 0}},
			"9s created libvirt 7 10\n9s populated libvirt 7 10\n12s started vm 7 booted\n100s scrape\n101s stopped vm 7 shutdown",
			"vm libvirt start_to_settled cpu ok 11.5s",
		},
		"never": {
			[]load{{0, 1}},
			"10s created docker a 1\n10s populated docker a 1\n700s scrape",
			"missed start_to_settled timeout",
		},
		"ends early": {
			[]load{{0, 1}},
			"10s created docker a 1\n10s populated docker a 1\n20s empty docker a 1\n20s removed docker a 1\n100s scrape",
			"missed start_to_settled stopped",
		},
		"restarted in between": {
			[]load{{10 * sec, 1}, {45 * sec, 0}},
			"10s created docker a 1\n10s populated docker a 1\n20s empty docker a 1\n40s populated docker a 1\n100s scrape",
			"missed start_to_settled stopped\ncontainer docker start_to_settled cpu ok 8.5s",
		},
		"a reset is another boot": {
			[]load{{10 * sec, 1}, {45 * sec, 0}},
			"9s created libvirt 7 10\n10s started vm 7 booted\n30s reboot vm 7\n30.1s reboot vm 7\n100s scrape",
			"missed start_to_settled rebooted\nvm libvirt start_to_settled cpu reset 18.6s",
		},
		"a reset long after": {
			[]load{{10 * sec, 1}, {20 * sec, 0}, {100 * sec, 1}, {120 * sec, 0}},
			"9s created libvirt 7 10\n10s started vm 7 booted\n100s reboot vm 7\n200s scrape",
			"vm libvirt start_to_settled cpu ok 13.5s\nvm libvirt start_to_settled cpu reset 23.5s",
		},
		"a machine ends early": {
			[]load{{0, 1}},
			"9s created libvirt 7 10\n10s started vm 7 booted\n20s stopped vm 7 destroyed\n21s removed libvirt 7 10",
			"missed start_to_settled stopped",
		},
		"its group goes first": {
			[]load{{0, 1}},
			"9s created libvirt 7 10\n10s started vm 7 booted\n20s removed libvirt 7 10\n60s stopped vm 7 destroyed",
			"missed start_to_settled stopped",
		},
		"a machine without a group": {
			nil, "10s started vm 7 booted\n100s scrape",
			"missed start_to_settled no_cgroup",
		},
		"a machine that nobody tells of": {
			nil, "9s created kata a 1\n10s populated kata a 1\n100s scrape",
			"missed start_to_settled no_source",
		},
		"no boot": {nil, "9s created libvirt 7 10\n10s started vm 7 migrated\n100s scrape", ""},
		"adopted": {nil, "9s created docker a 1 adopted\n9s populated docker a 1 adopted\n100s scrape", ""},
		"found out afterwards": {
			nil, "9s created docker a 1 late\n9s populated docker a 1 late\n100s scrape",
			"missed start_to_settled late",
		},
		"libvirt may not have told all": {
			nil, "9s created libvirt 7 10\n10s started vm 7 booted\n20s resynced\n100s scrape",
			"missed start_to_settled resync",
		},
		"not to be read": {
			nil, "9s created docker b 2\n10s populated docker b 2\n100s scrape",
			"missed start_to_settled unseen",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, m := metered(t, map[string][]load{a: tc.trace, vm: tc.trace})
			for line := range strings.Lines(tc.script) {
				when, err := time.ParseDuration(strings.Fields(line)[0])
				if err != nil {
					t.Fatal(err)
				}
				s.until(when)
				s.play(line)
			}
			s.only("start_to_settled")
			s.want(tc.want)
			if len(s.starting) != 0 {
				t.Errorf("%d still followed", len(s.starting))
			}
			if before := m.total(); s.sample() || m.total() != before {
				t.Error("somebody still looks")
			}
		})
	}
}

// TestSettledTimeout needs no scrape, and ends the looking.
func TestSettledTimeout(t *testing.T) {
	s, m := metered(t, map[string][]load{"/docker/a 1": {{0, 1}}})
	s.play("0s created docker a 1\n0s populated docker a 1")
	s.until(599 * sec)
	before := m.total()
	s.until(700 * sec)
	s.only("start_to_settled")
	s.want("missed start_to_settled timeout")
	if n := m.total() - before; n > 4 {
		t.Errorf("looked at %d times after 599 s", n)
	}
}

// TestSettledPromoted has a container turn out to be a machine of which nobody told the start.
func TestSettledPromoted(t *testing.T) {
	s, _ := metered(t, map[string][]load{"/docker/a 1": nil})
	s.play("1s created docker a 1\n2s populated docker a 1")
	s.until(60 * sec)
	s.Settle(registered(group("", 0, "docker", "a", "1", ""), promoted{}).Refresh())
	s.only("start_to_settled")
	s.want("missed start_to_settled no_source")
}

func TestSettledOf(t *testing.T) {
	s, _ := metered(t, map[string][]load{"/docker/a 1": {{2 * sec, 1}, {10 * sec, 0}}})
	list := registered(group("", 0, "docker", "a", "1", "")).Refresh()
	s.play("1s created docker a 1\n2s populated docker a 1")
	s.Settle(list)
	s.until(60 * sec)
	if got := s.Of(list[0]).StartToSettled; got != workload.Known(11_500_000_000) {
		t.Errorf("%+v", got)
	}
}

// TestSettledHasARate looks at a start twice a second, and once after a minute.
func TestSettledHasARate(t *testing.T) {
	s, m := metered(t, map[string][]load{"/docker/a 1": {{0, 1}}})
	s.play("0s created docker a 1\n0s populated docker a 1")
	s.until(59 * sec)
	if n := m.total(); n < 118 || n > 120 {
		t.Errorf("%d looks in a minute", n)
	}
	s.now = 60 * sec
	before := m.total()
	s.until(119 * sec)
	if n := m.total() - before; n < 59 || n > 61 {
		t.Errorf("%d looks in the minute after", n)
	}
}

// TestSettledBounded has more start at once than are followed, among many that run.
func TestSettledBounded(t *testing.T) {
	s, m := metered(t, map[string][]load{})
	for n := range 1000 {
		s.play(fmt.Sprintf("0s created docker old%d %d adopted\n0s populated docker old%[1]d %[2]d adopted", n, n))
	}
	if s.sample() || m.total() != 0 {
		t.Error("looked at what does not start")
	}
	for n := range maxStarting + 9 {
		m.traces[fmt.Sprintf("/docker/new%d %d", n, n)] = nil
		s.play(fmt.Sprintf("0s created docker new%d %d\n0s populated docker new%[1]d %[2]d", n, n))
	}
	s.sample()
	if n := m.total(); n != maxStarting {
		t.Errorf("%d looked at", n)
	}
	s.only("start_to_settled")
	s.want(strings.Repeat("missed start_to_settled too_many\n", 9))
	s.until(31 * sec)
	if len(s.starting) != 0 {
		t.Errorf("%d still followed", len(s.starting))
	}
}

// TestRun has the sampler sleep until something starts, and again after.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked atomic.Int64
		now := func() time.Duration {
			asked.Add(1)
			return time.Since(began)
		}
		m := &meter{now: now, traces: map[string][]load{"/docker/a 1": {{3600 * sec, 1}, {3610 * sec, 0}}}, reads: map[string]int{}}
		rec := &record{}
		tracker := New(Config{Recorder: rec, Boottime: now, CPU: m.cpu})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- tracker.Run(ctx) }()

		time.Sleep(time.Hour)
		tracker.Happened(group(workload.EventCreated, now(), "docker", "a", "1", ""))
		synctest.Wait()
		if m.total() != 0 {
			t.Errorf("looked %d times at nothing", m.total())
		}
		tracker.Happened(group(workload.EventPopulated, now(), "docker", "a", "1", ""))
		synctest.Wait()
		if m.total() != 1 {
			t.Errorf("looked %d times at once", m.total())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		seen := m.total()
		if last := rec.lines; seen < 85 || seen > 90 || len(tracker.starting) != 0 {
			t.Errorf("looked %d times: %q", seen, last)
		}
		before := asked.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		if m.total() != seen || asked.Load() != before {
			t.Errorf("looked %d times more, woke %d times", m.total()-seen, asked.Load()-before)
		}
		// Ends in the midst of a start: the bubble fails when anything is left.
		tracker.Happened(group(workload.EventEmpty, now(), "docker", "a", "1", ""))
		tracker.Happened(group(workload.EventPopulated, now(), "docker", "a", "1", ""))
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestEndWhileLookedAt has a run end, and the next start, while its CPU time is read.
func TestEndWhileLookedAt(t *testing.T) {
	var s *stage
	reads := 0
	s = newStage(t, func(c *Config) {
		c.CPU = func(string, uint64) (uint64, bool) {
			// Whoever tells of an event does not wait for a read.
			if reads++; reads == 1 {
				s.play("3s empty docker a 1\n3s populated docker a 1")
			}
			return 7, true
		}
	})
	s.play("1s created docker a 1\n1s populated docker a 1")
	s.sample()
	for _, next := range s.starting {
		if len(next.recent) != 0 {
			t.Errorf("took over %v", next.recent)
		}
	}
	s.until(60 * sec)
	s.only("start_to_settled")
	s.want("missed start_to_settled stopped\ncontainer docker start_to_settled cpu ok 0s")
}
