package libvirt

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// guestState is where a domain stands with the poller.
type guestState int

const (
	// guestReady: it may be called when it is due.
	guestReady guestState = iota
	// guestCalled: a call is in flight, within its time.
	guestCalled
	// guestHung: a call is in flight, past its time. There is no second one.
	guestHung
	// guestSuspect: that call ended, one way or the other; before the next the
	// daemon has to say that the domain's monitor is in order.
	guestSuspect
)

// guest is one run of a domain as the poller sees it.
type guest struct {
	handle libvirt.Domain
	state  guestState
	// due is when to call it next, or to ask about it when it is suspect.
	due   time.Time
	stats workload.MachineStats
	// described is set once the definition of this run was read, and openStack
	// is what Nova has noted in it.
	described bool
	openStack *workload.OpenStack
}

// guests is who is to be polled, who is in quarantine, and what was heard. It
// outlives connections: a stuck QEMU is no better after a reconnect.
type guests struct {
	interval time.Duration
	logger   *slog.Logger
	// news is nudged when numbers have arrived.
	news chan struct{}

	mu     sync.Mutex
	primed bool
	known  map[run]*guest
	// wish is nil when nobody waits for disks.
	wish *wish
}

func newGuests(interval time.Duration, logger *slog.Logger) *guests {
	return &guests{interval: interval, logger: logger, news: make(chan struct{}, 1), known: map[run]*guest{}}
}

// list brings the set up to what runs. A machine that has just started is left
// alone for a while: its QEMU is busy, and would look stuck.
func (g *guests) list(domains []domain, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	due := now.Add(g.interval / 2)
	if !g.primed {
		g.primed, due = true, now
	}
	known := make(map[run]*guest, len(domains))
	for i := range domains {
		d := &domains[i]
		if old := g.known[d.run]; old != nil {
			known[d.run] = old
		} else {
			known[d.run] = &guest{handle: d.handle, due: due}
		}
	}
	g.known = known
}

// plan lists who is due, the longest overdue first, and which suspect to ask
// about, if any; next is when to plan again.
func (g *guests) plan(now time.Time) (due []run, suspect run, next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next = now.Add(g.interval)
	var longest time.Time
	for r, v := range g.known {
		switch {
		case v.state != guestReady && v.state != guestSuspect:
		case v.due.After(now):
			if v.due.Before(next) {
				next = v.due
			}
		case v.state == guestReady:
			due = append(due, r)
		case suspect == run{} || v.due.Before(longest):
			suspect, longest = r, v.due
		}
	}
	slices.SortFunc(due, func(a, b run) int {
		return cmp.Or(g.known[a].due.Compare(g.known[b].due), cmp.Compare(a.uuid, b.uuid))
	})
	return due, suspect, next
}

// begin says whom to call; false: it ended, or is being called.
func (g *guests) begin(r run, now time.Time) (libvirt.Domain, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.known[r]
	if v == nil || v.state != guestReady {
		return libvirt.Domain{}, false
	}
	v.state, v.due = guestCalled, now.Add(g.interval)
	return v.handle, true
}

// expire puts a domain whose time is up into quarantine.
func (g *guests) expire(r run) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.known[r]; v != nil && v.state == guestCalled {
		v.state = guestHung
		g.logger.Warn("libvirt domain quarantined", slog.String("uuid", r.uuid), slog.String("domain", workload.Clean(v.handle.Name)))
	}
}

// answer takes what a call brought; nothing, if it failed. It says whether the
// call was past its time, so that the domain is now a suspect.
func (g *guests) answer(r run, stats *workload.MachineStats, now time.Time) (late bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.known[r]
	if v == nil {
		return false
	}
	switch v.state {
	case guestHung:
		v.state, v.due = guestSuspect, now
		late = true
	case guestCalled:
		v.state = guestReady
	}
	if stats != nil {
		v.stats = *stats
		nudge(g.news)
	}
	return late
}

// question says which domain a suspect is.
func (g *guests) question(r run, now time.Time) (libvirt.Domain, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.known[r]
	if v == nil || v.state != guestSuspect {
		return libvirt.Domain{}, false
	}
	v.due = now.Add(g.interval)
	return v.handle, true
}

// clear lets a suspect out of quarantine.
func (g *guests) clear(r run, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.known[r]; v != nil && v.state == guestSuspect {
		v.state, v.due = guestReady, now
		g.logger.Info("libvirt domain answers again", slog.String("uuid", r.uuid), slog.String("domain", workload.Clean(v.handle.Name)))
	}
}

// heard is what was last heard of a run, and what Nova has noted of it.
func (g *guests) heard(r run) (workload.MachineStats, *workload.OpenStack) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.known[r]; v != nil {
		return v.stats, v.openStack
	}
	return workload.MachineStats{}, nil
}

// unknown says whether the definition of a run is yet to be read.
func (g *guests) unknown(r run) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	v := g.known[r]
	return v != nil && !v.described
}

// describe notes what was in it.
func (g *guests) describe(r run, o *workload.OpenStack) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if v := g.known[r]; v != nil {
		v.described, v.openStack = true, o
	}
}

// stuck says whether at least n calls are past their time.
func (g *guests) stuck(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.known {
		if v.state == guestHung {
			n--
		}
	}
	return n <= 0
}

// count says how many domains there are, and how many are in quarantine.
func (g *guests) count() (all, quarantined int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, v := range g.known {
		if v.state == guestHung || v.state == guestSuspect {
			quarantined++
		}
	}
	return len(g.known), quarantined
}
