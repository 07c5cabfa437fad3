//go:build e2e && latency

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"
)

// subject is a workload that lives again and again. Its scripts print "name=time" lines.
type subject struct {
	runtime string
	prepare string
	// up prints first what we call the workload, and down what is left to know of it.
	up, down string
	cleanup  string
	// stops has an end that we measure.
	stops   bool
	compare func(t *testing.T, l *latencies, one life)
}

// life is one start and one end.
type life struct {
	id string
	// Before the start, while it lived, and when it was over.
	before, alive, after scrape
	stamps               stamps
	kernel               stamps
}

func (s subject) phase(name, source string) labels {
	l := labels{"runtime": s.runtime, "phase": name}
	if source != "" {
		l["source"] = source
	}
	return l
}

func (s subject) live(t *testing.T, l *latencies) {
	t.Helper()
	one := life{before: takeScrape(t)}
	up := inLab(t, "%s", s.up)
	id, rest, _ := strings.Cut(up, "\n")
	one.id = strings.TrimSpace(id)
	one.alive = takeScrape(t)
	_, cgroup := cgroupOf(t, one.alive, labels{"runtime": s.runtime, "id": one.id})
	down := inLab(t, "%s; %s", s.down, traceRead)
	stopped, _ := one.before.observed(s.phase("stop", ""))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		one.after = takeScrape(t)
		now, _ := one.after.observed(s.phase("stop", ""))
		if !s.stops || now > stopped {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: no stop was measured; missed in this life: %q\n%s", s.runtime, missed(one.before, one.after), down)
		}
	}
	one.stamps, one.kernel = printed(t, rest+down), traced(t, down, cgroup)
	s.compare(t, l, one)
}

// took is how long the one phase between two scrapes was.
func took(t *testing.T, before, after scrape, want labels) float64 {
	t.Helper()
	n, was := before.observed(want)
	m, is := after.observed(want)
	if m != n+1 {
		t.Fatalf("%d durations of %v, want one", m-n, want)
	}
	return is - was
}

// missed lists what was counted as missed between two scrapes.
func missed(before, after scrape) (list []string) {
	const metric = "workload_lifecycle_observations_missed_total"
	for _, m := range after[metric].GetMetric() {
		l := labelsOf(m)
		if n := number(m) - before.sum(metric, l); n > 0 {
			list = append(list, fmt.Sprint(l, " ", n))
		}
	}
	return list
}

// shown is what the workload itself was shown with.
func (one life) shown(t *testing.T, name string, more labels) float64 {
	t.Helper()
	want := labels{"id": one.id}
	maps.Copy(want, more)
	v, ok := one.alive.value(t, name, want)
	if !ok {
		t.Fatalf("%s%v is not there; missed in this life: %q", name, want, missed(one.before, one.alive))
	}
	return v
}

// group compares what the cgroup told with the kernel's own stamps of it.
func (one life) group(t *testing.T, l *latencies, runtime string) {
	t.Helper()
	l.compare(comparison{runtime, "create_to_started", "kernel: cgroup_mkdir to cgroup_notify_populated"},
		one.shown(t, "workload_phase_duration_seconds", labels{"phase": "create_to_started"}), one.kernel.span(t, "mkdir", "populated"))
}

func (one life) start(t *testing.T) float64 {
	t.Helper()
	return one.shown(t, "workload_start_timestamp_seconds", nil)
}

// obeys ends when it is asked to, and says when it can be.
const obeys = `bb:1 /bin/sh -c 'trap "exit 0" TERM; echo up; sleep 100000 & wait'`

const (
	noRequestTold = "nobody tells when it was asked to end"
	beforeEvent   = "Created is before the file system is made, create is told after it"
	beforeProgram = "StartedAt is the program's start, after that of the engine's first process"
)

