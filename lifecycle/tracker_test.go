package lifecycle

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/libvirt"
	"github.com/workload-exporter/workload_exporter/workload"
)

// record is a Recorder that writes down.
type record struct{ lines []string }

func (r *record) say(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) Duration(who workload.Identity, phase, source, outcome string, took time.Duration) {
	r.say("%s %s %s %s %s %v", who.Kind, who.Runtime, phase, source, outcome, took)
}

func (r *record) Event(who workload.Identity, event string) {
	r.say("%s %s: %s", who.Kind, who.Runtime, event)
}

func (r *record) Restarted(who workload.Identity) { r.say("%s %s restarted", who.Kind, who.Runtime) }

func (r *record) Exited(who workload.Identity, reason string) {
	r.say("%s %s exit %s", who.Kind, who.Runtime, reason)
}
func (r *record) Missed(phase, reason string) { r.say("missed %s %s", phase, reason) }

// stage is a Tracker on a clock of its own.
type stage struct {
	*Tracker
	t   *testing.T
	rec *record
	now time.Duration
}

const year = 1_700_000_000

func newStage(t *testing.T, change func(*Config)) *stage {
	s := &stage{t: t, rec: &record{}}
	cfg := Config{
		Recorder: s.rec,
		Boottime: func() time.Duration { return s.now },
		Now:      func() time.Time { return time.Unix(year, 0).Add(s.now) },
	}
	if change != nil {
		change(&cfg)
	}
	s.Tracker = New(cfg)
	return s
}

// play tells what a script says, one thing a line: TIME KIND [WORD...].
//
//	1s created docker a 1      a container's cgroup with inode 1; "late" or "adopted" may follow
//	2s created libvirt 7 10    a domain's cgroup, of run 7, with inode 10
//	3s started vm 7 booted     libvirt's word on the domain vm, which is run 7
//	4s scrape
//	5s ready vsock vm 7              a domain's guest; of guest_stops also what for
//	5s ready docker a 4.9s           Docker's check of a container, and when that was; or "late"
//	5s ready systemd nspawn a 1 4.9s adopted  a unit, by its group's runtime, id and inode
//	5s engine_die docker a 137 4.9s  Docker's word, with a code and when it says that it was; or "late"
func (s *stage) play(script string) {
	s.t.Helper()
	for line := range strings.Lines(script) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		when, err := time.ParseDuration(f[0])
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = when
		f = append(f, make([]string, 8)...)
		switch kind := workload.EventKind(f[1]); kind {
		case "scrape":
			s.Settle(nil)
		case workload.EventCreated, workload.EventPopulated, workload.EventEmpty, workload.EventRemoved, workload.EventOOMKill:
			s.Happened(group(kind, when, f[2], f[3], f[4], f[5]))
		case workload.EventAskedCreate, workload.EventRan, workload.EventKilled, workload.EventHalted, workload.EventDied, workload.EventOOM:
			s.Happened(engine(kind, when, f[2], f[3], f[4], f[5]))
		case workload.EventGuestUp, workload.EventGuestStops, workload.EventBegan, workload.EventUnready, workload.EventReady, workload.EventUnitStops:
			s.Happened(guest(kind, when, f[2:]))
		case "engine_up":
			s.Happened(engine(workload.EventResynced, when, f[2], "", "", ""))
		case "engine_down":
			s.Happened(engine(workload.EventSilent, when, f[2], "", "", ""))
		case workload.EventMissed:
			s.Happened(workload.Event{Kind: kind, When: when, Detail: f[2]})
		default:
			var id int
			if f[3] != "" {
				if _, err := fmt.Sscan(f[3], &id); err != nil {
					s.t.Fatal(err)
				}
			}
			// By way of libvirt's own words, so that nothing is told of those that say nothing.
			e := libvirt.Event{UUID: f[2], Name: f[2], DomainID: id, Kind: libvirt.EventKind(f[1]), Detail: f[4]}
			if w, ok := e.Signal(when); ok {
				s.Happened(w)
			}
		}
	}
}

func group(kind workload.EventKind, when time.Duration, runtime, id, inode, witness string) workload.Event {
	e := workload.Event{
		Kind: kind, When: when, Source: "cgroup", Identity: workload.Identity{Kind: workload.KindContainer, Runtime: runtime, ID: path.Base(id), Name: path.Base(id)},
		Cgroup: "/" + runtime + "/" + id,
	}
	_, _ = fmt.Sscan(inode, &e.Inode)
	switch runtime {
	case "libvirt":
		e.Identity = workload.Identity{Kind: workload.KindVM, Runtime: runtime, Name: "scope"}
		e.Domain.Driver = "qemu"
		_, _ = fmt.Sscan(id, &e.Domain.ID)
	case "kata":
		e.Identity.Kind = workload.KindVM
	}
	switch witness {
	case "late":
		e.Witness = workload.Late
	case "adopted":
		e.Witness = workload.Adopted
	}
	return e
}

