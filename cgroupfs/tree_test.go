package cgroupfs

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// followed is a tree with the registry that it tells.
type followed struct {
	*Tree
	registry *workload.Registry
	t        *testing.T
}

func follow(t *testing.T, mount Mount, now func() time.Time) *followed {
	t.Helper()
	classifier := NewClassifier(nil)
	fs := NewFS(Options{
		Mount: mount, SysRoot: t.TempDir(), Host: Host{CPUs: 2, Memory: 1 << 30}, Subjects: everything(),
		Classifier: classifier, Budget: LimitBudget(10000), Now: now,
	})
	registry := workload.NewRegistry(workload.Config{Patience: time.Nanosecond})
	tree := NewTree(Config{FS: fs, Classifier: classifier, Registry: registry})
	registry.Add(tree)
	t.Cleanup(tree.Close)
	return &followed{Tree: tree, registry: registry, t: t}
}

// running lists what a scrape would show below a group: "kind/runtime/name".
func (f *followed) running(below string) []string {
	f.t.Helper()
	var list []string
	for _, w := range f.registry.Refresh() {
		var u workload.Usage
		if strings.HasPrefix(w.Cgroup, below) && w.Read(&u) == nil {
			list = append(list, string(w.Kind)+"/"+w.Runtime+"/"+w.Name)
		}
	}
	return list
}

func (f *followed) want(below string, want ...string) {
	f.t.Helper()
	slices.Sort(want)
	got := f.running(below)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got, gocmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
		f.t.Errorf("running workloads (-want +got):\n%s", diff)
	}
}

// TestLabTree walks the tree that was captured in the lab: each workload once, nothing else.
func TestLabTree(t *testing.T) {
	f := follow(t, Mount{Path: "testdata/lab"}, nil)
	// Nobody here knows the machines' UUIDs: they are held back once.
	f.registry.Refresh()
	f.want("/",
		"container/docker/574494699c9c", "container/docker/8c229c1bb357", "container/docker/d2456f10529d",
		"container/podman/64a13813554a", "container/podman/ba68f1a7b2eb",
		"container/lxc/lx1", "container/lxc/c1",
		"container/nspawn/nsp", "container/nspawn/nsp2",
		"container/libvirt-lxc/lvlxc", "vm/libvirt/vm-kvm", "vm/libvirt/vm-tcg",
	)
	for _, w := range f.registry.Refresh() {
		var u workload.Usage
		if err := w.Read(&u); err != nil {
			t.Fatal(err)
		}
		wantOverhead := w.Runtime == "lxc" || w.Name == "64a13813554a"
		if _, ok := u.Overhead.CPU.Get(); ok != wantOverhead {
			t.Errorf("%s %s: overhead %v, %v", w.Runtime, w.Name, u.Overhead.CPU, u.Overhead.Memory)
		}
		if wantOverhead && u.Overhead.Memory.State() != workload.StateKnown {
			t.Errorf("%s %s: overhead memory %v", w.Runtime, w.Name, u.Overhead.Memory)
		}
	}
	if got := f.Watches(); got == 0 || got > 60 {
		t.Errorf("%d watches", got)
	}
}

// bothTrees runs a test on real cgroups and on a plain directory, which tell
// of changes in the same way.
func bothTrees(t *testing.T, run func(t *testing.T, p grounds)) {
	t.Run("kernel", func(t *testing.T) { run(t, newLive(t)) })
	t.Run("directory", func(t *testing.T) { run(t, newFake(t)) })
}

// grounds is somewhere groups can be made.
type grounds interface {
	at() (Mount, string)
	// start makes a group with a process in it, and returns what ends the process.
	start(name string) (stop func())
	mkdir(name string) string
	remove(name string)
}

// at is the test's own part of the mount alone: others come and go on the rest.
func (l *live) at() (Mount, string) {
	return Mount{Path: filepath.Join(l.mount.Path, l.top), Kernel: true}, ""
}

func (l *live) start(name string) func() {
	_, stop := l.run(name)
	return func() {
		stop()
		eventually(l.t, "the group to be empty", func() bool {
			b, err := os.ReadFile(l.abs(name) + "/cgroup.events")
			return err != nil || !parseGroupEvents(b).populated
		})
	}
}

// fake is a place in a plain directory.
type fake struct {
	t   *testing.T
	dir string
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, dir: t.TempDir()}
	if err := os.Mkdir(f.abs(""), 0o755); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fake) at() (Mount, string) { return Mount{Path: f.dir}, "/top.slice" }
func (f *fake) abs(name string) string {
	return filepath.Join(f.dir, "top.slice", name)
}

