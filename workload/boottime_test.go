package workload

import (
	"testing"
	"time"
)

// TestLead has a process that does not run between the first looks at two clocks.
func TestLead(t *testing.T) {
	for name, tt := range map[string]struct {
		// pauses are before each look at the wall.
		pauses    []time.Duration
		lead, off time.Duration
	}{
		"at once":     {nil, time.Hour, 0},
		"then it did": {[]time.Duration{time.Second, 300 * time.Millisecond}, time.Hour, 0},
		"never": {
			[]time.Duration{4 * time.Second, 3 * time.Second, 2 * time.Second, 6 * time.Second, 5 * time.Second},
			time.Hour + time.Second, 2 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			now, looks := time.Minute, 0
			boot := func() time.Duration { return now }
			wall := func() time.Time {
				if looks < len(tt.pauses) {
					now += tt.pauses[looks]
				}
				looks++
				return time.Unix(0, 0).Add(now + time.Hour)
			}
			if lead, off := Lead(boot, wall); lead != tt.lead || off != tt.off {
				t.Errorf("%v, off by %v; want %v, off by %v", lead, off, tt.lead, tt.off)
			}
		})
	}
}
