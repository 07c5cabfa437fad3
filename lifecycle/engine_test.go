package lifecycle

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	began = `
		0s engine_up docker
		1s created   docker a 1
		1s populated docker a 1
		`
	begun = `
		container docker: created
		container docker: started
		container docker create_to_started cgroup ok 0s
		`
)

// TestSlain has an engine that tells of no signals.
func TestSlain(t *testing.T) {
	for script, want := range map[string]string{
		"10s engine_die podman a 137":                             "killed",
		"9s oom_kill podman a 1\n10s engine_die podman a 137":     "oom",
		"10s engine_die podman a 139":                             "error",
		"9s engine_kill podman a -1\n10s engine_die podman a 137": "killed",
	} {
		s := newStage(t, nil)
		s.play("0s engine_up podman\n1s created podman a 1\n1s populated podman a 1\n" + script + "\n10s empty podman a 1\n10s removed podman a 1\n30s scrape")
		if !slices.Contains(s.rec.lines, "container podman exit "+want) {
			t.Errorf("%s: told %q, want %s", script, s.rec.lines, want)
		}
	}
}

// TestEnds has the cgroup and the engine tell of one end, in both orders.
func TestEnds(t *testing.T) {
	for name, story := range map[string]struct{ before, die, want string }{
		"by itself":                       {"", "0", "exit clean"},
		"with an error":                   {"", "1", "exit error"},
		"killed by somebody else":         {"", "137", "exit error"},
		"without a code":                  {"", "-1", "missed exit unknown"},
		"for memory, says the cgroup":     {"9s oom_kill docker a 1", "137", "exit oom"},
		"for memory, says the engine":     {"9s engine_oom docker a", "137", "exit oom"},
		"a child for memory, and went on": {"9s oom_kill docker a 1", "0", "exit clean"},
		"stopped": {"9s engine_kill docker a 15", "0", `exit clean
			stop engine graceful 1s`},
		"stopped, by the signal": {"9s engine_kill docker a 15", "143", `exit killed
			stop engine graceful 1s`},
		"stopped, and killed after the timeout": {"5s engine_kill docker a 15\n8s engine_kill docker a 9", "137", `exit killed
			stop engine forced 5s`},
		"killed": {"9s engine_kill docker a 9", "137", `exit killed
			stop engine forced 1s`},
		"reloaded by a signal": {"9s engine_kill docker a 1", "1", "exit error"},
		"stopped by a signal that was not told": {"9s engine_kill docker a -1", "143", `exit killed
			missed stop no_request`},
		"stopped on a clock that was set": {"9s engine_kill docker a 15 late", "0", `exit clean
			missed stop no_request`},
	} {
		for order, ends := range map[string]string{
			"the cgroup first":       "10.001s empty docker a 1\n10.1s engine_die docker a %[1]s 10s",
			"the engine first":       "10s engine_die docker a %[1]s\n10.02s empty docker a 1",
			"the group goes before":  "10.001s empty docker a 1\n10.002s removed docker a 1\n10.1s engine_die docker a %[1]s 10s",
			"gone and never empty":   "10s engine_die docker a %[1]s\n10.02s removed docker a 1",
			"the cgroup never tells": "10s engine_die docker a %[1]s",
			"twice":                  "10s engine_die docker a %[1]s\n10.02s empty docker a 1\n10.03s engine_die docker a %[1]s\n40s empty docker a 1",
		} {
			t.Run(name+"/"+order, func(t *testing.T) {
				s := newStage(t, nil)
				s.play(began)
				s.play(story.before)
				s.play(fmt.Sprintf(ends, story.die))
				s.play("30s scrape")
				s.Settle(registered(group("", 0, "docker", "a", "1", "")).Refresh())
				s.play("31s removed docker a 1")
				// What is said at the end, whatever the order.
				got := map[string]int{}
				for _, line := range s.rec.lines {
					if strings.Contains(line, "exit ") || strings.Contains(line, " stop ") {
						got[strings.TrimPrefix(line, "container docker ")]++
					}
				}
				for line := range strings.Lines(story.want) {
					got[strings.TrimSpace(line)]--
				}
				for line, n := range got {
					if n != 0 {
						t.Errorf("%q: %+d", line, n)
					}
				}
				if len(s.engines.held) != 0 {
					t.Errorf("%d ends are held", len(s.engines.held))
				}
			})
		}
	}
}