func (f *fake) mkdir(name string) string {
	f.t.Helper()
	if err := os.MkdirAll(f.abs(name), 0o755); err != nil {
		f.t.Fatal(err)
	}
	f.write(name+"/cgroup.events", "populated 0\nfrozen 0\n")
	return "/top.slice/" + name
}

func (f *fake) write(name, content string) {
	f.t.Helper()
	if err := os.WriteFile(f.abs(name), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) start(name string) func() {
	f.mkdir(name)
	f.write(name+"/cgroup.events", "populated 1\nfrozen 0\n")
	f.write(name+"/cpu.stat", "usage_usec 1\n")
	return func() { f.write(name+"/cgroup.events", "populated 0\nfrozen 0\n") }
}

func (f *fake) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(f.abs(name)); err != nil {
		f.t.Fatal(err)
	}
}

var scope = "docker-" + id64 + ".scope"

func TestFollow(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		mount, top := p.at()
		f := follow(t, mount, nil)
		f.want(top)

		stop := p.start(scope)
		f.want(top, "container/docker/0123456789ab")
		stop()
		f.want(top)
		p.remove(scope)
		f.want(top)

		// In a parent that is made with it, so that no watch was there in time.
		stop = p.start("a.slice/a-b.slice/a-b-c.slice/" + scope)
		f.want(top, "container/docker/0123456789ab")
		stop()
		p.remove("a.slice")
		f.want(top)

		// What lies in a workload is the workload's.
		stop = p.start("lxc.payload.c1/system.slice/" + scope)
		f.want(top, "container/lxc/c1")
		stop()
		p.remove("lxc.payload.c1")
		f.want(top)

		// A service that turns out to run a container.
		stop = p.start("x.service/payload")
		f.want(top, "container/nspawn/x")
		stop()
		p.remove("x.service")
		f.want(top)

		// A group that nothing runs in is no running workload, and becomes one.
		p.mkdir(scope)
		f.want(top)
		stop = p.start(scope)
		f.want(top, "container/docker/0123456789ab")
		stop()
		p.remove(scope)
	})
}

// drill cgroup: a group is removed and made again before anybody looks
// shows: three runs, three workloads
func TestSamePathNewGroup(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		mount, top := p.at()
		f := follow(t, mount, nil)
		var inodes []uint64
		for range 3 {
			stop := p.start(scope)
			f.want(top, "container/docker/0123456789ab")
			for _, w := range f.registry.Refresh() {
				if w.Cgroup == top+"/"+scope {
					inodes = append(inodes, w.Inode)
				}
			}
			stop()
			// The next one is made before anybody looks.
			p.remove(scope)
		}
		if len(inodes) != 3 {
			t.Fatalf("inodes %v", inodes)
		}
		if _, kernel := p.(*live); kernel && len(slices.Compact(slices.Sorted(slices.Values(inodes)))) != 3 {
			t.Errorf("three runs, inodes %v", inodes)
		}
	})
}

// TestRescan loses all notices, and walks.
func TestRescan(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		mount, top := p.at()
		f := follow(t, mount, nil)
		stop := p.start("gone.slice/" + scope)
		f.want(top, "container/docker/0123456789ab")
		stop()
		p.remove("gone.slice")
		stop = p.start("new.slice/lxc.payload.c1")
		defer stop()
		_, _ = f.in.take(time.Minute, func(notice) {})
		f.apply(notice{mask: unix.IN_Q_OVERFLOW})
		f.want(top, "container/lxc/c1")
	})
}

// TestUnwatchable has no inotify at all: the tree is walked at each scrape.
//
//	drill cgroup: no inotify at all
//	shows: the tree is walked at each scrape, nothing is missing
func TestUnwatchable(t *testing.T) {
	bothTrees(t, func(t *testing.T, p grounds) {
		mount, top := p.at()
		f := follow(t, mount, nil)
		_ = f.in.close()
		f.in = nil
		f.degrade(unix.EMFILE)
		stop := p.start("a.slice/" + scope)
		f.want(top, "container/docker/0123456789ab")
		stop()
		p.remove("a.slice")
		f.want(top)
	})
}

