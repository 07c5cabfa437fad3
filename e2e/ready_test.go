//go:build e2e

package e2e

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// starts prints what the runtimes themselves say of when things started: id and
// seconds since the epoch. Those that keep no such time (LXC, containerd's tasks) are told
// by the start of their first process, which ps gives in whole seconds. Of Docker
// and of Podman's pods also when it was asked: a container's first process is the
// engine's, and a pod's slice is there before it, long before the program where
// everything starts at once.
const starts = `
epoch() { date -d "$1" +%s.%N; }
docker ps -q | while read -r id; do echo "$id $(epoch "$(docker inspect -f '{{.State.StartedAt}}' "$id")") $(epoch "$(docker inspect -f '{{.Created}}' "$id")")"; done
podman ps --format '{{.ID}} {{.Pod}}' | while read -r id pod; do
	[ -n "$pod" ] || echo "$id $(date -d "@$(podman inspect --format '{{.State.StartedAt.UnixNano}}' "$id" | sed 's/.........$/.&/')" +%s.%N)"
done
for pod in $(podman pod ps -q); do
	infra=$(podman pod inspect --format '{{.InfraContainerID}}' "$pod")
	echo "$(echo "$pod" | cut -c1-12) $(podman inspect --format '{{.State.StartedAt.UnixNano}}' "$infra" | sed 's/.........$/.&/') \
		$(podman pod inspect --format '{{.Created.UnixNano}}' "$pod" | sed 's/.........$/.&/')"
done
process() { epoch "$(ps -o lstart= -p "$1")"; }
ctr tasks ls | awk '$3 == "RUNNING" { print $1, $2 }' | while read -r id pid; do
	[ "$id" != pod1 ] || id=11111111-2222-3333-4444-555555555555
	echo "$id $(process "$pid")"
done
lxc-ls --running -1 | sed 's/ *$//; /./!d' | while read -r id; do echo "$id $(process "$(lxc-info -n "$id" -p -H)")"; done
incus list -f csv -c n status=running </dev/null | while read -r id; do
	echo "$id $(epoch "$(incus query "/1.0/instances/$id" </dev/null | sed -n 's/.*"last_used_at": "\(.*\)".*/\1/p')")"
done
machined() { busctl get-property org.freedesktop.machine1 "$(busctl call org.freedesktop.machine1 /org/freedesktop/machine1 org.freedesktop.machine1.Manager GetMachine s "$1" |
	sed 's/.*"\(.*\)"/\1/')" org.freedesktop.machine1.Machine Timestamp | sed 's/t //; s/......$/.&/'; }
machinectl list --no-legend --no-pager | while read -r machine class service rest; do
	case $service in
	systemd-nspawn) echo "$machine $(machined "$machine")" ;;
	libvirt-qemu) echo "$(virsh -q -c qemu:///system domuuid "$(echo "$machine" | cut -d- -f3-)" | sed '/./!d') $(machined "$machine")" ;;
	libvirt-lxc) echo "$(virsh -q -c lxc:///system domuuid "$(echo "$machine" | cut -d- -f3-)" | sed '/./!d') $(machined "$machine")" ;;
	esac
done
`

// TestAdopted has an exporter that remembers nothing: what runs has its start, as
// the runtimes tell it, and nothing is counted or measured.
func TestAdopted(t *testing.T) {
	inLab(t, "systemctl stop workload_exporter && rm -rf /var/lib/private/workload_exporter/* && systemctl start workload_exporter")
	eventually(t, "systemd to be asked", time.Minute, func() bool {
		return takeScrape(t).sum("workload_source_up", labels{"source": "systemd"}) == 1
	})
	want := map[string][]float64{}
	for line := range strings.Lines(inLab(t, "%s", starts)) {
		f := strings.Fields(line)
		for _, stamp := range f[1:] {
			at, err := strconv.ParseFloat(stamp, 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			want[f[0]] = append(want[f[0]], at)
		}
	}
	s := takeScrape(t)
	list := s.series("workload_info", nil)
	if len(want) < 14 || len(list) < 14 {
		t.Errorf("%d starts told by the runtimes, %d workloads", len(want), len(list))
	}
	for _, m := range list {
		who := labelsOf(m)
		told := want[who["id"]]
		if len(told) == 0 {
			t.Errorf("%s %s: no start told by the runtime", who["runtime"], who["id"])
			continue
		}
		theirs := told[0]
		ours := s.must(t, "workload_start_timestamp_seconds", labels{"id": who["id"]})
		t.Logf("%-12s %-36s ours is %6.3f s before the runtime's", who["runtime"], who["id"], theirs-ours)
		// The runtimes write theirs down when they are done, whole seconds some.
		earliest := theirs - 10
		if len(told) > 1 {
			earliest = told[1]
		}
		if ours < earliest || ours > theirs+10 {
			t.Errorf("%s %s: started at %.3f, the runtime says %.3f", who["runtime"], who["id"], ours, theirs)
		}
	}
	if n, _ := s.observed(nil); n != 0 {
		t.Errorf("%d durations of what ran before", n)
	}
	for _, name := range []string{"workload_restarts_total", "workload_exits_total", "workload_lifecycle_events_total"} {
		if n := s.sum(name, nil); n != 0 {
			t.Errorf("%s is %v after the start", name, n)
		}
	}
	// A unit that told when it was ready has kept that.
	s.must(t, "workload_ready_timestamp_seconds", labels{"id": "nsp2"})
}

// TestUnitReady has a machine whose init says when it is ready, and holds what is
// shown against the stamps of its unit.
func TestUnitReady(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "notifier")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./notifier")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	inLab(t, "rm -rf /srv/ready && cp -a /srv/bb /srv/ready")
	defer inLab(t, "rm -rf /srv/ready")
	if _, err := script("put", binary, "/srv/ready/bin/notifier"); err != nil {
		t.Fatal(err)
	}
	c := changing(t)
	inLab(t, `chmod 755 /srv/ready/bin/notifier
		systemd-run --no-block --collect --unit=ready --slice=machine.slice -p Delegate=yes -p Type=notify -p NotifyAccess=all -p TimeoutStartSec=300 \
		systemd-nspawn -D /srv/ready -M ready --keep-unit --private-network --notify-ready=yes /bin/notifier 5s >/dev/null 2>&1`)
	defer inLab(t, "systemctl stop ready")
	ready := labels{"runtime": "nspawn", "id": "ready"}
	eventually(t, "the machine to be ready", 2*time.Minute, func() bool {
		c.now()
		return len(c.after.series("workload_ready_timestamp_seconds", ready)) == 1
	})
	c.durations(1, labels{"runtime": "nspawn", "phase": "start_to_ready", "source": "systemd"})
	stamp := func(property string) float64 {
		us, err := strconv.ParseFloat(strings.TrimSpace(inLab(t, "systemctl show ready -P %sMonotonic", property)), 64)
		if err != nil {
			t.Fatal(err)
		}
		return us / 1e6
	}
	theirs := stamp("ActiveEnterTimestamp") - stamp("InactiveExitTimestamp")
	ours := c.after.must(t, "workload_phase_duration_seconds", labels{"id": "ready", "phase": "start_to_ready"})
	t.Logf("start_to_ready %.6f s, by the unit's stamps %.6f s", ours, theirs)
	if math.Abs(ours-theirs) > 1e-5 || ours < 5 {
		t.Errorf("start_to_ready is %.6f s, by the unit's stamps %.6f s", ours, theirs)
	}
}