// drill process: the wall clock is stepped
// shows: durations of cgroups, libvirt and guests are on CLOCK_BOOTTIME and do not notice; what an engine stamped is missed as `clock_step`
func TestEngineStories(t *testing.T) {
	for name, story := range map[string]struct{ script, want string }{
		"run and stop": {`
			0s    engine_up     docker
			1s    engine_create docker a
			1.5s  created       docker a 1
			1.6s  populated     docker a 1
			1.8s  engine_start  docker a 0 1.7s
			9s    engine_kill   docker a 15
			9.5s  empty         docker a 1
			9.6s  removed       docker a 1
			9.7s  engine_die    docker a 0 9.52s
			9.8s  engine_stop   docker a`, `
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 100ms
			container docker create_to_started engine ok 700ms
			container docker: stopped
			container docker: removed
			container docker stop engine graceful 500ms
			container docker exit clean`},
		"docker restart is one reboot, though the engine tells late of the end": {began + `
			9s   engine_kill  docker a 15
			10s  empty        docker a 1
			10s  removed      docker a 1
			11s  created      docker a 2
			11s  populated    docker a 2
			11.1s engine_die   docker a 0 10.1s
			11.2s engine_stop  docker a 0 10.2s
			11.3s engine_start docker a
			30s empty docker a 2
			30s removed docker a 2
			31s engine_die docker a 3 30s`, begun + `
			container docker: stopped
			container docker: removed
			container docker stop engine graceful 1s
			container docker exit clean
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker restarted
			container docker reboot cgroup restart 1s
			container docker: stopped
			container docker: removed
			container docker exit error`},
		"two ends before the engine has told of one": {began + `
			10s empty        docker a 1
			11s populated    docker a 1
			12s empty        docker a 1
			12.1s removed    docker a 1
			13s engine_die   docker a 1 10.1s
			13s engine_die   docker a 0 12.1s`, begun + `
			container docker: stopped
			container docker: started
			container docker restarted
			container docker reboot cgroup restart 1s
			container docker: stopped
			container docker: removed
			container docker exit error
			container docker exit clean`},
		"too late for an end is not for the next run": {began + `
			10s empty     docker a 1
			10s removed   docker a 1
			25s created   docker a 2
			25s populated docker a 2
			26s engine_die docker a 1 10.1s
			26s engine_stop docker a 0 10.2s
			30s removed   docker a 2
			31s engine_die docker a 0`, begun + `
			container docker: stopped
			container docker: removed
			missed exit unknown
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker restarted
			container docker reboot cgroup restart 15s
			container docker: removed
			container docker exit clean`},
		"the engine is lost in between": {began + `
			2s engine_create docker b
			9s engine_kill docker a 15
			10s engine_down docker
			11s empty docker a 1
			12s engine_up docker
			13s engine_die docker a 0
			40s scrape
			40s removed docker a 1`, `
			missed stop resync
			missed create_to_started resync
			missed exit unknown
			` + begun + `
			container docker: stopped
			container docker: removed`},
		"the engine is lost with an end held back": {began + `
			9s engine_kill docker a 15
			10s empty docker a 1
			10s removed docker a 1
			11s engine_down docker
			12s engine_up docker
			40s scrape`, begun + `
			container docker: stopped
			container docker: removed
			missed stop resync
			missed exit resync`},
		"gone before the engine tells of the signal": {began + `
			9s empty docker a 1
			9.1s engine_kill docker a 15
			9.8s removed docker a 1
			10s engine_die docker a 0`, begun + `
			container docker: stopped
			container docker: removed
			container docker stop engine graceful 0s
			container docker exit clean`},
		"the engine takes long to clean up": {began + `
			9s engine_kill docker a 15
			11s empty docker a 1
			11s removed docker a 1
			25s engine_die docker a 0
			40s scrape`, begun + `
			container docker: stopped
			container docker: removed
			container docker stop engine graceful 2s
			missed exit unknown`},
		"it has to be killed, and the engine takes long to clean up": {began + `
			9s engine_kill docker a 15
			19s engine_kill docker a 9
			19s empty docker a 1
			19s removed docker a 1
			40s scrape`, begun + `
			container docker: stopped
			container docker: removed
			container docker stop engine forced 10s
			missed exit unknown`},
		"of nobody known": {`
			0s engine_up docker
			1s engine_create docker a
			1s engine_start docker a
			2s engine_kill docker a 9
			2s engine_oom docker a
			3s engine_die docker a 137
			3s engine_stop docker a
			40s scrape`, ``},
		"the word on the reason comes last": {began + `
			10s engine_die docker a 137
			10.1s empty docker a 1
			10.2s engine_oom docker a
			10.3s removed docker a 1
			11s created docker a 2
			11s populated docker a 2
			12s empty docker a 2
			12.1s removed docker a 2
			12.2s engine_die docker a 143
			12.3s engine_stop docker a`, begun + `
			container docker: stopped
			container docker exit oom
			container docker: removed
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker restarted
			container docker reboot cgroup restart 900ms
			container docker: stopped
			container docker: removed
			missed stop no_request
			container docker exit killed`},
		"another engine's": {began + `
			8s engine_up podman
			9s engine_die podman a 0
			9s engine_down podman
			10s empty docker a 1
			10.1s engine_die docker a 0
			11s removed docker a 1`, begun + `
			container docker: stopped
			container docker exit clean
			container docker: removed`},
		"podman tells of a stop when it is done": {`
			0s engine_up podman
			1s created podman a 1 adopted
			1s populated podman a 1 adopted
			9s empty podman a 1
			9.1s engine_stop podman a
			9.2s engine_die podman a 143
			10s removed podman a 1`, `
			missed stop no_request
			container podman: stopped
			container podman exit killed
			container podman: removed`},
		"created and started on a clock that was set": {`
			0s engine_up docker
			1s engine_create docker a
			1s created docker a 1
			2s populated docker a 1
			2s engine_start docker a 0 late
			3s removed docker a 1
			20s scrape`, `
			missed create_to_started clock_step
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 1s
			container docker: removed
			missed exit unknown`},
		"a stop that takes for ever": {began + `
			9s engine_kill docker a 15
			700s scrape
			701s empty docker a 1
			702s engine_die docker a 0
			703s removed docker a 1`, `
			missed stop timeout
			` + begun + `
			container docker: stopped
			container docker exit clean
			container docker: removed`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			s.play(story.script)
			s.want(story.want)
		})
	}
}

