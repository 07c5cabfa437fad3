//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// Phases and ends are counted, not asserted for how long they took: the lab is
// emulated. What was seen is printed.

// observed is how many durations a histogram has, and their sum.
func (s scrape) observed(want labels) (count uint64, sum float64) {
	for _, m := range s.series("workload_lifecycle_duration_seconds", want) {
		count += m.GetHistogram().GetSampleCount()
		sum += m.GetHistogram().GetSampleSum()
	}
	return count, sum
}

// change is how much more of something there is than there was.
type change struct {
	t             *testing.T
	before, after scrape
}

func changing(t *testing.T) *change {
	t.Helper()
	return &change{t: t, before: takeScrape(t)}
}

func (c *change) now() { c.after = takeScrape(c.t) }

func (c *change) want(name string, by float64, l labels) {
	c.t.Helper()
	if got := c.after.sum(name, l) - c.before.sum(name, l); got != by {
		c.t.Errorf("%s%v rose by %v, want %v", name, l, got, by)
	}
}

func (c *change) durations(by uint64, l labels) {
	c.t.Helper()
	before, was := c.before.observed(l)
	after, is := c.after.observed(l)
	if after-before != by {
		c.t.Errorf("%d durations more of %v, want %d", after-before, l, by)
	} else if by > 0 {
		c.t.Logf("%v: %d, on average %.3f s", l, by, (is-was)/float64(by))
	}
}

// TestContainerLives has containers of three engines come and go, unseen by any scrape.
func TestContainerLives(t *testing.T) {
	for _, engine := range []struct{ runtime, up, down string }{
		{"docker", "docker run -d --name life bb:1 /bin/sleep 1000", "docker rm -f life"},
		{"podman", "podman run -d --name life localhost/bb:1 /bin/sleep 1000", "podman rm -f -t 0 life"},
		{"lxc", "workloads up lx1", "workloads down lx1"},
	} {
		const lives = 3
		if engine.runtime == "lxc" {
			inLab(t, "workloads down lx1 >/dev/null")
		}
		c := changing(t)
		for range lives {
			inLab(t, "%s >/dev/null && %s >/dev/null", engine.up, engine.down)
		}
		c.now()
		who := labels{"kind": "container", "runtime": engine.runtime}
		with := func(k, v string) labels { return labels{"kind": who["kind"], "runtime": who["runtime"], k: v} }
		for _, event := range []string{"created", "started", "stopped", "removed"} {
			c.want("workload_lifecycle_events_total", lives, with("event", event))
		}
		c.durations(lives, with("phase", "create_to_started"))
		c.want("workload_exits_total", 0, who)
		if engine.runtime == "lxc" {
			inLab(t, "workloads up lx1 >/dev/null")
		}
	}
}

// TestStartStamp holds our start of a container against Docker's own.
func TestStartStamp(t *testing.T) {
	id := strings.TrimSpace(inLab(t, "docker run -d bb:1 /bin/sleep 1000"))[:12]
	defer inLab(t, "docker rm -f %s >/dev/null", id)
	ours := takeScrape(t).must(t, "workload_start_timestamp_seconds", labels{"id": id})
	stamp := strings.TrimSpace(inLab(t, "docker inspect -f '{{.State.StartedAt}}' %s", id))
	theirs, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		t.Fatal(err)
	}
	// Ours is the first process in the group, theirs the program's start.
	early := float64(theirs.UnixNano())/1e9 - ours
	t.Logf("first process %.3f s before Docker's StartedAt", early)
	if math.Abs(early) > 10 {
		t.Errorf("our start is %.3f s before Docker's", early)
	}
}

