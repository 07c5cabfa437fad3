package lifecycle

import (
	"cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// inMachine is what libvirt tells of a domain, which goes by its UUID: the
// number may be gone when it ends.
func (t *Tracker) inMachine(e workload.Event) {
	r := t.machine(e)
	if r == nil {
		return
	}
	switch e.Kind {
	case workload.EventStarted:
		t.booted(r, e)
	case workload.EventAgent:
		if e.Witness == workload.Adopted {
			t.wasUp(r, e.Source)
			return
		}
		t.event(r, "agent_connected")
		if r.boot.first(startToGuestUp, e.Source) {
			t.follows(r, startToGuestUp, e)
		}
		t.back(r, e)
	case workload.EventReboot:
		if r.reset.ok && e.When-r.reset.at < rebootGap && r.open[reboot].ok {
			return
		}
		r.reset = at(e.When)
		t.event(r, "rebooted")
		t.resets(r, e.When)
		// A reset is another boot.
		t.giveUp(r, startToSettled, rebooted)
		t.settles(r, reset, at(e.When))
	case workload.EventShutdown:
		t.event(r, "shutdown")
		r.byHost = e.Detail == "host"
		r.shutdown = at(e.When)
		if !r.open[stop].ok {
			t.begin(r, stop, e.When)
		}
	case workload.EventStopped:
		t.ends(r, e)
	}
}

// machine finds the run that libvirt tells of: the one that it told of before,
// or the one whose cgroup has its number. Nil: there are too many.
func (t *Tracker) machine(e workload.Event) *run {
	r := t.machines[e.Identity.ID]
	if r != nil && e.Kind == workload.EventStarted && r.number != e.Domain.ID {
		// Another run: the end of this one was never told.
		t.lost(r, unheard)
		r = nil
	}
	if r == nil {
		r = t.numbered[e.Domain.ID]
		if r == nil || e.Domain.ID <= 0 || r.uuid != "" {
			if !t.room() {
				return nil
			}
			r = &run{managed: true, number: e.Domain.ID}
			if e.Domain.ID > 0 {
				t.numbered[e.Domain.ID] = r
			}
		}
		t.name(r, e.Identity.ID)
	}
	r.running = true
	t.settle(r, e.Identity)
	return r
}

func (t *Tracker) name(r *run, uuid string) {
	t.touch()
	r.uuid, r.running = uuid, true
	t.machines[uuid] = r
}

// booted is a start. One that brings a guest that ran before is no boot.
func (t *Tracker) booted(r *run, e workload.Event) {
	if e.Detail != "booted" {
		t.cancel(r, createToStarted)
		t.event(r, "started_"+cmp.Or(e.Detail, unknown))
		return
	}
	t.event(r, "started")
	r.seen.Started = t.wall(e.When)
	if r.cgroup == "" {
		t.missed(createToStarted, noCgroup)
	}
	t.finish(r, createToStarted, e.Source, done, e.When)
	r.boots(at(e.When))
	t.begin(r, startToGuestUp, e.When)
	t.settles(r, done, at(e.When))
	t.again(r, whoOf(e), e.Source, at(e.When), e.When)
}

// ends is an end, for whatever reason.
func (t *Tracker) ends(r *run, e workload.Event) {
	t.event(r, "stopped")
	reason := map[string]string{
		"shutdown": "clean", "destroyed": "killed", "crashed": "crashed", "failed": "crashed", "migrated": "migrated", "saved": "saved",
	}[e.Detail]
	switch {
	case reason == "":
		t.cfg.Recorder.Missed(exit, unknown)
	case reason == "crashed" && r.killed(e):
		t.exited(r, "oom")
	default:
		t.exited(r, reason)
	}
	switch reason {
	case "clean":
		outcome := graceful
		if r.byHost {
			outcome = forced
		}
		t.stops(r, outcome, e)
	case "killed":
		// The SHUTDOWN that libvirt sends milliseconds before is the end of
		// the work, and not the request for it.
		r.shutdown = moment{}
		t.stops(r, forced, e)
	case "crashed":
		t.giveUp(r, stop, stopped)
	default:
		t.cancel(r, stop)
	}
	for p := range phases {
		t.giveUp(r, p, stopped)
	}
	if reason == "clean" || reason == "killed" || reason == "crashed" {
		t.ended.note(whoOf(e), at(e.When))
	}
	t.quit(r)
}

// stops is an end that libvirt or the guest itself told the beginning of, or both.
func (t *Tracker) stops(r *run, outcome string, e workload.Event) {
	t.cancel(r, stop)
	if r.boot.spent[stop] {
		return
	}
	if r.shutdown.ok {
		t.took(r, stop, e.Source, outcome, e.When-r.shutdown.at)
	}
	if r.poweroff.ok {
		t.took(r, stop, sourceVsock, outcome, e.When-r.poweroff.at)
	}
	if !r.shutdown.ok && !r.poweroff.ok {
		t.missed(stop, noRequest)
	}
}

// resynced gives up whatever an event may be missing of.
func (t *Tracker) resynced() {
	t.synced = true
	for r := range t.open {
		if !r.managed || r.kept {
			continue
		}
		for p := range phases {
			t.giveUp(r, p, resync)
		}
	}
	for _, r := range t.groups {
		r.kept = r.kept && (!r.managed || r.uuid != "")
	}
	for _, r := range t.machines {
		if !r.kept {
			r.boot.lose(resync)
		}
		r.kept = false
		if r.cgroup == "" && r.unseen.ok {
			t.lost(r, resync)
		}
	}
}

// lost is a run whose end nobody told.
func (t *Tracker) lost(r *run, reason string) {
	t.cfg.Recorder.Missed(exit, reason)
	for p := range phases {
		t.giveUp(r, p, reason)
	}
	t.quit(r)
}

// quit is the end of what libvirt tells. The cgroup may outlive it for a moment.
func (t *Tracker) quit(r *run) {
	t.touch()
	delete(t.machines, r.uuid)
	r.running, r.uuid = false, ""
	r.seen = workload.Lifecycle{}
	r.boot, r.shutdown, r.poweroff = boot{}, moment{}, moment{}
	r.lived, r.over = false, true
	if r.cgroup == "" {
		t.drop(r)
	}
}

// drop forgets a run.
func (t *Tracker) drop(r *run) {
	t.flush(r)
	// Nobody will tell any more who it was: what follows is told at once.
	r.settled = true
	delete(t.open, r)
	if t.contained[r.key] == r {
		delete(t.contained, r.key)
	}
	if t.numbered[r.number] == r {
		delete(t.numbered, r.number)
	}
}