func engineSubject(runtime string) subject {
	inspect := map[string]string{
		"docker": `id={{.Id}}\ncreated={{.Created}}\nstarted={{.State.StartedAt}}\nfinished={{.State.FinishedAt}}`,
		"podman": `id={{.ID}}\ncreated={{.Created.UnixNano}}\nstarted={{.State.StartedAt.UnixNano}}\nfinished={{.State.FinishedAt.UnixNano}}`,
	}[runtime]
	events := map[string]string{
		"docker": `docker events --since 10m --until 0s --filter container=$(docker inspect -f '{{.Id}}' life) --format 'event_{{.Action}}={{.TimeNano}}'`,
		"podman": `podman events --since 10m --stream=false --filter container=$(podman inspect -f '{{.ID}}' life) --format json |
			sed 's/.*"Status":"\([a-z]*\)".*"timeNano":\([0-9]*\).*/event_\1=\2/'`,
	}[runtime]
	s := subject{
		runtime: runtime,
		prepare: runtime + " --version",
		up: `cid=$(R run -d --name life ` + obeys + `) && echo $cid | cut -c1-12
			until R logs life | grep -q up; do sleep 0.2; done`,
		down: `R stop -t 60 life >/dev/null; R inspect -f "$(printf '` + inspect + `')" life | grep -v ^id
			until e=$(` + events + `) && echo "$e" | grep -q event_die; do sleep 0.2; done; echo "$e"; R rm life >/dev/null`,
	}
	s.up, s.down = strings.ReplaceAll(s.up, "R ", runtime+" "), strings.ReplaceAll(s.down, "R ", runtime+" ")
	s.stops = runtime == "docker"
	s.compare = func(t *testing.T, l *latencies, one life) {
		t.Helper()
		one.group(t, l, runtime)
		engine := took(t, one.before, one.alive, s.phase("create_to_started", "engine"))
		l.compare(comparison{runtime, "create_to_started (engine)", runtime + " events: create to start, the same stamps read by its own client"}, engine, one.stamps.span(t, "event_create", "event_start"))
		l.elsewhere(comparison{runtime, "create_to_started (engine)", runtime + " inspect: Created to StartedAt"}, beforeEvent, engine, one.stamps.span(t, "created", "started"))
		l.elsewhere(comparison{runtime, "start", runtime + " inspect: StartedAt"}, beforeProgram, one.start(t), one.stamps["started"])
		if !s.stops {
			l.none(comparison{runtime: runtime, phase: "stop"}, noRequestTold+": it tells of a stop when it is done, and of no signal")
			return
		}
		stop := took(t, one.alive, one.after, s.phase("stop", ""))
		l.elsewhere(comparison{runtime, "stop", runtime + " events: kill to die"}, "die is told after the clean-up",
			stop, one.stamps.span(t, "event_kill", "event_die"))
		l.compare(comparison{runtime, "stop", runtime + " events: kill, to inspect: FinishedAt"}, stop, one.stamps.span(t, "event_kill", "finished"))
	}
	return s
}

func lxcSubject() subject {
	return subject{
		runtime: "lxc",
		prepare: "lxc-start --version; workloads down lx1 >/dev/null",
		up:      `rm -f /run/lab/lx1.trace; lxc-start -n lx1 -l TRACE -o /run/lab/lx1.trace && lxc-wait -n lx1 -s RUNNING -t 60 && echo lx1`,
		down: `lxc-stop -k -n lx1; sed -n 's/^[^ ]* lx1 \(....\)\(..\)\(..\)\(..\)\(..\)\([0-9.]*\) .*/\1-\2-\3 \4:\5:\6+0000 &/p' /run/lab/lx1.trace |
			sed -n 's/^\([^ ]* [^ ]*\) .*as inner and .*/log_made=\1/p; s/^\([^ ]* [^ ]*\) .*Cloned child process.*/log_cloned=\1/p'`,
		cleanup: "workloads up lx1 >/dev/null",
		compare: func(t *testing.T, l *latencies, one life) {
			t.Helper()
			one.group(t, l, "lxc")
			l.compare(comparison{"lxc", "create_to_started", "lxc-start's log: cgroup made to process cloned"},
				one.shown(t, "workload_phase_duration_seconds", labels{"phase": "create_to_started"}), one.stamps.span(t, "log_made", "log_cloned"))
			l.compare(comparison{"lxc", "start", "lxc-start's log: process cloned"}, one.start(t), one.stamps["log_cloned"])
			l.none(comparison{runtime: "lxc", phase: "stop"}, noRequestTold)
		},
	}
}

