package libvirt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

var (
	errEnded    = errors.New("the domain has ended")
	errUnlisted = errors.New("libvirt does not list them all")
)

// wish is machines whose disks somebody waits for.
type wish struct {
	found map[string][]workload.Disk
	// open is those that have not answered.
	open map[run]bool
	// unknown is how many are not in the list.
	unknown int
	// done is closed when none is open.
	done chan struct{}
}

// Disks asks for the disks of these machines, by UUID, and waits; it is not to be
// called twice at a time. It is the poller that asks, with the same care as for
// other numbers: who is in quarantine, or does not answer in time, is not in the
// answer. Then there is an error too.
func (s *Source) Disks(ctx context.Context, uuids []string) (map[string][]workload.Disk, error) {
	w := s.guests.want(uuids)
	nudge(s.wake)
	timer := time.NewTimer(2*s.cfg.GuestInterval + s.cfg.MonitorTimeout)
	defer timer.Stop()
	var err error
	select {
	case <-w.done:
	case <-timer.C:
		err = errDeadline
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err == nil && w.unknown > 0 {
		err = errUnlisted
	}
	if err != nil {
		err = fmt.Errorf("disks of %d machines: %w", len(uuids), err)
	}
	return s.guests.granted(), err
}

// want has these asked for their disks, and those that can be soon.
func (g *guests) want(uuids []string) *wish {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	wanted := make(map[string]bool, len(uuids))
	for _, u := range uuids {
		wanted[u] = true
	}
	w := &wish{found: map[string][]workload.Disk{}, open: map[run]bool{}, done: make(chan struct{})}
	for r, v := range g.known {
		if wanted[r.uuid] {
			delete(wanted, r.uuid)
			w.open[r] = true
			if v.state == guestReady {
				v.due = now
			}
		}
	}
	w.unknown = len(wanted)
	if len(w.open) == 0 {
		close(w.done)
	}
	g.wish = w
	return w
}

// granted ends the wish.
func (g *guests) granted() map[string][]workload.Disk {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := g.wish.found
	g.wish = nil
	return found
}

// wanted says whether a machine's disks are waited for.
func (g *guests) wanted(r run) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wish != nil && g.wish.open[r]
}

// grant takes a machine's disks.
func (g *guests) grant(r run, disks []workload.Disk) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wish == nil || !g.wish.open[r] {
		return
	}
	g.wish.found[r.uuid] = disks
	delete(g.wish.open, r)
	if len(g.wish.open) == 0 {
		close(g.wish.done)
	}
}