// guest is what is told from inside, or of what is inside.
func guest(kind workload.EventKind, when time.Duration, f []string) workload.Event {
	var e workload.Event
	switch source := f[0]; source {
	case "vsock":
		e = workload.Event{Identity: workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: f[1], Name: f[1]}, Detail: f[3]}
		_, _ = fmt.Sscan(f[2], &e.Domain.ID)
		e.When = when
	case "systemd":
		e = group(kind, when, f[1], f[2], f[3], f[5])
		if d, err := time.ParseDuration(f[4]); err == nil {
			e.When = d
		}
		e.Detail = f[6]
	default:
		e = engine(kind, when, source, f[1], "", f[2])
	}
	e.Kind, e.Source = kind, f[0]
	return e
}

func engine(kind workload.EventKind, when time.Duration, runtime, id, code, stamp string) workload.Event {
	e := workload.Event{
		Kind: kind, When: when, Source: "engine", Identity: workload.Identity{Kind: workload.KindContainer, Runtime: runtime, ID: id, Name: id},
	}
	_, _ = fmt.Sscan(code, &e.Code)
	if d, err := time.ParseDuration(stamp); err == nil {
		e.When = d
	} else if stamp == "late" {
		e.Witness = workload.Late
	}
	return e
}

func (s *stage) want(lines string) {
	s.t.Helper()
	var want []string
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" {
			want = append(want, line)
		}
	}
	if diff := cmp.Diff(want, s.rec.lines); diff != "" {
		s.t.Errorf("told (-want +got):\n%s", diff)
	}
}

type story struct{ script, want string }

