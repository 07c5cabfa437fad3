package process

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// host is a Source on a fake procfs, with a clock that the test moves.
type host struct {
	fakeProc
	source   *Source
	registry *workload.Registry
	pids     []int
	now      time.Time
	uptime   time.Duration
	log      strings.Builder
}

func newHost(t *testing.T) *host {
	h := &host{fakeProc: newFakeProc(t), pids: []int{1}, now: time.Unix(1000, 0), uptime: time.Hour}
	h.registry = workload.NewRegistry(workload.Config{Now: func() time.Time { return h.now }})
	h.source = NewSource(Config{
		ProcRoot: h.root, Host: Host{CPUs: 4, Memory: 8 << 30},
		HostPIDs: func(yield func(string, []int)) { yield("/system.slice/incus.service", h.pids) },
		Now:      func() time.Time { return h.now },
		Uptime:   func() time.Duration { return h.uptime },
		Logger:   testLogger(&h.log),
	}, h.registry)
	h.registry.Add(h.source)
	t.Cleanup(h.source.Close)
	return h
}

// start adds a process of the host.
func (h *host) start(pid int, comm string, started uint64, args ...string) {
	h.put(pid, comm, started, args...)
	h.pids = append(h.pids, pid)
}

// next is the workloads at the next scan, as runtime/id.
func (h *host) next() []string {
	h.now, h.uptime = h.now.Add(5*time.Second), h.uptime+5*time.Second
	return h.list()
}

func (h *host) list() []string {
	var list []string
	for _, w := range h.registry.Refresh() {
		list = append(list, w.Runtime+"/"+w.ID+"/"+w.Name)
	}
	return list
}

func (h *host) expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("workloads: %s", diff)
	}
}

func TestSourceFindsMachines(t *testing.T) {
	h := newHost(t)
	h.start(10, "incusd", 5, "/usr/libexec/incus/incusd")
	h.start(11, "qemu-system-x86", 5, example(t, "incus")...)
	h.start(12, "qemu-system-x86", 5, example(t, "boxes")...)
	h.start(13, "cloud-hyperviso", 5, example(t, "cloud-hypervisor")...)
	h.start(14, "qemu-system-x86", 5, example(t, "libvirt-probe")...)
	h.start(15, "kvm", 5, "/bin/sh", "/usr/local/bin/kvm")
	h.start(16, "kvm", 5)
	h.start(17, "qemu-system-x86", 5, example(t, "by-hand")...)
	h.start(18, "qemu-system-x86", 5, example(t, "kata")...)
	h.expect(t, h.list(), "cloud-hypervisor/build-1/build-1", "incus/v1/v1",
		"libvirt/7f0d1e3a-2d7c-4c6b-8f4e-7c5d2f0d1e3b/fedora40-ws", "qemu/pid-17/pid-17")

	var incus *workload.Workload
	for _, w := range h.registry.Refresh() {
		if w.Runtime == "incus" {
			incus = w
		}
	}
	if incus.Origin != workload.OriginProcess || incus.Cgroup != "" || incus.Hypervisor != "qemu" || incus.Inode != 5<<22|11 {
		t.Errorf("found as %+v", incus)
	}
	var u workload.Usage
	if err := incus.Read(&u); err != nil || u.CPU.Usage != workload.Known(3_000_000_000) {
		t.Errorf("read as %+v, %v", u, err)
	}
}

func TestSourceForgetsMachines(t *testing.T) {
	h := newHost(t)
	h.start(11, "qemu-system-x86", 5, example(t, "incus")...)
	h.start(12, "qemu-system-x86", 5, example(t, "lxd")...)
	h.expect(t, h.list(), "incus/v1/v1", "lxd/test-2-cpu/test-2-cpu")

	// One ends, one goes into the group of a workload.
	h.remove(11, "")
	h.pids = []int{1, 11}
	h.expect(t, h.next())
	if n := len(h.source.found); n != 0 {
		t.Errorf("%d are still known", n)
	}
	h.pids = []int{1}
	h.next()
	if n := len(h.source.seen); n != 1 {
		t.Errorf("%d processes are remembered, want only the first", n)
	}
}

func TestSourceTellsAReusedPID(t *testing.T) {
	h := newHost(t)
	h.start(11, "qemu-system-x86", 5, example(t, "incus")...)
	h.expect(t, h.list(), "incus/v1/v1")
	h.put(11, "qemu-system-x86", 700, example(t, "lxd")...)
	h.expect(t, h.next(), "lxd/test-2-cpu/test-2-cpu")
	h.put(11, "sleep", 900, "sleep", "1")
	h.expect(t, h.next())
}