// TestContainerRestart is one reboot of each engine, and neither more nor less.
func TestContainerRestart(t *testing.T) {
	for _, tc := range []struct {
		runtime, up, again, down string
		stops                    uint64
	}{
		{"docker", "docker run -d --name again bb:1 /bin/sleep 1000", "docker restart -t 0 again", "docker rm -f again", 0},
		{"podman", "podman run -d --name again bb:1 /bin/sleep 1000", "podman restart -t 0 again", "podman rm -f -t 0 again", 0},
		// The same unit, another cgroup.
		{"nspawn", "true", "systemctl restart systemd-nspawn@nsp2", "true", 1},
	} {
		who := func(k, v string) labels { return labels{"runtime": tc.runtime, k: v} }
		inLab(t, "%s >/dev/null", tc.up)
		c := changing(t)
		inLab(t, "%s >/dev/null", tc.again)
		// The kernel's notice may come in the middle of the scrape, and systemd is asked afterwards.
		restarts := func(s scrape) float64 { return s.sum("workload_restarts_total", labels{"runtime": tc.runtime}) }
		eventually(t, tc.runtime+": a restart, and a stop or the lack of one", time.Minute, func() bool {
			c.now()
			was, _ := c.before.observed(who("phase", "stop"))
			is, _ := c.after.observed(who("phase", "stop"))
			return restarts(c.after) > restarts(c.before) && is-was >= tc.stops
		})
		c.now()
		c.want("workload_restarts_total", 1, labels{"runtime": tc.runtime})
		c.durations(1, labels{"runtime": tc.runtime, "phase": "reboot", "source": "cgroup", "outcome": "restart"})
		c.durations(1, who("phase", "reboot"))
		c.durations(1, who("phase", "create_to_started"))
		c.durations(tc.stops, who("phase", "stop"))
		c.want("workload_exits_total", 0, labels{"runtime": tc.runtime})
		for _, event := range []string{"created", "started", "stopped", "removed"} {
			c.want("workload_lifecycle_events_total", 1, who("event", event))
		}
		inLab(t, "%s >/dev/null", tc.down)
	}
}

// TestOOM has containers die of their limit between two scrapes. The engine may
// remove a group before anybody could read why it ended, so there are a few.
func TestOOM(t *testing.T) {
	c := changing(t)
	oom := labels{"runtime": "docker", "reason": "oom"}
	for range 5 {
		inLab(t, "docker run --rm --memory 8m --memory-swap 8m bb:1 /bin/sh -c 'tail /dev/zero' || true")
		c.now()
		if c.after.sum("workload_exits_total", oom) > c.before.sum("workload_exits_total", oom) {
			break
		}
	}
	c.want("workload_exits_total", 1, oom)
	if c.after.sum("workload_lifecycle_events_total", labels{"runtime": "docker", "event": "oom_kill"}) < 1 {
		t.Error("no oom_kill event")
	}
}

// TestMachineLives has a machine destroyed, started, and its QEMU killed.
func TestMachineLives(t *testing.T) {
	libvirt := func(k, v string) labels { return labels{"kind": "vm", "runtime": "libvirt", k: v} }
	c := changing(t)
	inLab(t, "workloads down vm-tcg >/dev/null && workloads up vm-tcg >/dev/null")
	c.now()
	c.want("workload_exits_total", 1, libvirt("reason", "killed"))
	c.durations(1, labels{"kind": "vm", "phase": "create_to_started", "source": "libvirt"})
	// A transient domain is a new one each time, and destroying is no stop.
	c.durations(0, labels{"kind": "vm", "phase": "reboot"})
	c.durations(0, labels{"kind": "vm", "phase": "stop"})

	c = changing(t)
	inLab(t, "kill -9 $(cat /run/libvirt/qemu/vm-tcg.pid)")
	eventually(t, "libvirt to tell of the crash", time.Minute, func() bool {
		c.now()
		return c.after.sum("workload_exits_total", libvirt("reason", "crashed")) > c.before.sum("workload_exits_total", libvirt("reason", "crashed"))
	})
	c.want("workload_exits_total", 1, libvirt("reason", "crashed"))
	inLab(t, "workloads up vm-tcg >/dev/null")
}

// TestGuestBoots boots a guest with an agent in it, and again and again in all the
// ways there are: the same run each time, and one reboot.
func TestGuestBoots(t *testing.T) {
	vm := func(k, v string) labels { return labels{"kind": "vm", "runtime": "libvirt", k: v} }
	c := changing(t)
	inLab(t, "workloads up vm-guest >/dev/null")
	defer inLab(t, "virsh -q destroy vm-guest 2>/dev/null || true")
	up := func(phase string) {
		t.Helper()
		eventually(t, "the guest's agent: "+phase, 5*time.Minute, func() bool {
			c.now()
			before, _ := c.before.observed(vm("phase", phase))
			after, _ := c.after.observed(vm("phase", phase))
			return after > before
		})
		c.durations(1, vm("phase", phase))
	}
	up("start_to_guest_up")
	agentClock(t, c.after, "vm-guest")
	// The agent is up before it answers. Its answer to the end of its guest never comes.
	inGuest := func(command string) string {
		return fmt.Sprintf(`virsh -q qemu-agent-command vm-guest '{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c","%s"]}}'`, command)
	}
	// What the agent runs, in a guest that has no such thing.
	shutdown := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\nexec reboot -f\n"))
	for _, tc := range []struct{ name, do string }{
		{"virsh reset", "virsh -q reset vm-guest"},
		{"from inside", inGuest("sleep 1; reboot -f")},
		{"virsh reboot, by the agent", inGuest("mkdir -p /sbin; echo "+shutdown+" | base64 -d >/sbin/shutdown; chmod 755 /sbin/shutdown") +
			" && sleep 1 && { timeout 60 virsh -q reboot vm-guest --mode agent || true; }"},
		// libvirt takes the guest's power-off for a reboot, since it has asked for one.
		{"virsh reboot, by the button", "virsh -q reboot vm-guest --mode acpi && " + inGuest("sleep 1; poweroff -f")},
	} {
		c = changing(t)
		t.Log(tc.name)
		inLab(t, "%s", tc.do)
		up("reboot")
		c.durations(1, labels{"runtime": "libvirt", "phase": "reboot", "source": "libvirt", "outcome": "reset"})
		c.want("workload_lifecycle_events_total", 1, vm("event", "rebooted"))
		for _, event := range []string{"created", "started", "shutdown", "stopped", "removed"} {
			c.want("workload_lifecycle_events_total", 0, vm("event", event))
		}
		c.durations(0, vm("phase", "stop"))
		c.want("workload_exits_total", 0, labels{"runtime": "libvirt"})
		c.want("workload_restarts_total", 0, labels{"runtime": "libvirt"})
	}
}

