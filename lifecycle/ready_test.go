package lifecycle

import (
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// booted is a domain that libvirt has started; boots is what is told of that.
const (
	booted = `
		1s created libvirt 7 10
		2s started vm 7 booted`
	boots = `
		vm libvirt: created
		vm libvirt: started
		vm libvirt create_to_started libvirt ok 1s`
	// ran is a container, and runs what is told of that.
	ran = `
		1s engine_up docker
		1s created   docker a 1
		1s populated docker a 1`
	runs = `
		container docker: created
		container docker: started
		container docker create_to_started cgroup ok 0s`
)

func readiness() map[string]story {
	return map[string]story{
		"a guest with an agent that also tells of itself": {booted + `
			5s  guest_up vsock vm 7
			6s  agent_connected vm 7 channel
			9s  ready vsock vm 7
			9s  agent_connected vm 7 channel
			9s  guest_up vsock vm 7
			10s ready vsock vm 7
			700s scrape`, boots + `
			vm libvirt: guest_up
			vm libvirt start_to_guest_up vsock ok 3s
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 4s
			vm libvirt: ready
			vm libvirt start_to_ready vsock ok 7s
			vm libvirt: agent_connected`},
		"a guest of which only READY is heard": {booted + `
			9s  ready vsock vm 7
			10s agent_connected vm 7 channel`, boots + `
			vm libvirt: ready
			vm libvirt start_to_ready vsock ok 7s
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 8s`},
		"a guest that is up, and never ready": {booted + `
			5s   guest_up vsock vm 7
			603s scrape
			700s ready vsock vm 7`, boots + `
			vm libvirt: guest_up
			vm libvirt start_to_guest_up vsock ok 3s
			missed start_to_ready timeout
			vm libvirt: ready`},
		"a guest that says nothing is missed by nobody": {booted + `
			5s   agent_connected vm 7 channel
			603s scrape`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 3s`},
		"ready too late, and nobody knew that it would tell": {booted + `
			5s   agent_connected vm 7 channel
			700s ready vsock vm 7`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 3s
			vm libvirt: ready
			missed start_to_ready timeout`},
		"a guest that ends before it is ready": {booted + `
			5s guest_up vsock vm 7
			6s stopped vm 7 crashed`, boots + `
			vm libvirt: guest_up
			vm libvirt start_to_guest_up vsock ok 3s
			vm libvirt: stopped
			vm libvirt exit crashed
			missed start_to_ready stopped`},
		"libvirt was away": {booted + `
			5s guest_up vsock vm 7
			6s resynced
			7s ready vsock vm 7
			8s agent_connected vm 7 channel`, boots + `
			vm libvirt: guest_up
			vm libvirt start_to_guest_up vsock ok 3s
			missed start_to_ready resync
			vm libvirt: ready
			vm libvirt: agent_connected
			missed start_to_guest_up resync`},
		"a guest powers itself off": {booted + `
			3s  agent_connected vm 7 channel
			50s guest_stops vsock vm 7 poweroff
			54s shutdown vm 7 guest
			55s stopped vm 7 shutdown`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: guest_stops
			vm libvirt: shutdown
			vm libvirt: stopped
			vm libvirt exit clean
			vm libvirt stop libvirt graceful 1s
			vm libvirt stop vsock graceful 5s`},
		"a guest powers itself off, and takes too long for somebody": {booted + `
			3s  agent_connected vm 7 channel
			50s guest_stops vsock vm 7 poweroff
			70s shutdown vm 7 host
			70s stopped vm -1 destroyed`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: guest_stops
			vm libvirt: shutdown
			vm libvirt: stopped
			vm libvirt exit killed
			vm libvirt stop vsock forced 20s`},
		"a guest that hangs in its end": {booted + `
			3s   agent_connected vm 7 channel
			50s  guest_stops vsock vm 7 poweroff
			651s scrape
			700s stopped vm -1 destroyed`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: guest_stops
			missed stop timeout
			vm libvirt: stopped
			vm libvirt exit killed`},
		"a guest halts, which is no end": {booted + `
			3s   agent_connected vm 7 channel
			50s  guest_stops vsock vm 7 halt
			651s scrape`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: guest_stops`},
		"a guest reboots itself": {booted + `
			3s  agent_connected vm 7 channel
			4s  ready vsock vm 7
			50s guest_stops vsock vm 7 reboot
			54s reboot vm 7
			60s guest_up vsock vm 7
			61s agent_connected vm 7 channel
			65s ready vsock vm 7
			66s agent_connected vm 7 channel
			90s reboot vm 7
			99s ready vsock vm 7`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: ready
			vm libvirt start_to_ready vsock ok 2s
			vm libvirt: guest_stops
			vm libvirt: rebooted
			vm libvirt: guest_up
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 7s
			vm libvirt: ready
			vm libvirt reboot vsock reset 15s
			vm libvirt: agent_connected
			vm libvirt: rebooted
			vm libvirt: ready
			vm libvirt reboot vsock reset 9s`},
		"another kernel, without a reset": {booted + `
			3s  agent_connected vm 7 channel
			50s guest_stops vsock vm 7 kexec
			65s ready vsock vm 7
			70s reboot vm 7
			80s agent_connected vm 7 channel
			85s ready vsock vm 7`, boots + `
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: guest_stops
			vm libvirt: ready
			vm libvirt reboot vsock reset 15s
			vm libvirt: rebooted
			vm libvirt: agent_connected
			vm libvirt reboot libvirt reset 10s
			vm libvirt: ready
			vm libvirt reboot vsock reset 15s`},
		"a guest that takes too long to come back": {`
			1s   created libvirt 7 10 adopted
			3s   reboot vm 7
			604s scrape
			700s ready vsock vm 7
			701s agent_connected vm 7 channel`, `
			vm libvirt: rebooted
			missed reboot timeout
			vm libvirt: ready
			vm libvirt: agent_connected`},
		"a reset while it boots": {booted + `
			5s guest_up vsock vm 7
			6s reboot vm 7
			9s ready vsock vm 7`, boots + `
			vm libvirt: guest_up
			vm libvirt start_to_guest_up vsock ok 3s
			vm libvirt: rebooted
			missed start_to_ready rebooted
			vm libvirt: ready
			vm libvirt reboot vsock reset 3s`},
		"a guest that ran before, and reboots": {`
			1s created libvirt 7 10 adopted
			2s ready vsock vm 7
			3s guest_stops vsock vm 7 reboot
			4s reboot vm 7
			9s ready vsock vm 7`, `
			vm libvirt: ready
			vm libvirt: guest_stops
			vm libvirt: rebooted
			vm libvirt: ready
			vm libvirt reboot vsock reset 6s`},
		"of a guest that nobody knows": {`
			1s ready vsock vm 7
			1s guest_up vsock vm -1
			1s guest_stops vsock other 0 poweroff`, ``},

		"a container with a check": {ran + `
			4s  ready docker a 3.5s
			9s  unready docker a
			12s ready docker a
			700s scrape`, runs + `
			container docker: ready
			container docker start_to_ready docker ok 2.5s`},
		"a container that is never healthy": {ran + `
			4s   unready docker a
			602s scrape
			603s unready docker a
			700s ready docker a
			1400s scrape`, `
			missed start_to_ready timeout` + runs + `
			container docker: ready`},
		"a container that ends before it is healthy; its next run": {ran + `
			4s  unready docker a
			9s  empty     docker a 1
			10s populated docker a 1
			12s ready docker a 8s
			13s ready docker a`, `
			missed start_to_ready stopped` + runs + `
			container docker: stopped
			container docker: started
			container docker restarted
			container docker reboot cgroup restart 1s
			container docker: ready
			container docker start_to_ready docker ok 3s`},
		"a container that recovers, from before": {`
			1s engine_up docker
			1s created   docker a 1 adopted
			1s populated docker a 1 adopted
			2s unready docker a
			4s ready docker a
			700s scrape`, ``},
		"an engine that was away": {ran + `
			4s unready docker a
			5s engine_down docker
			6s engine_up docker
			7s ready docker a
			8s created   docker b 2
			8s populated docker b 2
			9s engine_down docker
			9s engine_up docker
			10s ready docker b
			11s ready docker b`, `
			missed start_to_ready resync
			missed start_to_ready resync` + runs + `
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s`},
		"a clock that was set": {ran + `
			4s ready docker a late
			5s ready docker a`, `
			missed start_to_ready clock_step` + runs + `
			container docker: ready`},
		"found out afterwards": {`
			1s created   docker a 1 late
			1s populated docker a 1 late
			4s ready docker a`, `
			missed create_to_started late
			missed start_to_ready late
			container docker: created
			container docker: started`},

		"a unit that tells": {`
			1s created   nspawn a 1
			1s populated nspawn a 1
			2s began     systemd nspawn a 1 0.9s
			2s unready   systemd nspawn a 1
			6s ready     systemd nspawn a 1 5.9s
			7s ready     systemd nspawn a 1 6s
			700s scrape`, `
			container nspawn: created
			container nspawn: started
			container nspawn create_to_started cgroup ok 0s
			container nspawn: ready
			container nspawn start_to_ready systemd ok 5s`},
		"a unit that never tells": {`
			1s created   nspawn a 1
			1s populated nspawn a 1
			2s began     systemd nspawn a 1 0.9s
			2s unready   systemd nspawn a 1
			602s scrape`, `
			missed start_to_ready timeout
			container nspawn: created
			container nspawn: started
			container nspawn create_to_started cgroup ok 0s`},
		"a unit that was ready before": {`
			1000s created   nspawn a 1 adopted
			1000s populated nspawn a 1 adopted
			1000s began     systemd nspawn a 1 100s adopted
			1000s ready     systemd nspawn a 1 104s adopted
			1001s ready     systemd nspawn a 1 104s`, ``},
		"a unit that was starting before": {`
			1000s created   nspawn a 1 adopted
			1000s populated nspawn a 1 adopted
			1000s began     systemd nspawn a 1 998s adopted
			1000s unready   systemd nspawn a 1
			1004s ready     systemd nspawn a 1 1003s
			1700s removed   nspawn a 1`, `
			container nspawn: ready
			container nspawn start_to_ready systemd ok 5s
			container nspawn: removed`},
		"a unit that was waited for": {`
			1s created   nspawn a 1
			1s populated nspawn a 1
			2s began     systemd nspawn a 1 0.9s
			2s unready   systemd nspawn a 1
			8s began     systemd nspawn a 1 0.9s adopted
			8s ready     systemd nspawn a 1 5.9s adopted
			700s scrape`, `
			container nspawn: created
			container nspawn: started
			container nspawn create_to_started cgroup ok 0s
			container nspawn: ready
			container nspawn start_to_ready systemd ok 5s`},
		"another group of the name": {`
			1s created   nspawn a 1
			1s populated nspawn a 1
			2s ready     systemd nspawn a 2
			2s ready     systemd nspawn b 1
			3s removed   nspawn a 1`, `
			container nspawn: created
			container nspawn: started
			container nspawn create_to_started cgroup ok 0s
			container nspawn: removed`},
	}
}

func TestReadiness(t *testing.T) {
	for name, story := range readiness() {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			s.play(story.script)
			for _, r := range s.groups {
				s.flush(r)
			}
			s.want(story.want)
		})
	}
}

// TestStamps shows what a run has, whoever told.
func TestStamps(t *testing.T) {
	stamp := func(d time.Duration) workload.Value { return workload.Known(uint64(year*time.Second + d)) }
	s := newStage(t, nil)
	seen := func() workload.Lifecycle { return s.Of(&workload.Workload{Cgroup: "/nspawn/a", Inode: 1}) }
	s.play(`
		1000s created   nspawn a 1 adopted
		1000s populated nspawn a 1 adopted
		1000s began     systemd nspawn a 1 100s adopted
		1000s ready     systemd nspawn a 1 104s adopted
		1001s began     systemd nspawn a 1 101s adopted`)
	if got, want := seen(), (workload.Lifecycle{Started: stamp(100 * time.Second), Ready: stamp(104 * time.Second)}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	s.play(`
		1002s empty     nspawn a 1
		1003s populated nspawn a 1
		1003s began     systemd nspawn a 1 1002.9s
		1009s ready     systemd nspawn a 1 1008.9s`)
	got := seen()
	if got.Started != stamp(1003*time.Second) || got.Ready != stamp(1008900*time.Millisecond) {
		t.Errorf("%+v", got)
	}
	for _, r := range s.groups {
		s.flush(r)
	}
	if got := seen(); got.StartToReady != workload.Known(uint64(6*time.Second)) {
		t.Errorf("%+v", got)
	}

	// Two sources tell of one guest: what the first has told stays.
	s = newStage(t, nil)
	s.play(booted + `
		5s guest_up vsock vm 7
		6s agent_connected vm 7 channel
		7s ready vsock vm 7`)
	r := s.machines["vm"]
	if r.seen.StartToGuestUp != workload.Known(uint64(3*time.Second)) || r.seen.Ready != stamp(7*time.Second) {
		t.Errorf("%+v", r.seen)
	}
	s.play("8s reboot vm 7")
	if r.seen.Ready != (workload.Value{}) {
		t.Errorf("%+v", r.seen)
	}
}
