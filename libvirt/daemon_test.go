package libvirt

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// daemon is a private libvirtd: a session daemon with its own home, whose
// machines run under software emulation. It needs no root, and as root it runs
// as nobody, since a session daemon of root's own would be the system's.
type daemon struct {
	t      *testing.T
	dir    string
	env    []string
	as     *syscall.SysProcAttr
	cmd    *exec.Cmd
	socket string
}

const nobody = 65534

func startDaemon(t *testing.T) *daemon {
	t.Helper()
	for _, tool := range []string{"libvirtd", "virsh", "qemu-system-x86_64"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing, and CI skips nothing", tool)
			}
			t.Skipf("no %s here", tool)
		}
	}
	d := &daemon{t: t, dir: shortDir(t), as: &syscall.SysProcAttr{}}
	d.socket = filepath.Join(d.dir, "run/libvirt/libvirt-sock")
	d.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir, "XDG_RUNTIME_DIR=" + d.dir + "/run",
		"XDG_CONFIG_HOME=" + d.dir + "/config", "XDG_CACHE_HOME=" + d.dir + "/cache", "XDG_DATA_HOME=" + d.dir + "/data",
	}
	for _, name := range []string{"run", "config/libvirt", "cache", "data"} {
		if err := os.MkdirAll(filepath.Join(d.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.write("config/libvirt/qemu.conf", "stdio_handler = \"file\"\n")
	d.write("libvirtd.conf", fmt.Sprintf("log_outputs = \"3:file:%s/libvirtd.log\"\n", d.dir))
	if os.Geteuid() == 0 {
		d.as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		err := filepath.Walk(d.dir, func(path string, _ os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return os.Chown(path, nobody, nobody)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// Machines outlive their daemon: end those that are left, by PID file.
	t.Cleanup(func() {
		files, _ := filepath.Glob(filepath.Join(d.pidDir(), "*.pid"))
		for _, file := range files {
			if pid, err := readPID(d.pidDir(), strings.TrimSuffix(filepath.Base(file), ".pid")); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		d.kill()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(d.dir, "libvirtd.log"))
			t.Logf("libvirtd:\n%s", log)
		}
	})
	d.start()
	return d
}

func (d *daemon) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) pidDir() string { return filepath.Join(d.dir, "run/libvirt/qemu/run") }

func (d *daemon) start() {
	d.t.Helper()
	d.cmd = exec.Command("libvirtd", "-f", filepath.Join(d.dir, "libvirtd.conf"), "-p", filepath.Join(d.dir, "libvirtd.pid"))
	d.cmd.Env, d.cmd.SysProcAttr, d.cmd.Dir = d.env, d.as, d.dir
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	eventually(d.t, "libvirtd listens", func() bool {
		return exec.Command("virsh", "-q", "-c", d.uri(), "uri").Run() == nil
	})
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) kill() {
	if d.cmd != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		d.cmd = nil
	}
}

func (d *daemon) uri() string { return "qemu+unix:///session?socket=" + d.socket }

func (d *daemon) virsh(args ...string) string {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "virsh", append([]string{"-q", "-c", d.uri()}, args...)...)
	cmd.Env, cmd.SysProcAttr, cmd.Dir = d.env, d.as, d.dir
	var failed bytes.Buffer
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("virsh %v: %v: %s", args, err, failed.Bytes())
	}
	return strings.TrimSpace(string(out))
}

func (d *daemon) create(name string, vcpus int) {
	d.t.Helper()
	d.createWith(name, vcpus, "")
}

func (d *daemon) createWith(name string, vcpus int, metadata string) {
	d.t.Helper()
	d.write(name+".xml", fmt.Sprintf(`<domain type='qemu'><name>%s</name>%s<memory unit='MiB'>16</memory><vcpu>%d</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>%s</emulator><memballoon model='virtio'><stats period='5'/></memballoon></devices></domain>`, name, metadata, vcpus, d.emulator()))
	d.virsh("create", filepath.Join(d.dir, name+".xml"))
}

func (d *daemon) emulator() string {
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		d.t.Fatal(err)
	}
	return path
}