// agentClock holds the end of start_to_guest_up against the guest's own word for when its agent began.
func agentClock(t *testing.T, s scrape, vm string) {
	t.Helper()
	// The time in the guest, how long it has been up, and when its agent began: in ticks since its boot, the 22nd field.
	out := inLab(t, `ask() { virsh -q qemu-agent-command --timeout 60 %s "$1" | sed 's/.*"\(return\|pid\|out-data\)":"*\([^,"}]*\).*/\2/'; }
		until now=$(ask '{"execute":"guest-get-time"}') && [ -n "$now" ]; do sleep 1; done
		pid=$(ask '{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c","cat /proc/uptime /proc/$PPID/stat"],"capture-output":true}}')
		sleep 2
		echo $now $(ask "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":$pid}}" | base64 -d)`, vm)
	f := strings.Fields(out)
	if len(f) < 25 {
		t.Fatalf("the guest says %q", out)
	}
	numbers := make([]float64, 3)
	for i, field := range []string{f[0], f[1], f[3+21]} {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatalf("the guest says %q: %v", out, err)
		}
		numbers[i] = n
	}
	const ticks = 100
	theirs := numbers[0]/1e9 - numbers[1] + numbers[2]/ticks
	up := s.must(t, "workload_phase_duration_seconds", labels{"name": vm, "phase": "start_to_guest_up"})
	late := s.must(t, "workload_start_timestamp_seconds", labels{"name": vm}) + up - theirs
	t.Logf("start_to_guest_up ends %.3f s after the guest's own clock says that its agent began; the aim is 1 s", late)
	if math.Abs(late) > 10 {
		t.Errorf("start_to_guest_up is %.3f s off", late)
	}
}

// TestClassicBuckets has the buckets of the contract in the text format.
func TestClassicBuckets(t *testing.T) {
	inLab(t, "docker run --rm bb:1 /bin/true")
	s := takeScrape(t)
	list := s.series("workload_lifecycle_duration_seconds", labels{"runtime": "docker"})
	if len(list) == 0 {
		t.Fatal("no histogram")
	}
	var bounds []string
	for _, b := range list[0].GetHistogram().Bucket {
		bounds = append(bounds, bound(b))
	}
	want := strings.Fields("0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 15 20 30 45 60 90 120 180 300 600 +Inf")
	if !slices.Equal(bounds, want) {
		t.Errorf("buckets %v, want %v", bounds, want)
	}
}

func bound(b *dto.Bucket) string { return strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64) }

// TestSettles has a container that works for ten seconds and is quiet from then
// on: it has settled once the work is out of the window that is looked at.
func TestSettles(t *testing.T) {
	c := changing(t)
	id := strings.TrimSpace(inLab(t, `docker run -d bb:1 /bin/sh -c 'timeout 10 sh -c "while :; do :; done"; exec sleep 1000'`))[:12]
	defer inLab(t, "docker rm -f %s >/dev/null", id)
	phase := labels{"id": id, "phase": "start_to_settled"}
	eventually(t, "the container to have settled", 5*time.Minute, func() bool {
		c.now()
		return len(c.after.series("workload_phase_duration_seconds", phase)) == 1
	})
	c.durations(1, labels{"runtime": "docker", "phase": "start_to_settled", "source": "cpu"})
	took := c.after.must(t, "workload_phase_duration_seconds", phase)
	t.Logf("settled after %.1f s", took)
	if took < 5 || took > 60 {
		t.Errorf("settled after %.1f s, with ten seconds of work", took)
	}
}