// TestContainersLeaveNothing has a thousand come and go.
func TestContainersLeaveNothing(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Max = 100 })
	s.play("0s engine_up docker")
	for i := range 1000 {
		s.now = time.Duration(i+1) * time.Second
		id := fmt.Sprintf("c%d", i)
		for _, kind := range []workload.EventKind{workload.EventAskedCreate, workload.EventRan} {
			s.Happened(engine(kind, s.now, "docker", id, "", ""))
		}
		s.Happened(engine(workload.EventAskedCreate, s.now, "docker", id+"x", "", ""))
		for _, kind := range []workload.EventKind{workload.EventCreated, workload.EventPopulated, workload.EventEmpty, workload.EventRemoved} {
			s.Happened(group(kind, s.now, "docker", id, "1", ""))
		}
	}
	s.play("5000s scrape")
	if n := len(s.engines.held) + len(s.engines.asked.last) + len(s.contained) + len(s.groups) + len(s.open); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// TestEndsAreBounded has an engine that tells of no end.
func TestEndsAreBounded(t *testing.T) {
	s := newStage(t, func(c *Config) { c.Max = 2 })
	s.play("0s engine_up docker")
	for i := range 5 {
		for _, kind := range []workload.EventKind{workload.EventCreated, workload.EventPopulated, workload.EventEmpty, workload.EventRemoved} {
			s.Happened(group(kind, time.Second, "docker", fmt.Sprintf("c%d", i), "1", ""))
		}
	}
	if n := strings.Count(strings.Join(s.rec.lines, "\n"), "missed exit too_many"); n != 3 || len(s.engines.held) != 2 {
		t.Errorf("%d too many, %d are held", n, len(s.engines.held))
	}
}