// TestRealDaemon goes through one life of a real daemon, step by step.
//
//	drill libvirt: real QEMUs are stopped (SIGSTOP), one, then five
//	shows: the healthy one stays fresh; the stopped ones are back when they are continued
//	drill libvirt: a real libvirtd is stopped, then killed, then restarted with its machines alive
//	shows: `workload_source_up` 0, 1, 0, 1; the same machines under the same ids
func TestRealDaemon(t *testing.T) {
	d := startDaemon(t)
	d.create("one", 1)

	var mu sync.Mutex
	heard := map[string]int{}
	r := launch(t, Config{
		Socket: d.socket, URI: "qemu:///session", PIDDir: d.pidDir(),
		Interval: 500 * time.Millisecond, GuestInterval: time.Second,
		CgroupOf: func(pid int) (string, error) {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
			return strings.TrimSpace(string(text)), err
		},
		OnEvent: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			heard[e.Name+" "+string(e.Kind)+" "+e.Detail]++
		},
	})
	event := func(what string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return heard[what] > 0
		}
	}
	fresh := func(name string) func() bool {
		since := time.Now()
		return func() bool { return r.reg.machine(name).Stats.Updated.After(since) }
	}
	step := time.Now()
	done := func(what string) {
		t.Logf("%-40s %v", what, time.Since(step).Round(time.Millisecond))
		step = time.Now()
	}

	eventually(t, "the machine that ran before has numbers", fresh("one"))
	done("one has numbers")
	d.create("two", 2)
	done("virsh create two")
	eventually(t, "the machine that has just started", func() bool { return r.reg.machine("two").UUID != "" })
	eventually(t, "its start", event("two started booted"))
	done("two is known after virsh returned")
	eventually(t, "its numbers", fresh("two"))
	for name, vcpus := range map[string]uint64{"one": 1, "two": 2} {
		d.check(r.reg.machine(name), name, vcpus)
	}
	done("numbers of two")

	// A stuck QEMU.
	stuck := []string{"one"}
	for _, name := range stuck {
		signal(t, r.reg.machine(name).PID, syscall.SIGSTOP)
	}
	held := func() bool { h := r.Health(); return h.Quarantined >= len(stuck) && h.Pending >= len(stuck) }
	eventually(t, "quarantine of the stuck one", held)
	done("one stopped, in quarantine")
	for range 3 {
		eventually(t, "the healthy one stays fresh", fresh("two"))
	}
	done("three fresh numbers of two")

	// More of them than one connection can wait for.
	for i := range laneSlots {
		name := fmt.Sprintf("more%d", i)
		stuck = append(stuck, name)
		d.create(name, 1)
		eventually(t, "one more machine", func() bool { return r.reg.machine(name).PID != 0 })
		signal(t, r.reg.machine(name).PID, syscall.SIGSTOP)
	}
	done("four more created and stopped")
	eventually(t, "quarantine of all the stuck ones", held)
	done("five in quarantine")
	for range 3 {
		eventually(t, "the healthy one stays fresh", fresh("two"))
	}
	if h := r.Health(); h.Reconnects != 0 || !h.Connected {
		t.Errorf("health %+v", h)
	}
	done("three fresh numbers of two")
	for _, name := range stuck {
		signal(t, r.reg.machine(name).PID, syscall.SIGCONT)
	}
	eventually(t, "the stuck ones are back", func() bool { return r.Health().Quarantined == 0 })
	for _, name := range stuck {
		eventually(t, "and fresh", fresh(name))
	}
	done("five continued, and fresh")

	// A frozen daemon.
	d.signal(syscall.SIGSTOP)
	eventually(t, "the frozen daemon is told of", func() bool { return !r.Health().Connected })
	done("libvirtd stopped, told of")
	d.signal(syscall.SIGCONT)
	eventually(t, "connected again", func() bool { return r.Health().Connected })
	eventually(t, "fresh again", fresh("two"))
	done("libvirtd continued, and fresh")

	// A daemon that dies and comes back, with the same machines.
	before := r.reg.machine("two")
	d.kill()
	eventually(t, "the dead daemon is told of", func() bool { return !r.Health().Connected })
	done("libvirtd killed, told of")
	if r.reg.machine("two").UUID == "" {
		t.Error("the machine went with the daemon")
	}
	d.start()
	eventually(t, "connected again", func() bool { return r.Health().Connected })
	eventually(t, "fresh again", fresh("two"))
	if after := r.reg.machine("two"); after.UUID != before.UUID || after.DomainID != before.DomainID || after.PID != before.PID {
		t.Errorf("another machine after the restart: %+v, was %+v", after, before)
	}
	done("libvirtd restarted, and fresh")

	d.virsh("suspend", "two")
	eventually(t, "paused", func() bool { return r.reg.machine("two").Paused })
	d.virsh("destroy", "two")
	eventually(t, "its end", event("two stopped destroyed"))
	eventually(t, "it is gone", func() bool { return r.reg.machine("two").UUID == "" })
	done("paused, destroyed and gone")
	if got := r.reg.changes(); fmt.Sprint(got) != "[true false true false true]" {
		t.Errorf("reports %v", got)
	}

	// Stopping before a frozen daemon.
	d.signal(syscall.SIGSTOP)
	step = time.Now()
	r.cancel()
	<-r.done
	if took := time.Since(step); took > 3*time.Second {
		t.Errorf("stopping took %v", took)
	}
	done("stopped before a frozen daemon")
	d.signal(syscall.SIGCONT)
	for proc, c := range r.Health().Calls {
		t.Logf("%-14s %4d calls, %.2f ms on average, %d errors", proc, c.Count, 1000*c.Sum/float64(c.Count), c.Errors)
	}
}