// TestHealth has containers with a check, and an exporter that may hear of it.
func TestHealth(t *testing.T) {
	inLab(t, `systemctl start podman.socket
		mkdir -p /run/systemd/system/workload_exporter.service.d
		printf '[Service]\nDynamicUser=no\nUser=root\n' >/run/systemd/system/workload_exporter.service.d/root.conf
		systemctl daemon-reload && systemctl restart workload_exporter`)
	defer inLab(t, `rm -r /run/systemd/system/workload_exporter.service.d && systemctl daemon-reload && systemctl restart workload_exporter`)
	for _, engine := range []struct{ name, image string }{{"docker", "bb:1"}, {"podman", "localhost/bb:1"}} {
		t.Run(engine.name, func(t *testing.T) {
			eventually(t, "it to be listened to", time.Minute, func() bool {
				return takeScrape(t).sum("workload_source_up", labels{"source": engine.name}) == 1
			})
			c := changing(t)
			id := strings.TrimSpace(inLab(t, `%s run -d --name check --health-cmd 'test -e /ok' --health-interval 1s --health-retries 2 %s /bin/sh -c 'sleep 5; touch /ok; exec sleep 1000'`,
				engine.name, engine.image))[:12]
			defer inLab(t, "%s rm -f -t 0 check >/dev/null 2>&1 || %s rm -f check >/dev/null", engine.name, engine.name)
			who := labels{"id": id, "runtime": engine.name}
			eventually(t, "the container to be healthy", 3*time.Minute, func() bool {
				c.now()
				return len(c.after.series("workload_ready_timestamp_seconds", who)) == 1
			})
			// The first check that went well, as the engine wrote it down: it keeps five.
			log := inLab(t, `%s inspect check --format '{{range .State.Health.Log}}{{.ExitCode}} {{.End}}
{{end}}'`, engine.name)
			first := 0.0
			for line := range strings.Lines(log) {
				code, end, _ := strings.Cut(strings.TrimSpace(line), " ")
				if code == "0" && first == 0 {
					first = parsed(t, end)
				}
			}
			if first == 0 {
				t.Fatalf("no check went well: %s", log)
			}
			ready := c.after.must(t, "workload_ready_timestamp_seconds", who)
			start := c.after.must(t, "workload_start_timestamp_seconds", who)
			took := c.after.must(t, "workload_phase_duration_seconds", labels{"id": id, "phase": "start_to_ready"})
			t.Logf("ready %.3f s after the check's end by the engine; start_to_ready %.3f s", ready-first, took)
			if math.Abs(ready-first) > 2 || math.Abs(ready-start-took) > 0.01 || took < 5 {
				t.Errorf("ready at %.3f, start at %.3f, start_to_ready %.3f s; the check's end %.3f", ready, start, took, first)
			}
			// It falls ill and recovers: that is no start.
			inLab(t, "%s exec check rm /ok", engine.name)
			eventually(t, "it to be unhealthy", time.Minute, func() bool {
				return strings.TrimSpace(inLab(t, "%s inspect check --format '{{.State.Health.Status}}'", engine.name)) == "unhealthy"
			})
			inLab(t, "%s exec check touch /ok", engine.name)
			eventually(t, "it to be healthy again", time.Minute, func() bool {
				return strings.TrimSpace(inLab(t, "%s inspect check --format '{{.State.Health.Status}}'", engine.name)) == "healthy"
			})
			c.now()
			c.durations(1, labels{"runtime": engine.name, "phase": "start_to_ready", "source": engine.name})
			c.durations(1, labels{"phase": "start_to_ready"})
		})
	}
}

// parsed is a stamp as Go prints or encodes it, in seconds since the epoch.
func parsed(t *testing.T, stamp string) float64 {
	t.Helper()
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05.999999999 -0700 -0700"} {
		if at, err := time.Parse(layout, stamp); err == nil {
			return float64(at.UnixNano()) / 1e9
		}
	}
	t.Fatalf("%q is no stamp", stamp)
	return 0
}
