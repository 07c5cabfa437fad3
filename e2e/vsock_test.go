//go:build e2e

package e2e

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// console is what a guest of vm-systemd's kind last printed of itself, in seconds.
func console(t *testing.T, vm, stamp string) (at float64, ok bool) {
	t.Helper()
	text := inLab(t, "cat /var/log/libvirt/qemu/%s.console 2>/dev/null || true", vm)
	all := regexp.MustCompile(stamp+`=(\d+)`).FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(all[len(all)-1][1], 10, 63)
	if err != nil {
		t.Fatal(err)
	}
	return float64(n) / 1e6, true
}

// kernelStart is when a guest's kernel started by the guest's clock on the wall, in seconds.
func kernelStart(t *testing.T, vm string) float64 {
	t.Helper()
	text := inLab(t, "sed -n 's/\\r//; s/^kernel=//p' /var/log/libvirt/qemu/%s.console | tail -n 1", vm)
	at, err := time.Parse("Mon 2006-01-02 15:04:05.999999 MST", strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	return float64(at.UnixNano()) / 1e9
}

// inGuest has the guest's systemctl do something, by its second serial port.
func inGuest(t *testing.T, vm, verb string) {
	t.Helper()
	// QEMU reads no more once nobody has the other side open.
	inLab(t, `pty=$(virsh -q dumpxml %s | sed -n "/<serial type='pty'/,/<\/serial>/s/.*source path='\([^']*\)'.*/\1/p"); { echo %s; sleep 3; } >$pty`, vm, verb)
}

// TestGuestsTell has a guest whose systemd tells of its boot, its reboot and its end.
func TestGuestsTell(t *testing.T) {
	arguments(t, "--vsock.listen=9999")
	vm := func(phase, source string) labels {
		return labels{"kind": "vm", "runtime": "libvirt", "phase": phase, "source": source}
	}
	if up := takeScrape(t).must(t, "workload_source_up", labels{"source": "vsock"}); up != 1 {
		t.Fatalf("workload_source_up is %v", up)
	}
	c := changing(t)
	inLab(t, "rm -f /var/log/libvirt/qemu/vm-systemd.console; workloads up vm-systemd >/dev/null")
	defer inLab(t, "virsh -q destroy vm-systemd 2>/dev/null || true")
	wait := func(l labels) {
		t.Helper()
		eventually(t, l["phase"], 5*time.Minute, func() bool {
			c.now()
			before, _ := c.before.observed(l)
			after, _ := c.after.observed(l)
			return after > before
		})
		c.durations(1, l)
	}
	took := func(l labels) float64 {
		_, before := c.before.observed(l)
		_, after := c.after.observed(l)
		return after - before
	}
	wait(vm("start_to_ready", "vsock"))
	c.durations(1, vm("start_to_guest_up", "vsock"))
	var finish float64
	eventually(t, "the guest's own stamps", 2*time.Minute, func() (ok bool) {
		finish, ok = console(t, "vm-systemd", "finish")
		return ok
	})
	basic, _ := console(t, "vm-systemd", "basic")
	multi, _ := console(t, "vm-systemd", "multi-user")
	up, ready := took(vm("start_to_guest_up", "vsock")), took(vm("start_to_ready", "vsock"))
	// The guest's clock begins with its kernel, ours with STARTED: between the
	// two is the firmware, which is the same for both phases.
	t.Logf("guest, since its kernel: basic.target %.3f s, multi-user.target %.3f s, finished %.3f s", basic, multi, finish)
	t.Logf("host, since STARTED: guest_up %.3f s, ready %.3f s; firmware %.3f s by the one, %.3f s by the other", up, ready, up-basic, ready-finish)
	t.Logf("from up to ready: host %.3f s, guest %.3f s", ready-up, finish-basic)
	started := c.after.must(t, "workload_start_timestamp_seconds", labels{"name": "vm-systemd"})
	kernel := kernelStart(t, "vm-systemd")
	for _, tt := range []struct {
		phase             string
		ours, theirs, aim float64
	}{
		{"start_to_guest_up", started + up, kernel + basic, 1},
		{"start_to_ready", started + ready, kernel + finish, .1},
	} {
		late := tt.ours - tt.theirs
		t.Logf("%s ends %.3f s after the guest's own clock says so; the aim is %v s", tt.phase, late, tt.aim)
		if math.Abs(late) > 10*tt.aim {
			t.Errorf("%s is %.3f s off", tt.phase, late)
		}
	}
	if up < basic || ready < finish {
		t.Error("the guest was up before its own clock says so")
	}

	c = changing(t)
	inGuest(t, "vm-systemd", "reboot")
	wait(vm("reboot", "vsock"))
	c.durations(1, labels{"runtime": "libvirt", "phase": "reboot", "outcome": "reset"})
	c.want("workload_lifecycle_events_total", 1, labels{"runtime": "libvirt", "event": "rebooted"})
	for _, event := range []string{"started", "stopped", "created", "removed"} {
		c.want("workload_lifecycle_events_total", 0, labels{"runtime": "libvirt", "event": event})
	}
	c.want("workload_restarts_total", 0, labels{"runtime": "libvirt"})
	c.durations(0, vm("stop", "vsock"))

	c = changing(t)
	inGuest(t, "vm-systemd", "poweroff")
	wait(vm("stop", "vsock"))
	c.durations(1, labels{"runtime": "libvirt", "phase": "stop", "source": "vsock", "outcome": "graceful"})
	c.durations(1, labels{"runtime": "libvirt", "phase": "stop", "source": "libvirt", "outcome": "graceful"})
	c.want("workload_exits_total", 1, labels{"runtime": "libvirt", "reason": "clean"})
	c.want("workload_lifecycle_observations_missed_total", 0, labels{"reason": "unknown_guest"})
}

// TestGuestNeverUp has a guest that ends up in the emergency shell, which says
// READY=1, and is neither up nor ready: after a time that is counted.
func TestGuestNeverUp(t *testing.T) {
	arguments(t, "--vsock.listen=9999 --lifecycle.timeout=150s")
	c := changing(t)
	inLab(t, "rm -f /var/log/libvirt/qemu/vm-emergency.console; workloads up vm-emergency >/dev/null")
	defer inLab(t, "virsh -q destroy vm-emergency 2>/dev/null || true")
	timeout := labels{"phase": "start_to_guest_up", "reason": "timeout"}
	eventually(t, "a timeout", 5*time.Minute, func() bool {
		c.now()
		return c.after.sum("workload_lifecycle_observations_missed_total", timeout) > c.before.sum("workload_lifecycle_observations_missed_total", timeout)
	})
	if _, ok := console(t, "vm-emergency", "finish"); !ok {
		t.Error("the guest had not finished its boot by then")
	}
	log := inLab(t, "journalctl -u workload_exporter -b --no-pager | tail -n 3")
	t.Log(strings.TrimSpace(log))
	for _, phase := range []string{"start_to_guest_up", "start_to_ready", "reboot", "stop"} {
		c.durations(0, labels{"runtime": "libvirt", "phase": phase})
	}
}