// TestRealDaemonOfNova has the daemon keep Nova's notes and give them back as it
// writes them.
func TestRealDaemonOfNova(t *testing.T) {
	d := startDaemon(t)
	_, metadata, _ := strings.Cut(readNova(t, "yoga-25.1.0"), "<metadata>")
	metadata, _, _ = strings.Cut(metadata, "</metadata>")
	hostile := strings.Replace(metadata, "provider-instance", "a&quot;} 1&#10;# EOF &lt;"+strings.Repeat("ä", 200), 1)
	d.createWith("nova", 1, "<metadata>"+metadata+"</metadata>")
	d.createWith("hostile", 1, "<metadata>"+hostile+"</metadata>")
	d.create("plain", 1)
	r := launch(t, Config{Socket: d.socket, URI: "qemu:///session", PIDDir: d.pidDir(), Interval: 500 * time.Millisecond, GuestInterval: time.Second})
	// A QEMU that is still busy starting is asked again.
	eventually(t, "all three definitions", func() bool { return r.Health().Calls[procXML].Count == 3 })
	for _, name := range []string{"nova", "hostile"} {
		eventually(t, "Nova's notes of "+name, func() bool { return r.reg.machine(name).OpenStack != nil })
	}
	want := parseOpenStack(readNova(t, "yoga-25.1.0"))
	if got := r.reg.machine("nova").OpenStack; got == nil || *got != *want {
		t.Errorf("nova is %+v, want %+v", got, want)
	}
	want.Instance = workload.Clean("a\"} 1\n# EOF <" + strings.Repeat("ä", 200))
	if got := r.reg.machine("hostile").OpenStack; got == nil || *got != *want {
		t.Errorf("hostile is %+v, want %+v", got, want)
	}
	if got := r.reg.machine("plain").OpenStack; got != nil {
		t.Errorf("plain is %+v", got)
	}
	if c := r.Health().Calls[procXML]; c.Count != 3 || c.Errors != 0 {
		t.Errorf("%d definitions asked for, %d errors", c.Count, c.Errors)
	}
	for proc, c := range r.Health().Calls {
		t.Logf("%-14s %4d calls, %.2f ms on average", proc, c.Count, 1000*c.Sum/float64(c.Count))
	}
}

// check compares a machine with what virsh and /proc say of it.
func (d *daemon) check(m workload.Machine, name string, vcpus uint64) {
	d.t.Helper()
	if uuid := d.virsh("domuuid", name); m.UUID != uuid {
		d.t.Errorf("%s has UUID %s, want %s", name, m.UUID, uuid)
	}
	if id := d.virsh("domid", name); strconv.Itoa(m.DomainID) != id {
		d.t.Errorf("%s has number %d, want %s", name, m.DomainID, id)
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.PID))
	if err != nil || !bytes.Contains(args, []byte("guest="+name+",")) {
		d.t.Errorf("%s has PID %d, which runs %q", name, m.PID, args)
	}
	if !strings.Contains(m.Cgroup, "/") || m.Paused {
		d.t.Errorf("%s: %+v", name, m)
	}
	s := m.Stats
	if s.VCPUs != workload.Known(vcpus) || s.Maximum != workload.Known(16<<20) || s.Balloon != workload.Known(16<<20) {
		d.t.Errorf("%s: %+v", name, s)
	}
	if cpu, _ := s.CPUTime.Get(); cpu == 0 {
		d.t.Errorf("%s used no CPU time: %+v", name, s)
	}
	if rss, _ := s.RSS.Get(); rss < 10<<20 {
		d.t.Errorf("%s is resident with %d bytes", name, rss)
	}
	if s.VCPUTime.State() != workload.StateKnown || s.RunDelay.State() != workload.StateKnown {
		d.t.Errorf("%s: %+v", name, s)
	}
	// No guest here has a balloon driver.
	if s.Guest != (workload.GuestMemory{}) {
		d.t.Errorf("%s: the guest never told %+v", name, s.Guest)
	}
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}
