package lifecycle

import (
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// created begins a run with its cgroup.
func (t *Tracker) created(e workload.Event) {
	if t.found(e) {
		return
	}
	managed := e.Domain.Driver == "qemu" && !e.Domain.Private
	var r *run
	if managed && e.Domain.ID > 0 {
		// libvirt may have been quicker to tell.
		r = t.numbered[e.Domain.ID]
	}
	if r == nil || r.cgroup != "" {
		if !t.room() {
			return
		}
		r = &run{identity: e.Identity, managed: managed, number: e.Domain.ID}
	}
	r.cgroup, r.inode = e.Cgroup, e.Inode
	if !managed {
		r.key = keyOf(e)
		t.contained[r.key] = r
		if e.Witness != workload.Adopted {
			r.since = e.When
		}
	}
	t.groups[e.Cgroup] = r
	if managed && e.Domain.ID > 0 {
		t.numbered[e.Domain.ID] = r
	}
	switch {
	case e.Witness == workload.Adopted:
		return
	case r.running:
	case e.Witness == workload.Late:
		t.missed(createToStarted, late)
	default:
		t.begin(r, createToStarted, e.When)
	}
	t.event(r, "created")
}

// inGroup is what happens in a cgroup. Of a domain libvirt tells better when
// it starts and ends.
func (t *Tracker) inGroup(r *run, e workload.Event) {
	switch e.Kind {
	case workload.EventPopulated:
		if r.returned == waiting && e.Witness != workload.Adopted {
			t.deserted(r)
		}
		r.returned = present
		if r.kept && e.Witness == workload.Adopted {
			if r.managed && r.over {
				return
			}
			if r.over || !r.lived && r.open[createToStarted].ok {
				// It has started meanwhile.
				e.Witness = workload.Late
			}
		}
		if r.over {
			r.again(e.When)
		}
		r.lived = true
		if !r.managed {
			t.populated(r, e)
		}
	case workload.EventOOMKill:
		t.ranOut(r, e.When)
		t.event(r, "oom_kill")
	case workload.EventEmpty:
		if !r.managed {
			t.emptied(r, e)
		}
	case workload.EventRemoved:
		t.event(r, "removed")
		t.gone(r, e.When)
	}
}

func (t *Tracker) populated(r *run, e workload.Event) {
	if e.Witness == workload.Adopted {
		return
	}
	t.event(r, "started")
	when := witnessed(e)
	if when.ok {
		r.seen.Started = t.wall(e.When)
		t.finish(r, createToStarted, e.Source, done, e.When)
	} else {
		t.giveUp(r, createToStarted, late)
	}
	r.boots(when)
	t.settles(r, done, when)
	t.again(r, whoOf(e), e.Source, when, e.When)
}

func (t *Tracker) emptied(r *run, e workload.Event) {
	r.seen = workload.Lifecycle{}
	t.event(r, "stopped")
	t.giveUp(r, startToSettled, stopped)
	t.giveUp(r, startToReady, stopped)
	r.boot = boot{}
	t.ended.note(whoOf(e), witnessed(e))
	t.noteEmpty(r, witnessed(e))
}

// killed says that the kernel killed for memory shortly before an end.
func (r *run) killed(e workload.Event) bool { return r.oom.ok && e.When-r.oom.at <= oomGap }

// gone ends what a cgroup tells. The domain that it was of may be told of yet.
func (t *Tracker) gone(r *run, now time.Duration) {
	delete(t.groups, r.cgroup)
	r.cgroup, r.inode = "", 0
	t.giveUp(r, startToSettled, stopped)
	if !r.managed {
		t.giveUp(r, startToReady, stopped)
	}
	if r.running {
		r.unseen = at(now)
		return
	}
	if !r.managed && r.lived && t.engines.heard[r.key.runtime] {
		t.noteEmpty(r, at(now))
	}
	t.giveUp(r, createToStarted, removed)
	t.giveUp(r, stop, removed)
	if r.managed && r.lived && r.uuid == "" && !t.synced {
		t.cfg.Recorder.Missed(exit, unheard)
	}
	t.drop(r)
}

func witnessed(e workload.Event) moment { return moment{e.When, e.Witness == workload.Witnessed} }