// TestCycles starts and stops a real group a hundred times while the tree is
// followed in the background: nothing may be left of it.
func TestCycles(t *testing.T) {
	l := newLive(t)
	mount, top := l.at()
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(t, mount, nil)
	f.want(top)
	goroutines := runtime.NumGoroutine()
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	var descriptors, watches int
	for i := range 100 {
		stop := l.start("a.slice/" + scope)
		f.want(top, "container/docker/0123456789ab")
		stop()
		l.remove("a.slice")
		f.want(top)
		if i == 0 {
			descriptors, watches = openDescriptors(t), f.Watches()
		}
	}
	if got := openDescriptors(t); got != descriptors {
		t.Errorf("%d descriptors after one cycle, %d after a hundred", descriptors, got)
	}
	if got := f.Watches(); got != watches {
		t.Errorf("%d watches after one cycle, %d after a hundred", watches, got)
	}
	if kernel := kernelWatches(t); kernel != watches {
		t.Errorf("the tree counts %d watches, the kernel %d", watches, kernel)
	}
	if used := f.cfg.FS.opts.Budget.Used(); used != 0 {
		t.Errorf("%d descriptors still in the budget", used)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// kernelWatches asks the kernel how many inotify watches this process holds.
func kernelWatches(t *testing.T) int {
	t.Helper()
	infos, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, info := range infos {
		b, _ := os.ReadFile(info)
		count += strings.Count(string(b), "inotify wd:")
	}
	return count
}

func TestHostPIDs(t *testing.T) {
	l := newLive(t)
	mount, top := l.at()
	inWorkload, stop := l.run(scope)
	defer stop()
	onHost, stopHost := l.run("some.service")
	defer stopHost()
	f := follow(t, mount, nil)
	f.registry.Refresh()
	seen := map[int]string{}
	f.HostPIDs(func(group string, pids []int) {
		for _, pid := range pids {
			seen[pid] = group
		}
	})
	if seen[onHost] != top+"/some.service" {
		t.Errorf("the host's process is in %q", seen[onHost])
	}
	if group, ok := seen[inWorkload]; ok {
		t.Errorf("a workload's process is the host's, in %q", group)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	write := func(content string) string {
		path := filepath.Join(dir, "mountinfo")
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := Find(write("24 1 0:22 / /proc rw - proc proc rw\n")); err == nil || !strings.Contains(err.Error(), "cgroup") {
		t.Errorf("without a mount: %v", err)
	}
	legacy := "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	if _, err := Find(write(legacy)); !errors.Is(err, ErrNoCgroup2) || !strings.Contains(err.Error(), "v1 only") {
		t.Errorf("with cgroup v1 only: %v", err)
	}
	if _, err := Find(filepath.Join(dir, "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("without mountinfo: %v", err)
	}
	mounted, err := Find("/proc/self/mountinfo")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("this host has no cgroup2 mount: %v", err)
	}
	got, err := Find(write("24 1 0:22 / /proc rw - proc proc rw\n" +
		"30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
		"34 30 0:30 / " + mounted.Path + " rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_hugetlb_accounting\n"))
	if err != nil || got.Path != mounted.Path || !got.HugetlbAccounted || !got.Kernel {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if m, err := Open(dir, "/proc/self/mountinfo"); err != nil || m.Kernel || m.Path != dir {
		t.Errorf("a plain directory: %+v, %v", m, err)
	}
	if _, err := Open(dir+"/missing", "/proc/self/mountinfo"); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("no directory: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, "/proc/self/mountinfo"); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file: %v", err)
	}
}

// TestDeepAndOdd has a tree thirty levels deep and names that no runtime makes.
//
//	drill cgroup: a tree of 30 levels; names with newlines, quotes, tabs, invalid UTF-8
//	shows: all of them are found
func TestDeepAndOdd(t *testing.T) {
	p := newFake(t)
	mount, top := p.at()
	f := follow(t, mount, nil)
	deep := strings.Repeat("d.slice/", 30)
	defer p.start(deep + scope)()
	for _, odd := range []string{"line\nbreak", "quote\"", "tab\t", "bad\xffutf8", strings.Repeat("x", 200)} {
		defer p.start(odd + "/" + "lxc.payload." + cmp.Or(strings.Map(keepASCII, odd), "c"))()
	}
	if got := f.running(top); len(got) != 6 {
		t.Errorf("%d workloads: %q", len(got), got)
	}
}

func keepASCII(r rune) rune {
	if r > ' ' && r < 127 && r != '"' {
		return r
	}
	return -1
}

// TestForeignPIDs looks at no process for what a captured tree lists.
func TestForeignPIDs(t *testing.T) {
	for foreign, want := range map[bool]int{false: 1, true: 0} {
		fs := NewFS(Options{Mount: Mount{Path: "testdata/lab"}, ForeignPIDs: foreign})
		pids, err := fs.PIDs(`/machine.slice/machine-qemu\x2d1\x2dvm\x2dkvm.scope`)
		if err != nil || len(pids) != want {
			t.Errorf("foreign %v: %v, %v, want %d", foreign, pids, err, want)
		}
	}
}