func TestSourceWaitsForInterval(t *testing.T) {
	h := newHost(t)
	h.expect(t, h.list())
	h.start(11, "qemu-system-x86", 5, example(t, "incus")...)
	h.now = h.now.Add(4999 * time.Millisecond)
	h.expect(t, h.list())
	h.now = h.now.Add(time.Millisecond)
	h.expect(t, h.list(), "incus/v1/v1")
}

func TestSourceLooksTwiceAtANewcomer(t *testing.T) {
	h := newHost(t)
	h.start(11, "incusd", 5, "/usr/libexec/incus/incusd")
	h.expect(t, h.list())
	h.put(11, "qemu-system-x86", 5, example(t, "incus")...)
	h.expect(t, h.next(), "incus/v1/v1")
}

func TestSourceReadsEachProcessOnce(t *testing.T) {
	h := newHost(t)
	h.start(11, "sleep", 5, "sleep", "1")
	h.list()
	h.next()
	h.put(11, "qemu-system-x86", 5, example(t, "incus")...)
	late := 0
	for ; len(h.next()) == 0; late++ {
		if late > rounds {
			t.Fatal("a process that exec'ed late is never found")
		}
	}
	if late == 0 {
		t.Error("a process was read a third time at once")
	}
}

func TestSourceLetsANamelessMachineSettle(t *testing.T) {
	h := newHost(t)
	h.start(11, "qemu-system-x86", 3600*100-10, example(t, "by-hand")...)
	h.expect(t, h.list())
	h.expect(t, h.next(), "qemu/pid-11/pid-11")
}

func TestSourceTakesTheChildOfDaemonize(t *testing.T) {
	h := newHost(t)
	h.start(11, "qemu-system-x86", 5, example(t, "incus")...)
	h.putChild(12, 11, "qemu-system-x86", 6, example(t, "incus")...)
	h.expect(t, h.list(), "incus/v1/v1")
	for range 3 {
		h.pids = []int{1, 11, 12}
		h.expect(t, h.next(), "incus/v1/v1")
		if f := h.source.found; len(f) != 1 || f[12] == nil {
			t.Fatalf("the launcher is taken for the machine: %v", f)
		}
	}
	h.remove(11, "")
	h.pids = []int{1, 12}
	h.expect(t, h.next(), "incus/v1/v1")
}

func TestSourceFindsOverhead(t *testing.T) {
	h := newHost(t)
	id := strings.Repeat("0123456789abcdef", 4)
	h.registry.Found("/system.slice/docker.scope", workload.Candidate{
		Identity: container("docker", id[:12], id[:12]), FullID: id, Cgroup: "/d", Inode: 1, Group: stillGroup{},
	})
	h.start(11, "containerd-shim", 5, "/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-id", id, "-address", "x")
	h.start(12, "conmon", 5, "/usr/bin/conmon", "-c", "short")
	h.list()
	var u workload.Usage
	if err := h.registry.Refresh()[0].Read(&u); err != nil {
		t.Fatal(err)
	}
	if u.Overhead.CPU != workload.Known(3_000_000_000) || u.Overhead.Memory.State() != workload.StateKnown {
		t.Errorf("overhead is %+v", u.Overhead)
	}
	h.pids = []int{1}
	h.next()
	u.Reset()
	if err := h.registry.Refresh()[0].Read(&u); err != nil || u.Overhead.CPU.State() != workload.StateAbsent {
		t.Errorf("overhead of a shim that ended is %+v, %v", u.Overhead, err)
	}
}

func TestSourceReports(t *testing.T) {
	h := newHost(t)
	h.list()
	up := func() string { return fmt.Sprint(h.registry.Statuses()[0].Source, h.registry.Statuses()[0].Up) }
	if got := up(); got != "processtrue" {
		t.Error(got)
	}
	h.remove(1, "comm")
	h.next()
	h.next()
	if got := up(); got != "processfalse" {
		t.Error(got)
	}
	h.put(1, "systemd", 1, "/sbin/init")
	h.next()
	if got := up(); got != "processtrue" {
		t.Error(got)
	}
	if got := strings.Count(h.log.String(), "\n"); got != 2 {
		t.Errorf("%d lines for two changes: %s", got, h.log.String())
	}
}

// stillGroup is a workload that uses nothing.
type stillGroup struct{}

func (stillGroup) Read(*workload.Usage) error { return nil }
func (stillGroup) Running() bool              { return true }
func (stillGroup) Holds(string) bool          { return false }
