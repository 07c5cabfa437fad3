package lifecycle

import (
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	sourceVsock = "vsock"
	// What a guest stops for.
	forPoweroff = "poweroff"
	forReboot   = "reboot"
	forKexec    = "kexec"
)

// guestStops is the beginning of the end, as the guest itself tells it.
func (t *Tracker) guestStops(r *run, e workload.Event) {
	t.event(r, "guest_stops")
	r.seen.Ready = workload.Value{}
	switch e.Detail {
	case forPoweroff:
		r.poweroff = at(e.When)
		if !r.open[stop].ok {
			t.begin(r, stop, e.When)
		}
	case forReboot, forKexec:
		t.leaves(r)
		r.boot = boot{leaving: at(e.When)}
		t.begin(r, reboot, e.When)
	}
}

// leaves gives up what a reset ends.
func (t *Tracker) leaves(r *run) {
	for _, p := range []phase{startToGuestUp, startToReady, reboot} {
		t.giveUp(r, p, rebooted)
	}
	r.seen.Ready = workload.Value{}
}

// resets is the reset of a machine, which begins another boot. The guest may
// have told before that it is about to.
func (t *Tracker) resets(r *run, when time.Duration) {
	if r.boot.leaving.ok && !r.boot.down.ok && r.open[reboot].ok {
		r.boot.down = at(when)
		return
	}
	t.leaves(r)
	r.boot = boot{down: at(when)}
	t.begin(r, reboot, when)
}

// back is the guest after a reset: for its agent since the reset, for itself
// since it began to stop, if it told that.
func (t *Tracker) back(r *run, e workload.Event) {
	since := r.boot.down
	if e.Source == sourceVsock && r.boot.leaving.ok {
		since = r.boot.leaving
	}
	if !since.ok || r.boot.spent[reboot] || !r.boot.first(reboot, e.Source) {
		return
	}
	t.cancel(r, reboot)
	t.took(r, reboot, e.Source, reset, e.When-since.at)
}
