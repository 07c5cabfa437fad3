package lifecycle

import (
	"testing"
	"time"
)

// load is what a workload uses from a moment on, in cores.
type load struct {
	from  time.Duration
	cores float64
}

// used is the CPU time that a trace of loads has used by a moment after its start.
func used(trace []load, now time.Duration) uint64 {
	sum := 0.0
	for i, l := range trace {
		to := now
		if i+1 < len(trace) {
			to = min(now, trace[i+1].from)
		}
		if to > l.from {
			sum += l.cores * float64(to-l.from)
		}
	}
	return uint64(sum)
}

const sec = time.Second

// traces have a known answer: when the work of starting ends.
func traces() map[string]struct {
	trace []load
	ends  time.Duration
} {
	return map[string]struct {
		trace []load
		ends  time.Duration
	}{
		"quick start":                      {[]load{{0, 1}, {2 * sec, 0.01}}, 2 * sec},
		"slow boot":                        {[]load{{0, 0.8}, {20 * sec, 0.3}, {60 * sec, 1.5}, {65 * sec, 0.02}}, 65 * sec},
		"slow boot that waits in between":  {[]load{{0, 1}, {9 * sec, 0}, {35 * sec, 0.9}, {90 * sec, 0.02}}, 90 * sec},
		"second burst after first quiet":   {[]load{{0, 1}, {5 * sec, 0}, {30 * sec, 1}, {33 * sec, 0}}, 33 * sec},
		"a burst long after is no start":   {[]load{{0, 1}, {5 * sec, 0}, {60 * sec, 1}}, 5 * sec},
		"a burst below a quarter is quiet": {[]load{{0, 2}, {5 * sec, 0}, {20 * sec, 0.4}, {30 * sec, 0}}, 5 * sec},
		"works at less than a quarter":     {[]load{{0, 2}, {10 * sec, 0.4}}, 10 * sec},
		"the peak comes last":              {[]load{{0, 0.2}, {20 * sec, 3}, {28 * sec, 0.5}}, 28 * sec},
		"many cores":                       {[]load{{0, 64}, {3 * sec, 2}}, 3 * sec},
		"idle from the first moment":       {[]load{{0, 0.01}}, 0},
		"nothing at all":                   {nil, 0},
		"a blip is idle":                   {[]load{{0, 1}, {200 * time.Millisecond, 0}}, 0},
		"busy":                             {[]load{{0, 1}}, -1},
		"a little, for ever":               {[]load{{0, 0.06}}, -1},
		"a burst every 20 s":               {append(every(20*sec), load{610 * sec, 0}), -1},
	}
}

func every(period time.Duration) (trace []load) {
	for from := time.Duration(0); from < 600*sec; from += period {
		trace = append(trace, load{from, 1}, load{from + 2*sec, 0})
	}
	return trace
}

func TestSettling(t *testing.T) {
	for name, tc := range traces() {
		t.Run(name, func(t *testing.T) {
			const boot = 1000 * sec
			s := newSettling(boot)
			for at := time.Duration(0); at <= 600*sec; at += often {
				v := s.feed(sample{boot + at, 5 + used(tc.trace, at)})
				if len(s.recent) > 12 {
					t.Fatalf("%d samples kept", len(s.recent))
				}
				if v == undecided {
					continue
				}
				took := s.busy - boot
				if v != calm || tc.ends < 0 {
					t.Fatalf("verdict %d after %v: settled in %v", v, at, took)
				}
				// The window that the work ends in is the last to show it.
				if took < tc.ends || took > tc.ends+window || tc.ends == 0 && took != 0 {
					t.Errorf("settled in %v, the work ended after %v", took, tc.ends)
				}
				if at-took != quiet {
					t.Errorf("settled in %v, said after %v", took, at)
				}
				return
			}
			if tc.ends >= 0 {
				t.Error("never settled")
			}
		})
	}
}

// TestSettlingUneven looks at other times, which may not change the answer much.
func TestSettlingUneven(t *testing.T) {
	trace := []load{{0, 1}, {20 * sec, 0.01}}
	for name, step := range map[string]func(n int) time.Duration{
		"each second":   func(int) time.Duration { return time.Second },
		"not on a tick": func(n int) time.Duration { return 500*time.Millisecond + time.Duration(n%7)*30*time.Millisecond },
		"hardly ever":   func(int) time.Duration { return gap },
	} {
		s, at := newSettling(0), time.Duration(0)
		v := s.feed(sample{0, 0})
		for n := 0; v == undecided && at < 600*sec; n++ {
			at += step(n)
			v = s.feed(sample{at, used(trace, at)})
		}
		if v != calm || s.busy < 20*sec || s.busy > 30*sec {
			t.Errorf("%s: verdict %d, settled in %v", name, v, s.busy)
		}
	}
}

func TestSettlingBlind(t *testing.T) {
	for name, samples := range map[string][]sample{
		"first look late":  {{prompt + 1, 0}},
		"the host slept":   {{0, 0}, {gap + 1, 0}},
		"time is not time": {{0, 7}, {sec, 6}},
	} {
		s, v := newSettling(0), undecided
		for _, one := range samples {
			v = s.feed(one)
		}
		if v != blind {
			t.Errorf("%s: verdict %d", name, v)
		}
	}
}