func stories() map[string]story {
	return map[string]story{
		"a container's life": {`
			1s    created   docker a 1
			1.25s populated docker a 1
			9s    empty     docker a 1
			9.1s  removed   docker a 1`, `
			missed stop no_source
			missed exit unknown
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 250ms
			container docker: stopped
			container docker: removed`},
		"a restart is one, with another inode or the same": {`
			1s created   docker a 1
			1s populated docker a 1
			9s empty     docker a 1
			9s removed   docker a 1
			10s created   docker a 2
			11s populated docker a 2
			20s empty     docker a 2
			23s populated docker a 2
			24s removed   docker a 2`, `
			missed stop no_source
			missed exit unknown
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker: stopped
			container docker: removed
			missed stop no_source
			missed exit unknown
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 1s
			container docker restarted
			container docker reboot cgroup restart 2s
			container docker: stopped
			container docker: started
			container docker restarted
			container docker reboot cgroup restart 3s
			container docker: removed`},
		"a start long after is no restart": {`
			1s created   docker a 1
			2s populated docker a 1
			3s empty     docker a 1
			3s removed   docker a 1
			304s created   docker a 2
			304s populated docker a 2
			304s removed docker a 2`, `
			missed stop no_source
			missed exit unknown
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 1s
			container docker: stopped
			container docker: removed
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker: removed`},
		"another container of the name is no restart": {`
			1s created   lxc alice/c 1
			1s populated lxc alice/c 1
			2s empty     lxc alice/c 1
			2s removed   lxc alice/c 1
			3s created   lxc bob/c 2
			3s populated lxc bob/c 2
			4s removed   lxc bob/c 2`, `
			missed stop no_source
			missed exit unknown
			container lxc: created
			container lxc: started
			container lxc create_to_started cgroup ok 0s
			container lxc: stopped
			container lxc: removed
			container lxc: created
			container lxc: started
			container lxc create_to_started cgroup ok 0s
			container lxc: removed`},
		"killed for memory": {`
			1s  created   docker a 1
			1s  populated docker a 1
			20s oom_kill  docker a 1
			21s empty     docker a 1
			21s removed   docker a 1`, `
			missed stop no_source
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker: oom_kill
			container docker: stopped
			container docker exit oom
			container docker: removed`},
		"killed for memory long before": {`
			1s  created   docker a 1 adopted
			1s  populated docker a 1 adopted
			20s oom_kill  docker a 1
			31s empty     docker a 1
			31s removed   docker a 1`, `
			missed stop no_source
			missed exit unknown
			container docker: oom_kill
			container docker: stopped
			container docker: removed`},
		"adopted": {`
			1s created   docker a 1 adopted
			1s populated docker a 1 adopted
			5s empty     docker a 1
			6s populated docker a 1
			6s removed   docker a 1`, `
			missed stop no_source
			missed exit unknown
			container docker: stopped
			container docker: started
			container docker restarted
			container docker reboot cgroup restart 1s
			container docker: removed`},
		"found out afterwards": {`
			1s created   docker a 1 late
			1s populated docker a 1 late
			5s empty     docker a 1 late
			5s removed   docker a 1 late
			6s created   docker a 2
			6s populated docker a 2
			6s removed   docker a 2`, `
			missed create_to_started late
			missed stop no_source
			missed exit unknown
			container docker: created
			container docker: started
			container docker: stopped
			container docker: removed
			missed reboot late
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker restarted
			container docker: removed`},
		"created, and its first process seen late": {`
			1s created   docker a 1
			9s populated docker a 1 late
			9s removed   docker a 1`, `
			missed create_to_started late
			container docker: created
			container docker: started
			container docker: removed`},
		"nobody ever inside": {`
			1s created docker a 1
			2s removed docker a 1
			3s created docker b 2
			602s scrape
			604s scrape
			605s populated docker b 2
			605s removed docker b 2`, `
			missed create_to_started removed
			container docker: created
			container docker: removed
			missed create_to_started timeout
			container docker: created
			container docker: started
			container docker: removed`},
		"too late is a timeout without a scrape as well": {`
			1s   created   docker a 1
			602s populated docker a 1
			603s removed   docker a 1`, `
			missed create_to_started timeout
			container docker: created
			container docker: started
			container docker: removed`},
		"missed by the source": {`
			1s missed too_short
			2s missed overflow`, `
			missed create_to_started too_short
			missed any overflow`},
		"of a group with the path of another": {`
			1s created   docker a 1
			2s populated docker a 2
			3s removed   docker a 2
			4s removed   docker a 1`, `
			missed create_to_started removed
			container docker: created
			container docker: removed`},

		"a domain's life; RESUMED comes before STARTED": {`
			1s    created   libvirt 7 10
			1.1s  populated libvirt 7 10
			1.5s  resumed   vm 7 unpaused
			1.51s started   vm 7 booted
			9.51s agent_connected vm 7 channel
			60s   shutdown  vm 7 guest
			61.2s stopped   vm 7 shutdown
			61.3s empty     libvirt 7 10
			61.4s removed   libvirt 7 10`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 510ms
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 8s
			vm libvirt: shutdown
			vm libvirt: stopped
			vm libvirt exit clean
			vm libvirt stop libvirt graceful 1.2s
			vm libvirt: removed`},
		"destroyed: SHUTDOWN is no request, and the number is -1": {`
			1s created libvirt 7 10
			2s started vm 7 booted
			3s agent_connected vm 7 channel
			9s shutdown vm 7 host
			9.003s stopped vm -1 destroyed
			9.004s removed libvirt 7 10`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: shutdown
			vm libvirt: stopped
			vm libvirt exit killed
			missed stop no_request
			vm libvirt: removed`},
		"a host's signal": {`
			1s shutdown vm 7 host
			3s stopped vm 7 shutdown`, `
			vm libvirt: shutdown
			vm libvirt: stopped
			vm libvirt exit clean
			vm libvirt stop libvirt forced 2s`},
		"STOPPED without SHUTDOWN": {`
			1s stopped one 1 shutdown
			2s stopped two 2 failed
			3s stopped three -1 crashed
			4s stopped four 4 something`, `
			vm libvirt: stopped
			vm libvirt exit clean
			missed stop no_request
			vm libvirt: stopped
			vm libvirt exit crashed
			vm libvirt: stopped
			vm libvirt exit crashed
			vm libvirt: stopped
			missed exit unknown`},
		"QEMU killed for memory; the group may go first": {`
			1s created libvirt 7 10
			2s started vm 7 booted
			3s oom_kill libvirt 7 10
			4s empty libvirt 7 10
			4s removed libvirt 7 10
			4.1s stopped vm 7 failed`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: oom_kill
			vm libvirt: removed
			vm libvirt: stopped
			vm libvirt exit oom
			missed start_to_guest_up stopped`},
		"three REBOOT for one reset": {`
			1s    reboot vm 7
			1.05s reboot vm 7
			1.12s reboot vm 7
			8s    agent_connected vm 7 channel
			20s   reboot vm 7
			30s   reboot vm 7
			40s   agent_connected vm 7 channel`, `
			vm libvirt: rebooted
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 7s
			vm libvirt: rebooted
			vm libvirt: rebooted
			missed reboot rebooted
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 10s`},
		"a second try of one reset, which QEMU was late for": {`
			1s  reboot vm 7
			5s  reboot vm 7
			16s agent_connected vm 7 channel`, `
			vm libvirt: rebooted
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 15s`},
		"two resets of a guest that is quickly up": {`
			1s reboot vm 7
			2s agent_connected vm 7 channel
			3s reboot vm 7
			4s agent_connected vm 7 channel`, `
			vm libvirt: rebooted
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 1s
			vm libvirt: rebooted
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 1s`},
		"a reset while it boots; the agent's channel is no agent": {`
			1s created libvirt 7 10
			2s started vm 7 booted
			2s agent_connected vm 7
			3s reboot vm 7
			700s scrape`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 0s
			vm libvirt: rebooted
			missed reboot timeout`},
		"a guest without an agent": {`
			1s created libvirt 7 10
			2s started vm 7 booted
			603s scrape
			700s agent_connected vm 7 channel`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			missed start_to_guest_up timeout
			vm libvirt: agent_connected`},
		"stopped and started": {`
			1s created libvirt 7 10
			2s started vm 7 booted
			3s agent_connected vm 7 channel
			9s stopped vm -1 destroyed
			9s removed libvirt 7 10
			10s created libvirt 8 11
			12s started vm 8 booted`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: stopped
			vm libvirt exit killed
			missed stop no_request
			vm libvirt: removed
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 2s
			vm libvirt restarted
			vm libvirt reboot libvirt restart 3s`},
		"migrated, restored, woken: no boots": {`
			1s created libvirt 7 10
			2s started vm 7 migrated
			3s agent_connected vm 7 channel
			4s suspended vm 7 paused
			5s resumed vm 7 unpaused
			6s stopped vm 7 migrated
			6s removed libvirt 7 10
			7s created libvirt 8 11
			8s started vm 8 restored
			9s stopped vm 8 saved
			10s started vm 9 snapshot
			11s started vm 9 wakeup`, `
			vm libvirt: created
			vm libvirt: started_migrated
			vm libvirt: agent_connected
			vm libvirt: stopped
			vm libvirt exit migrated
			vm libvirt: removed
			vm libvirt: created
			vm libvirt: started_restored
			vm libvirt: stopped
			vm libvirt exit saved
			vm libvirt: started_snapshot
			vm libvirt: started_wakeup`},
		"libvirt is quicker than the walk": {`
			1s started vm 7 booted
			2s created libvirt 7 10
			3s stopped vm 7 shutdown
			3s removed libvirt 7 10`, `
			vm libvirt: started
			missed create_to_started no_cgroup
			vm libvirt: created
			vm libvirt: stopped
			vm libvirt exit clean
			missed stop no_request
			missed start_to_guest_up stopped
			vm libvirt: removed`},
		"libvirtd restarts while a domain ends": {`
			1s resynced
			2s created libvirt 7 10
			3s started vm 7 booted
			4s shutdown vm 7 guest
			5s empty libvirt 7 10
			5s removed libvirt 7 10
			6s resynced
			6s created libvirt 8 11
			7s started vm 8 booted`, `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: shutdown
			vm libvirt: removed
			missed start_to_guest_up resync
			missed stop resync
			missed exit resync
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s`},
		"libvirt never tells of the end": {`
			1s started vm 7 booted
			2s agent_connected vm 7 channel
			3s started vm 8 booted
			4s agent_connected vm 8 channel
			10s scrape
			71s scrape`, `
			vm libvirt: started
			missed create_to_started no_cgroup
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			missed exit unheard
			vm libvirt: started
			missed create_to_started no_cgroup
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			missed exit unheard`},
		"a domain without libvirt": {`
			1s created   libvirt 7 10
			2s populated libvirt 7 10
			3s empty     libvirt 7 10
			4s removed   libvirt 7 10`, `
			missed create_to_started removed
			missed exit unheard
			vm libvirt: created
			vm libvirt: removed`},
		"a machine that nobody tells of": {`
			1s created   kata a 1
			2s populated kata a 1
			3s empty     kata a 1
			3s removed   kata a 1`, `
			missed stop no_source
			missed exit unknown
			vm kata: created
			vm kata: started
			missed create_to_started no_source
			vm kata: stopped
			vm kata: removed`},
	}
}

func TestStories(t *testing.T) {
	for name, story := range stories() {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			s.play(story.script)
			s.want(story.want)
		})
	}
}
