package cgroupfs

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// BenchmarkRead reads one workload's files, each way against its floor in the
// same run: floor and reader take turns, so that a noisy moment hits both.
// x_floor is the ratio to a bare pread of the same kept descriptors, without
// any parsing; the absolute figures are of this machine at this moment.
func BenchmarkRead(b *testing.B) {
	b.Run("captured", func(b *testing.B) {
		fs := labFS(b, LimitBudget(1000))
		benchmarkGroup(b, fs, labGroup(b, fs, "/system.slice/docker-d2456*.scope"))
	})
	b.Run("kernel", func(b *testing.B) {
		mount, group := benchmarkLive(b)
		fs := NewFS(Options{
			Mount: mount, Host: Host{CPUs: 2, Memory: 1 << 30}, Subjects: everything(),
			Classifier: NewClassifier(nil), Budget: LimitBudget(1000),
		})
		benchmarkGroup(b, fs, fs.Group(Class{Identity: workload.Identity{Runtime: "docker"}, Top: group}, 0))
	})
}

func benchmarkGroup(b *testing.B, fs *FS, g *Group) {
	defer g.Close()
	var u workload.Usage
	if err := g.Read(&u); err != nil {
		b.Fatal(err)
	}
	var kept []int
	for _, fd := range g.fds {
		if fd != notOpen {
			kept = append(kept, fd)
		}
	}
	buf := make([]byte, firstBuffer)
	floor := func() {
		for _, fd := range kept {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	reopened := NewFS(Options{Mount: fs.opts.Mount, SysRoot: fs.opts.SysRoot, Host: fs.opts.Host, Subjects: everything(), Classifier: fs.opts.Classifier})
	past := reopened.Group(Class{Identity: workload.Identity{Runtime: "docker"}, Top: g.path}, 0)
	read := func(g *Group) func() {
		return func() {
			u.Reset()
			if err := g.Read(&u); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("kept", func(b *testing.B) { against(b, floor, read(g)) })
	b.Run("reopened", func(b *testing.B) { against(b, floor, read(past)) })
	if !fs.opts.Mount.Kernel {
		return
	}
	manager, err := cgroup2.Load(g.path, cgroup2.WithMountpoint(fs.opts.Mount.Path))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("containerd_Stat", func(b *testing.B) {
		against(b, floor, func() {
			if _, err := manager.Stat(); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// against times a reader and the floor in turns.
func against(b *testing.B, floor, read func()) {
	b.ReportAllocs()
	var bare, ours time.Duration
	for b.Loop() {
		begin := time.Now()
		floor()
		middle := time.Now()
		read()
		bare += middle.Sub(begin)
		ours += time.Since(middle)
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "ns/read")
	b.ReportMetric(float64(ours)/float64(bare), "x_floor")
	b.ReportMetric(0, "ns/op")
}

// benchmarkLive makes a group with a process in it.
func benchmarkLive(b *testing.B) (Mount, string) {
	b.Helper()
	mount, err := Find("/proc/self/mountinfo")
	if err != nil {
		b.Skipf("no cgroup2 mount: %v", err)
	}
	group := "/workload-exporter-bench"
	dir := filepath.Join(mount.Path, group)
	if err := unix.Mkdir(dir, 0o755); err != nil {
		b.Skipf("the cgroup2 mount cannot be written to: %v", err)
	}
	cmd := exec.Command("sleep", "1000")
	// The child begins its life in the group.
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(fd)
	cmd.SysProcAttr = &unix.SysProcAttr{UseCgroupFD: true, CgroupFD: fd}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		for range 1000 {
			if unix.Rmdir(dir) == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		b.Errorf("%s could not be removed", dir)
	})
	return mount, group
}

func BenchmarkCPU(b *testing.B) {
	fs := labFS(b, nil)
	g := labGroup(b, fs, "/system.slice/docker-574494*.scope")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := fs.CPU(g.path, 0); !ok {
			b.Fatal("not read")
		}
	}
}
