package lifecycle

import (
	"cmp"
	"path"
	"slices"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// sourceLibvirt is who tells of agents.
const sourceLibvirt = "libvirt"

// returned is how far a run that another process knew of has been found again.
type returned int

const (
	// present: it is here, or was never away.
	present returned = iota
	// awaited: nobody has told of its group yet.
	awaited
	// waiting: its group is here, and nobody has told of a process in it.
	waiting
)

// restore takes up what another process left. What makes no sense is left out:
// the file may hold anything.
func (t *Tracker) restore(s *Saved) {
	now := t.cfg.Boottime()
	for i := range s.Runs {
		if t.groupsAndMachines() >= t.cfg.Max {
			break
		}
		t.resume(&s.Runs[i], now)
	}
	ended := slices.Clone(s.Ended)
	slices.SortStableFunc(ended, func(a, b savedEnd) int { return cmp.Compare(a.Seen, b.Seen) })
	for _, e := range ended {
		if e.Seen > 0 && e.Seen <= now && e.At.at <= e.Seen {
			e.At.at = e.Seen
			t.ended.note(who{e.Runtime, e.ID, e.Below}, e.At)
		}
	}
	t.ended.forget(now)
	for name, n := range s.Lost {
		for range min(n, t.cfg.Max) {
			t.cfg.Recorder.Missed(name, away)
		}
	}
}

// resume makes a run of what is left of it.
func (t *Tracker) resume(s *savedRun, now time.Duration) {
	r := &run{
		identity: workload.Identity(s.Identity), pending: s.Pending, cgroup: s.Cgroup, inode: s.Inode,
		since: s.Since.at, over: s.Over, managed: s.Managed, number: s.Number, uuid: s.UUID, running: s.UUID != "",
		lived: s.Lived, byHost: s.ByHost, reset: s.Reset, oom: s.OOM, unseen: s.Unseen, kept: true,
		shutdown: s.Shutdown, poweroff: s.Poweroff,
	}
	switch {
	case !s.sane(now):
		return
	case r.cgroup != "" && t.groups[r.cgroup] != nil, r.uuid != "" && t.machines[r.uuid] != nil:
		return
	}
	if r.cgroup != "" {
		r.returned = awaited
		t.groups[r.cgroup] = r
	}
	if r.uuid != "" {
		t.machines[r.uuid] = r
	}
	if r.managed && r.number > 0 {
		t.numbered[r.number] = r
	}
	if !r.managed {
		r.key = who{runtime: s.Key.Runtime, id: s.Key.ID}
		t.contained[r.key] = r
	}
	for name, v := range slots(&r.seen) {
		if n, ok := s.Seen[name]; ok {
			*v = workload.Known(n)
		}
	}
	for p := range phases {
		if since, ok := s.Open[p.String()]; ok {
			t.begin(r, p, since)
		}
	}
	r.boot = s.Boot.boot()
	t.resumeStart(r, s.Settling)
}

func (s *savedBoot) boot() boot {
	b := boot{since: s.Since, why: s.Why, began: s.Began, leaving: s.Leaving, down: s.Down}
	for _, one := range s.Told {
		if p, ok := phaseOf(one[0]); ok {
			b.first(p, one[1])
		}
	}
	for _, name := range s.Spent {
		if p, ok := phaseOf(name); ok {
			b.spent[p] = true
		}
	}
	return b
}

// resumeStart follows a start on, with what was seen of it.
func (t *Tracker) resumeStart(r *run, s *savedStart) {
	switch {
	case !r.open[startToSettled].ok || t.cfg.CPU == nil:
		t.cancel(r, startToSettled)
	case s == nil || r.cgroup == "":
		t.giveUp(r, startToSettled, away)
	case len(t.starting) >= maxStarting:
		t.giveUp(r, startToSettled, tooMany)
	default:
		settling := &settling{started: s.Started, busy: s.Busy, peak: s.Peak, resumed: true}
		for _, one := range s.Samples {
			settling.recent = append(settling.recent, sample{time.Duration(one[0]), one[1]})
		}
		t.starting[r] = &start{settling: settling, outcome: s.Outcome}
	}
}

// sane says whether what is left of a run can be true now.
func (s *savedRun) sane(now time.Duration) bool {
	ok := func(d time.Duration) bool { return 0 <= d && d <= now }
	for _, since := range s.Open {
		if !ok(since) {
			return false
		}
	}
	if v := s.Settling; v != nil {
		last := v.Started
		for _, one := range v.Samples {
			next := time.Duration(one[0])
			if next < last {
				return false
			}
			last = next
		}
		if v.Peak < 0 || !ok(v.Started) || v.Busy < v.Started || !ok(v.Busy) || !ok(last) {
			return false
		}
	}
	for _, m := range []moment{s.Since, s.Reset, s.OOM, s.Unseen, s.Shutdown, s.Poweroff, s.Boot.Since, s.Boot.Leaving, s.Boot.Down} {
		if !ok(m.at) {
			return false
		}
	}
	for _, m := range s.Boot.Began {
		if !ok(m.at) {
			return false
		}
	}
	if s.Cgroup == "" {
		return s.UUID != "" && s.Managed
	}
	return path.IsAbs(s.Cgroup) && s.Inode != 0 && (s.UUID == "" || s.Managed)
}

// found says whether a group that the source finds at its start is that of a run
// which is known from before.
func (t *Tracker) found(e workload.Event) bool {
	r := t.groups[e.Cgroup]
	if r == nil || r.returned != awaited {
		return false
	}
	if r.inode != e.Inode || e.Witness != workload.Adopted {
		t.vanished(r)
		return false
	}
	r.returned = waiting
	return true
}

// swept ends what was not found again. The source has looked everywhere by now.
func (t *Tracker) swept() {
	if t.complete {
		return
	}
	t.complete = true
	for _, r := range t.groups {
		switch r.returned {
		case awaited:
			t.vanished(r)
		case waiting:
			t.deserted(r)
		}
		r.returned = present
	}
}

// deserted is a group of which the processes have ended meanwhile.
func (t *Tracker) deserted(r *run) {
	r.returned = present
	if r.managed || !r.lived || r.over {
		return
	}
	r.seen = workload.Lifecycle{}
	t.event(r, "stopped")
	t.leftBehind(r)
	r.boot, r.over = boot{}, true
}

// vanished is a run that has ended with its group meanwhile.
func (t *Tracker) vanished(r *run) {
	delete(t.groups, r.cgroup)
	if !r.managed && r.lived && !r.over {
		t.event(r, "stopped")
		t.leftBehind(r)
	}
	t.event(r, "removed")
	lived := r.lived
	r.cgroup, r.inode = "", 0
	switch {
	case r.uuid != "":
		t.lost(r, away)
		return
	case r.managed && lived:
		t.cfg.Recorder.Missed(exit, away)
	}
	for p := range phases {
		t.giveUp(r, p, away)
	}
	t.drop(r)
}

// leftBehind counts an end of a container that nobody saw. When it was is not known.
func (t *Tracker) leftBehind(r *run) {
	t.cfg.Recorder.Missed(exit, away)
	for p := range phases {
		t.giveUp(r, p, away)
	}
	t.ended.note(who{r.key.runtime, r.key.id, path.Dir(r.cgroup)}, moment{t.cfg.Boottime(), false})
}

// Booting says whether the agent of a machine is waited for.
func (t *Tracker) Booting(uuid string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.machines[uuid]
	return r != nil && len(t.awaits(r, sourceLibvirt)) > 0
}

// awaits is the phases that a source may yet tell the end of.
func (t *Tracker) awaits(r *run, source string) (list []phase) {
	now := t.cfg.Boottime()
	for p, since := range map[phase]moment{startToGuestUp: r.boot.since, reboot: r.boot.down} {
		if since.ok && now-since.at <= t.cfg.Timeout && !r.boot.told[telling{p, source}] && !r.boot.spent[p] {
			list = append(list, p)
		}
	}
	return list
}

// wasUp is a guest of which the agent came while nobody listened: whenever it
// comes again would be too late.
func (t *Tracker) wasUp(r *run, source string) {
	for _, p := range t.awaits(r, source) {
		r.boot.first(p, source)
		t.cancel(r, p)
		t.missed(p, late)
	}
}