func nspawnSubject() subject {
	return subject{
		runtime: "nspawn",
		prepare: "systemctl --version | head -1; systemctl stop systemd-nspawn@nsp2",
		up:      `systemctl start systemd-nspawn@nsp2 && echo nsp2`,
		down: `systemctl stop systemd-nspawn@nsp2; systemctl show --timestamp=us+utc systemd-nspawn@nsp2 \
			-p ExecMainStartTimestamp,ActiveExitTimestamp,InactiveEnterTimestamp | grep -v '=$'`,
		cleanup: "systemctl start systemd-nspawn@nsp2",
		stops:   true,
		compare: func(t *testing.T, l *latencies, one life) {
			t.Helper()
			one.group(t, l, "nspawn")
			l.compare(comparison{"nspawn", "start", "unit: ExecMainStartTimestamp"}, one.start(t), one.stamps["ExecMainStartTimestamp"])
			stop := took(t, one.alive, one.after, labels{"runtime": "nspawn", "phase": "stop", "source": "systemd"})
			l.compare(comparison{"nspawn", "stop", "unit: ActiveExitTimestamp to InactiveEnterTimestamp"}, stop, one.stamps.span(t, "ActiveExitTimestamp", "InactiveEnterTimestamp"))
			l.compare(comparison{"nspawn", "stop", "unit: ActiveExitTimestamp, to kernel: cgroup_notify_populated"}, stop, one.kernel.wall(t, "empty")-one.stamps["ActiveExitTimestamp"])
		},
	}
}

func libvirtSubject() subject {
	return subject{
		// It powers itself off as soon as it is up.
		runtime: "libvirt",
		prepare: `virsh --version; sed 's/vm-guest/vm-life/g; s|</cmdline>| rdinit=/bin/busybox -- poweroff -f</cmdline>|' /srv/lab/vm-guest.xml >/run/lab/vm-life.xml
			virsh event --loop --all --timestamp >>/run/lab/virsh-events 2>&1 </dev/null & echo $! >/run/lab/virsh-events.pid`,
		up: `virsh -q create /run/lab/vm-life.xml; virsh -q domuuid vm-life`,
		// A guest that hangs in its firmware, as emulated ones do at times, begins anew: what is measured lies before and after.
		down: `for n in $(seq 1500); do
				grep -q 'vm-life.: Stopped' /run/lab/virsh-events && break
				[ $((n % 150)) != 0 ] || virsh -q reset vm-life
				sleep 0.2
			done
			sed -n "s/^\(.*+0000\): event 'lifecycle' for domain 'vm-life': \(Started\|Shutdown\|Stopped\).*/event_\2=\1/p" /run/lab/virsh-events; : >/run/lab/virsh-events
			tac /var/log/libvirt/qemu/vm-life.log | sed -n 's/^\([^a-z]*+0000\): starting up.*/log_up=\1/p; s/^\([^a-z]*+0000\): shutting down.*/log_down=\1/p'`,
		cleanup: `kill $(cat /run/lab/virsh-events.pid)`,
		stops:   true,
		compare: func(t *testing.T, l *latencies, one life) {
			t.Helper()
			const vm = "libvirt"
			start := one.shown(t, "workload_phase_duration_seconds", labels{"phase": "create_to_started"})
			l.compare(comparison{vm, "create_to_started", "kernel: cgroup_mkdir, to virsh event: Started"}, start, one.stamps["event_Started"]-one.kernel.wall(t, "mkdir"))
			l.elsewhere(comparison{vm, "create_to_started", "log: starting up, to virsh event: Started"}, "the log's line comes before QEMU and its scope",
				start, one.stamps.span(t, "log_up", "event_Started"))
			l.compare(comparison{vm, "start", "virsh event: Started"}, one.start(t), one.stamps["event_Started"])
			stop := took(t, one.alive, one.after, labels{"runtime": vm, "phase": "stop"})
			l.compare(comparison{vm, "stop", "virsh event: Shutdown to Stopped"}, stop, one.stamps.span(t, "event_Shutdown", "event_Stopped"))
			l.elsewhere(comparison{vm, "stop", "virsh event: Shutdown, to log: shutting down"}, "the log's line is the beginning of the clean-up, Stopped its end",
				stop, one.stamps.span(t, "event_Shutdown", "log_down"))
		},
	}
}
