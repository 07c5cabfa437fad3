//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// serves waits until the exporter has been started anew and has walked the tree.
const serves = "until curl -sf http://127.0.0.1:10075/-/ready >/dev/null; do sleep 0.1; done"

// arguments runs the exporter with flags, until the test ends. They are where an
// administrator has them, and the package's own are put back.
func arguments(t *testing.T, flags string) {
	t.Helper()
	const file, kept = "/etc/default/workload_exporter", "/run/lab/arguments"
	inLab(t, "cp --update=none %[1]s %[2]s; echo 'ARGS=%[3]s' >%[1]s; systemctl restart workload_exporter; %[4]s", file, kept, flags, serves)
	t.Cleanup(func() {
		inLab(t, "[ ! -e %[1]s ] || mv %[1]s %[2]s; systemctl restart workload_exporter; %[3]s", kept, file, serves)
	})
}

// TestRestartMidBoot ends the exporter in the middle of ten starts, in the two
// ways in which it may end: each start is observed, and none twice.
func TestRestartMidBoot(t *testing.T) {
	const containers = 9
	settled := labels{"runtime": "docker", "phase": "start_to_settled"}
	up := labels{"runtime": "libvirt", "phase": "start_to_guest_up"}
	started := labels{"runtime": "docker", "event": "started"}
	for name, end := range map[string]string{
		"stopped": "systemctl restart workload_exporter",
		"killed":  "systemctl kill -s KILL workload_exporter; sleep 1",
	} {
		t.Run(name, func(t *testing.T) {
			// Whatever settles from before is not to be counted.
			inLab(t, "systemctl stop workload_exporter; rm -rf /var/lib/private/workload_exporter/*; systemctl start workload_exporter; %s", serves)
			defer inLab(t, "virsh -q destroy vm-guest 2>/dev/null; docker rm -f $(seq -f boot%%g %d) >/dev/null 2>&1 || true", containers)
			before := takeScrape(t)
			inLab(t, `for i in $(seq %d); do
				docker create --name boot$i bb:1 /bin/sh -c 'timeout 2 sh -c "while :; do :; done"; exec sleep 1000' >/dev/null
			done`, containers)
			// All at once: the first must not have settled when the last starts.
			inLab(t, "docker start $(seq -f boot%%g %d) >/dev/null & workloads up vm-guest >/dev/null; wait", containers)
			// A scrape says who they are, which is to be written down before the end:
			// one that is killed may tell twice what it has not.
			takeScrape(t)
			inLab(t, `told=$(date +%%s)
				for i in $(seq 100); do [ "$(stat -c %%Y /var/lib/private/workload_exporter/lifecycle.json)" -gt "$told" ] && break; sleep 0.1; done`)
			first := takeScrape(t)
			inLab(t, "%s; %s", end, serves)
			var second scrape
			total := func(l labels) uint64 {
				one, _ := first.observed(l)
				two, _ := second.observed(l)
				zero, _ := before.observed(l)
				return one + two - zero
			}
			eventually(t, "ten starts", 5*time.Minute, func() bool {
				second = takeScrape(t)
				return total(settled) >= containers && total(up) >= 1
			})
			in, _ := first.observed(settled)
			t.Logf("%d of %d had settled before the exporter was %s", in, containers, name)
			if in == containers {
				t.Error("nothing was under way")
			}
			if n := total(settled); n != containers {
				t.Errorf("%d starts have settled, want %d", n, containers)
			}
			if n := total(up); n != 1 {
				t.Errorf("%d guests were up, want 1", n)
			}
			if n := first.sum("workload_lifecycle_events_total", started) + second.sum("workload_lifecycle_events_total", started) -
				before.sum("workload_lifecycle_events_total", started); n != containers {
				t.Errorf("%v starts, want %d", n, containers)
			}
			for _, m := range second["workload_lifecycle_observations_missed_total"].GetMetric() {
				t.Log(fmt.Sprint("missed: ", labelsOf(m), " ", number(m)))
			}
		})
	}
}
