package cgroupfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// live is a place below the host's own cgroup2 mount in which a test may make groups.
type live struct {
	t     *testing.T
	mount Mount
	// top is the test's own group, "/...".
	top string
}

// newLive makes the test's group. Where the mount cannot be written to, a
// laptop may skip; CI has a writable one and must not pass without it.
func newLive(t *testing.T) *live {
	t.Helper()
	mount, err := Find("/proc/self/mountinfo")
	if err == nil {
		top := fmt.Sprintf("/workload-exporter-test-%d-%d.slice", os.Getpid(), time.Now().UnixNano())
		if err = os.Mkdir(mount.Path+top, 0o755); err == nil {
			l := &live{t: t, mount: mount, top: top}
			t.Cleanup(func() { l.remove("") })
			return l
		}
	}
	if os.Getenv("CI") != "" && os.Geteuid() == 0 {
		t.Fatalf("this test needs a cgroup2 mount that it can write to: %v", err)
	}
	t.Skipf("no cgroup2 mount that can be written to: %v", err)
	return nil
}

func (l *live) abs(name string) string { return filepath.Join(l.mount.Path, l.top, name) }

func (l *live) mkdir(name string) string {
	l.t.Helper()
	if err := os.MkdirAll(l.abs(name), 0o755); err != nil {
		l.t.Fatal(err)
	}
	return filepath.Join(l.top, name)
}

// remove removes a group and all below it. A group whose last process was just
// killed stays busy for a moment.
func (l *live) remove(name string) {
	l.t.Helper()
	entries, _ := os.ReadDir(l.abs(name))
	for _, e := range entries {
		if e.IsDir() {
			l.remove(filepath.Join(name, e.Name()))
		}
	}
	eventually(l.t, "removing "+l.abs(name), func() bool {
		err := os.Remove(l.abs(name))
		return err == nil || os.IsNotExist(err)
	})
}

// run starts a process that does nothing inside a group; stop ends it.
func (l *live) run(name string) (pid int, stop func()) {
	l.t.Helper()
	l.mkdir(name)
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
	l.t.Cleanup(stop)
	if err := os.WriteFile(l.abs(name)+"/cgroup.procs", fmt.Append(nil, cmd.Process.Pid), 0o644); err != nil {
		l.t.Fatal(err)
	}
	return cmd.Process.Pid, stop
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func everything() (all [workload.Subjects]bool) {
	for i := range all {
		all[i] = true
	}
	return all
}

// openDescriptors is how many descriptors this process has.
func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
