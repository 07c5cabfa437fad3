//go:build e2e && latency

package e2e

import (
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

var lives = flag.Int("lives", 30, "how often each runtime starts and stops a workload")

// The aim, under emulation.
const (
	aimMedian = 50 * time.Millisecond
	aimP95    = 250 * time.Millisecond
)

// comparison is one phase of one runtime, by our numbers and by somebody else's.
type comparison struct{ runtime, phase, clocks string }

// latencies is how far off we were, in seconds and with a sign.
type latencies struct {
	order []comparison
	off   map[comparison][]float64
	// notes is what there is instead of a number, or beside it.
	notes map[comparison]string
}

func (l *latencies) row(c comparison) {
	if _, ok := l.off[c]; !ok {
		l.order = append(l.order, c)
		l.off[c] = nil
	}
}

// compare takes what we said and what they did, both in seconds.
func (l *latencies) compare(c comparison, ours, theirs float64) {
	l.row(c)
	l.off[c] = append(l.off[c], ours-theirs)
}

// elsewhere is compare for a moment that is near ours, and is not the same: it is
// held to no aim.
func (l *latencies) elsewhere(c comparison, why string, ours, theirs float64) {
	l.compare(c, ours, theirs)
	l.notes[c] = why
}

func (l *latencies) none(c comparison, why string) {
	l.row(c)
	l.notes[c] = "not observed: " + why
}

// Each life is measured by the exporter and by a stopwatch that is not ours. Each
// runtime is a test of its own: together they outlive a lab.

func TestLatencyDocker(t *testing.T)  { latency(t, engineSubject("docker")) }
func TestLatencyPodman(t *testing.T)  { latency(t, engineSubject("podman")) }
func TestLatencyLXC(t *testing.T)     { latency(t, lxcSubject()) }
func TestLatencyNspawn(t *testing.T)  { latency(t, nspawnSubject()) }
func TestLatencyLibvirt(t *testing.T) { latency(t, libvirtSubject()) }

// latency starts and stops a workload of a runtime again and again.
func latency(t *testing.T, s subject) {
	t.Helper()
	mayUseSockets(t, asRoot, "docker", "podman")
	inLab(t, "%s", traceOn)
	defer inLab(t, "%s", traceOff)
	l := &latencies{off: map[comparison][]float64{}, notes: map[comparison]string{}}
	ready := inLab(t, "%s", s.prepare)
	t.Logf("%s: %s", s.runtime, strings.TrimSpace(ready))
	for range *lives {
		s.live(t, l)
	}
	if s.cleanup != "" {
		inLab(t, "%s", s.cleanup)
	}
	t.Logf("the error is |ours - theirs|; the aim is a median of %v and a 95th percentile of %v\n%s", aimMedian, aimP95, l.table())
	l.hold(t)
}

func (l *latencies) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "runtime\tphase\tn\tmedian\tp95\taim\tclocks")
	for _, c := range l.order {
		note := l.notes[c]
		n := len(l.off[c])
		if n == 0 {
			fmt.Fprintf(w, "%s\t%s\t0\t-\t-\t-\t%s\n", c.runtime, c.phase, note)
			continue
		}
		median, p95 := errorsOf(l.off[c])
		verdict := "met"
		switch {
		case note != "":
			verdict = "none"
		case median > aimMedian || p95 > aimP95:
			verdict = "MISSED"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", c.runtime, c.phase, n, ms(median), ms(p95), verdict, strings.TrimSuffix(c.clocks+"; "+note, "; "))
	}
	_ = w.Flush()
	return b.String()
}

// hold fails where a life was not measured, or the aim is far away: a host that
// does ten other things may be ten times late.
func (l *latencies) hold(t *testing.T) {
	t.Helper()
	for _, c := range l.order {
		n := len(l.off[c])
		if n == 0 {
			continue
		}
		if n != *lives {
			t.Errorf("%s %s: %d of %d", c.runtime, c.phase, n, *lives)
		}
		median, p95 := errorsOf(l.off[c])
		if l.notes[c] == "" && (median > 10*aimMedian || p95 > 10*aimP95) {
			t.Errorf("%s %s (%s): median error %v, 95th percentile %v", c.runtime, c.phase, c.clocks, median, p95)
		}
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

// errorsOf is the median and the 95th percentile of the errors without their sign.
func errorsOf(off []float64) (median, p95 time.Duration) {
	list := make([]float64, 0, len(off))
	for _, o := range off {
		list = append(list, math.Abs(o))
	}
	slices.Sort(list)
	at := func(percent int) time.Duration {
		return time.Duration(list[min(len(list)-1, len(list)*percent/100)] * 1e9)
	}
	return at(50), at(95)
}
