//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLibvirtStopped stops the daemon under running machines: nothing that a
// cgroup tells may be missing, and the source says that it is down.
//
//	drill libvirt: libvirtd is stopped on a host with running machines (lab)
//	shows: every series of a cgroup, of the same workloads; `workload_source_up` 0, then 1
func TestLibvirtStopped(t *testing.T) {
	up := func(s scrape) float64 { return s.sum("workload_source_up", labels{"source": "libvirt"}) }
	eventually(t, "libvirt up", 5*time.Minute, func() bool { return up(takeScrape(t)) == 1 })
	before := takeScrape(t).workloads()
	start := func() { inLab(t, "systemctl start libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd") }
	inLab(t, "systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd")
	defer start()
	eventually(t, "libvirt seen as down", time.Minute, func() bool { return up(takeScrape(t)) == 0 })
	s := takeScrape(t)
	if got := strings.Join(s.workloads(), "\n"); got != strings.Join(before, "\n") {
		t.Errorf("workloads without libvirt:\n%s\nbefore:\n%s", got, strings.Join(before, "\n"))
	}
	for _, name := range []string{"vm-kvm", "vm-tcg"} {
		for _, metric := range []string{"workload_cpu_usage_seconds_total", "workload_memory_resident_bytes", "workload_pressure_cpu_waiting_seconds_total", "workload_vm_vcpu_seconds_total"} {
			s.must(t, metric, labels{"name": name})
		}
	}
	start()
	eventually(t, "libvirt up again", 5*time.Minute, func() bool { return up(takeScrape(t)) == 1 })
	if got := strings.Join(takeScrape(t).workloads(), "\n"); got != strings.Join(before, "\n") {
		t.Errorf("workloads after the restart:\n%s\nbefore:\n%s", got, strings.Join(before, "\n"))
	}
}

// TestDiedUnheard has a machine's QEMU killed while libvirtd cannot tell, be it
// stopped or killed: how it ended is counted as missed, and not guessed.
func TestDiedUnheard(t *testing.T) {
	const units = "libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd"
	const qemu = "$(cat /run/libvirt/qemu/vm-tcg.pid)"
	up := func() bool { return takeScrape(t).sum("workload_source_up", labels{"source": "libvirt"}) == 1 }
	for name, do := range map[string]string{
		"stopped": "systemctl stop " + units + " && kill -9 " + qemu + " && sleep 1 && systemctl start " + units,
		// systemd starts it again.
		"killed": "kill -9 $(cat /run/libvirtd.pid) " + qemu,
	} {
		eventually(t, "libvirt up", 2*time.Minute, up)
		c := changing(t)
		inLab(t, "%s", do)
		exit := labels{"phase": "exit"}
		eventually(t, name+": the end to be counted", 3*time.Minute, func() bool {
			c.now()
			return c.after.sum("workload_lifecycle_observations_missed_total", exit) > c.before.sum("workload_lifecycle_observations_missed_total", exit)
		})
		eventually(t, "libvirt up again", 2*time.Minute, up)
		c.now()
		c.want("workload_lifecycle_observations_missed_total", 1, exit)
		c.want("workload_exits_total", 0, labels{"runtime": "libvirt"})
		c.durations(0, labels{"runtime": "libvirt"})
		inLab(t, "workloads up vm-tcg >/dev/null")
	}
}

// TestRemovedDuringScrape starts and removes containers while others scrape: a
// workload is in a scrape with all of its series, or not at all.
//
//	drill cgroup: containers start and end while others scrape (lab)
//	shows: a workload is in a scrape with all of its series or not at all
func TestRemovedDuringScrape(t *testing.T) {
	inLab(t, `(for i in 1 2 3 4 5; do docker run -d --name churn$i bb:1 /bin/sleep 1000 >/dev/null; docker rm -f churn$i >/dev/null; done; touch /run/lab/churned) >/dev/null 2>&1 &`)
	defer inLab(t, "rm -f /run/lab/churned")
	families := []string{
		"workload_info", "workload_cpu_usage_seconds_total", "workload_memory_resident_bytes", "workload_memory_working_set_bytes",
		"workload_tasks", "workload_pressure_cpu_waiting_seconds_total", "workload_io_reads_total",
	}
	seen, scrapes := map[string]bool{}, 0
	eventually(t, "the churn to end", 10*time.Minute, func() bool {
		s := takeScrape(t)
		scrapes++
		for _, m := range s.series("workload_info", labels{"runtime": "docker"}) {
			seen[labelsOf(m)["id"]] = true
		}
		for _, family := range families {
			if got, want := len(s[family].GetMetric()), len(s["workload_info"].GetMetric()); got != want {
				t.Errorf("%d series of %s for %d workloads", got, family, want)
			}
		}
		_, err := lab("test -e /run/lab/churned")
		return err == nil
	})
	t.Logf("%d scrapes saw %d docker containers", scrapes, len(seen))
	if len(seen) < 4 {
		t.Errorf("no scrape saw any of the containers that came and went")
	}
}

// TestKernelFaults runs tests of cgroupfs on the lab's kernel, which hands down
// controllers that a host under test may not.
func TestKernelFaults(t *testing.T) {
	tests := []string{"TestPressureSwitchedOff", "TestUnsupported", "TestControllerSwitchedOff", "TestLiveGroup", "TestLiveGroupEnds"}
	bin := filepath.Join(t.TempDir(), "cgroupfs.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", bin, "../cgroupfs")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := script("put", bin, "/root/cgroupfs.test"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer inLab(t, "rm /root/cgroupfs.test")
	out, err := lab("CI=true /root/cgroupfs.test -test.v -test.run '^(" + strings.Join(tests, "|") + ")$'")
	if n := strings.Count(out, "\n--- PASS"); err != nil || n != len(tests) {
		t.Errorf("%d of %d passed: %v\n%s", n, len(tests), err, out)
	}
}

// TestRestarted stops the service and starts it again: it ends well, and shows the same.
func TestRestarted(t *testing.T) {
	before := takeScrape(t).workloads()
	inLab(t, "systemctl restart workload_exporter")
	if got := strings.Join(takeScrape(t).workloads(), "\n"); got != strings.Join(before, "\n") {
		t.Errorf("workloads after a restart:\n%s\nbefore:\n%s", got, strings.Join(before, "\n"))
	}
	if out := inLab(t, "systemctl show -P Result workload_exporter; journalctl -q -u workload_exporter --no-pager | grep -i -E 'panic|level=ERROR' || true"); strings.TrimSpace(out) != "success" {
		t.Errorf("the service's journal:\n%s", out)
	}
}
