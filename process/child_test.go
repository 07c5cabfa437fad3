package process

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// child is a real process that says it is a machine monitor.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// startChild runs the test's own program under another name and with arguments
// of the test's choice, and returns when it runs.
func startChild(t *testing.T, name string, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{
		Path: link, Args: append([]string{name}, args...), Env: []string{childEnv + "=1"},
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd, in}
	t.Cleanup(c.end)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	return c
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) end() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// realHost is a Source on the real /proc that sees only the children.
func realHost(t *testing.T, pids ...int) (*Source, *workload.Registry) {
	var now time.Time
	registry := workload.NewRegistry(workload.Config{})
	s := NewSource(Config{
		HostPIDs: func(yield func(string, []int)) { yield("/", pids) },
		Host:     Host{CPUs: 2, Memory: 1 << 30},
		Budget:   &countBudget{limit: 64},
		Now:      func() time.Time { now = now.Add(time.Minute); return now },
	}, registry)
	registry.Add(s)
	t.Cleanup(s.Close)
	return s, registry
}

func TestRealMachine(t *testing.T) {
	qemu := startChild(t, "qemu-system-x86_64", "-S", "-name", "v1", "-uuid", "0e2f8f5e-6d4f-4c2b-9c53-6d4e5dc16755",
		"-readconfig", "/run/incus/p_v1/qemu.conf")
	other := startChild(t, "sleep", "100000")
	s, registry := realHost(t, qemu.pid(), other.pid(), os.Getpid())

	list := registry.Refresh()
	if len(list) != 1 || list[0].Identity != (workload.Identity{Kind: "vm", Runtime: "incus", ID: "p_v1", Name: "v1"}) {
		t.Fatalf("found %+v", list)
	}
	var u workload.Usage
	if err := list[0].Read(&u); err != nil {
		t.Fatal(err)
	}
	if rss, ok := u.Memory.Resident.Get(); !ok || rss < 1<<20 {
		t.Errorf("resident are %v", u.Memory.Resident)
	}
	if n, ok := u.Tasks.Get(); !ok || n < 2 {
		t.Errorf("threads are %v", u.Tasks)
	}
	if _, ok := u.CPU.Usage.Get(); !ok {
		t.Errorf("CPU time is %v", u.CPU.Usage)
	}

	qemu.end()
	if err := list[0].Read(&u); !errors.Is(err, workload.ErrGone) {
		t.Errorf("reading what ended: %v", err)
	}
	if list := registry.Refresh(); len(list) != 0 {
		t.Errorf("still there: %+v", list)
	}
	if used := s.cfg.Budget.(*countBudget).used; used != 0 {
		t.Errorf("%d descriptors are left", used)
	}
}

func TestRealMachineResolved(t *testing.T) {
	qemu := startChild(t, "qemu-system-x86_64", example(t, "libvirt")[1:]...)
	r := NewResolver(ResolverConfig{PIDs: func(string) ([]int, error) { return []int{qemu.pid()}, nil }})
	c := workload.Candidate{Identity: vm("libvirt", "", "webfront.end-v2-prod"), Cgroup: "/machine.slice/x.scope"}
	if got := r.Resolve(&c); got != workload.Settled || c.ID != "6ed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a" {
		t.Errorf("opinion %d of %+v", got, c)
	}
}

func TestRealYouth(t *testing.T) {
	c := startChild(t, "init")
	r := NewResolver(ResolverConfig{PIDs: func(string) ([]int, error) { return []int{c.pid()}, nil }})
	s, err := r.proc.stat(c.pid())
	if err != nil {
		t.Fatal(err)
	}
	if age := s.age(uptime()); age < 0 || age > time.Minute {
		t.Errorf("a child that just started is %v old", age)
	}
}

// TestRealMachineOfAnother reads a process as somebody who may not see its io.
func TestRealMachineOfAnother(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has somebody else to be")
	}
	exe := startChild(t, "qemu-system-x86_64", "-name", "v1")
	s, err := proc{defaultProcRoot}.stat(exe.pid())
	if err != nil {
		t.Fatal(err)
	}
	g := newGroup(proc{defaultProcRoot}, exe.pid(), s.starttime, Host{}, &countBudget{limit: 3}, false)
	defer g.close()
	var u workload.Usage
	asNobody(t, func() { err = g.Read(&u) })
	if err != nil || u.IO.ReadBytes.State() != workload.StateAbsent || u.Memory.Resident.State() != workload.StateKnown {
		t.Errorf("io %v, memory %v, %v", u.IO, u.Memory.Resident, err)
	}
}

func TestConcurrentReads(t *testing.T) {
	qemu := startChild(t, "qemu-system-x86_64", "-name", "v1")
	s, registry := realHost(t, qemu.pid())
	list := registry.Refresh()
	if len(list) != 1 {
		t.Fatalf("found %+v", list)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var u workload.Usage
			for ctx.Err() == nil {
				u.Reset()
				if err := list[0].Read(&u); err != nil && !errors.Is(err, workload.ErrGone) {
					t.Error(err)
				}
			}
		})
	}
	for range 20 {
		registry.Refresh()
	}
	qemu.end()
	registry.Refresh()
	s.Close()
	cancel()
	wg.Wait()
}
