package cgroupfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// set writes to a control file of a live group.
func (l *live) set(file, value string) {
	l.t.Helper()
	if err := os.WriteFile(l.abs(file), []byte(value), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// filesystems is one that keeps files, and one that does not.
func (l *live) filesystems() map[string]*FS {
	list := map[string]*FS{}
	for name, budget := range map[string]int64{"kept": 100, "opened": 0} {
		list[name] = NewFS(Options{Mount: l.mount, Subjects: everything(), Classifier: NewClassifier(nil), Budget: LimitBudget(budget)})
	}
	return list
}

func groupAt(t *testing.T, fs *FS, path string) *Group {
	t.Helper()
	class, ok := fs.opts.Classifier.Classify(path)
	if !ok {
		t.Fatalf("%s is no workload", path)
	}
	g := fs.Group(class, 0)
	t.Cleanup(g.Close)
	return g
}

func mustRead(t *testing.T, g *Group) (u workload.Usage) {
	t.Helper()
	if err := g.Read(&u); err != nil {
		t.Fatal(err)
	}
	return u
}

func wantAllReadable(t *testing.T, fs *FS) {
	t.Helper()
	for file, n := range fs.Unreadable() {
		if n != 0 {
			t.Errorf("%s counts as unreadable", file)
		}
	}
}

// TestPressureSwitchedOff hides the pressure files of a group that is held, and brings them back.
//
//	drill cgroup: pressure of a running workload is switched off (`cgroup.pressure`)
//	shows: no `workload_pressure_*` series of it, all others; they are back when it is switched on
func TestPressureSwitchedOff(t *testing.T) {
	l := newLive(t)
	_, stop := l.run(scope)
	defer stop()
	if _, err := os.Stat(l.abs(scope) + "/cgroup.pressure"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("this kernel has no cgroup.pressure")
	}
	for name, fs := range l.filesystems() {
		g := groupAt(t, fs, l.top+"/"+scope)
		if u := mustRead(t, g); u.Pressure.CPU.Waiting.State() != workload.StateKnown {
			t.Fatalf("%s: pressure is %v at first", name, u.Pressure.CPU.Waiting)
		}
		l.set(scope+"/cgroup.pressure", "0")
		for range 2 {
			if u := mustRead(t, g); u.Pressure.CPU.Waiting != absent || u.CPU.Usage.State() != workload.StateKnown {
				t.Errorf("%s: pressure %v, usage %v", name, u.Pressure.CPU.Waiting, u.CPU.Usage)
			}
		}
		l.set(scope+"/cgroup.pressure", "1")
		for range recheck + 1 {
			mustRead(t, g)
		}
		if u := mustRead(t, g); u.Pressure.CPU.Waiting.State() != workload.StateKnown {
			t.Errorf("%s: pressure is %v in the end", name, u.Pressure.CPU.Waiting)
		}
		wantAllReadable(t, fs)
	}
}

// TestUnsupported has the kernel itself say EOPNOTSUPP, as it does for pressure
// with psi=0: it says the same of cgroup.procs in a threaded group, which stands
// in for cpu.pressure here.
//
//	drill cgroup: PSI is built in and switched off (`psi=0`): each read is EOPNOTSUPP
//	shows: no `workload_pressure_*` series, and nothing counted as unreadable
//	drill cgroup: a threaded group
//	shows: its CPU time, and the processes of the workload it is in
func TestUnsupported(t *testing.T) {
	l := newLive(t)
	pid, stop := l.run(scope)
	defer stop()
	// A workload's own threaded part, and a workload that is a threaded group.
	l.mkdir(scope + "/threads")
	l.set(scope+"/threads/cgroup.type", "threaded")
	l.set(scope+"/threads/cgroup.threads", fmt.Sprint(pid))
	for name, fs := range l.filesystems() {
		pids, err := fs.PIDs(l.top + "/" + scope)
		if err != nil || !slices.Equal(pids, []int{pid}) {
			t.Errorf("%s: processes %v, %v, want %d", name, pids, err, pid)
		}
		if u := mustRead(t, groupAt(t, fs, l.top+"/"+scope)); u.CPU.Usage.State() != workload.StateKnown {
			t.Errorf("%s: usage %v", name, u.CPU.Usage)
		}
		fs.names[fileCPUPressure] = newCName("cgroup.procs")
		g := fs.group(l.top+"/"+scope+"/threads", 0)
		t.Cleanup(g.Close)
		g.files = []fileID{fileEvents, fileCPUStat, fileCPUPressure}
		if _, err := os.ReadFile(l.abs(scope) + "/threads/cgroup.procs"); !errors.Is(err, unix.EOPNOTSUPP) {
			t.Fatalf("the kernel says %v", err)
		}
		if u := mustRead(t, g); u.Pressure.CPU.Waiting != absent || u.CPU.Usage.State() != workload.StateKnown {
			t.Errorf("%s: pressure %v, usage %v", name, u.Pressure.CPU.Waiting, u.CPU.Usage)
		}
		wantAllReadable(t, fs)
	}
}

// TestControllerSwitchedOff takes a controller from a group that is held.
//
//	drill cgroup: a controller is switched off while a workload runs (in the lab)
//	shows: the series of its files end, all others go on, no error; they are back when it is switched on
func TestControllerSwitchedOff(t *testing.T) {
	l := newLive(t)
	_, stop := l.run(scope)
	defer stop()
	offered, err := os.ReadFile(l.abs("cgroup.controllers"))
	controller, file := "", ""
	for c, f := range map[string]string{"pids": "pids.current", "hugetlb": "hugetlb.2MB.current"} {
		if slices.Contains(strings.Fields(string(offered)), c) {
			controller, file = c, f
		}
	}
	if err != nil || controller == "" {
		// To hand one down would change the host's own groups; the lab has them all.
		t.Skipf("the host hands down no controller that could be switched off: %q, %v", offered, err)
	}
	l.set("cgroup.subtree_control", "+"+controller)
	for name, fs := range l.filesystems() {
		// Either is one number in one file.
		fs.names[filePIDs] = newCName(file)
		g := groupAt(t, fs, l.top+"/"+scope)
		if u := mustRead(t, g); u.Tasks.State() != workload.StateKnown {
			t.Fatalf("%s: %s is %v at first", name, file, u.Tasks)
		}
		l.set("cgroup.subtree_control", "-"+controller)
		for range 2 {
			if u := mustRead(t, g); u.Tasks != absent || u.CPU.Usage.State() != workload.StateKnown {
				t.Errorf("%s: %s is %v, usage %v", name, file, u.Tasks, u.CPU.Usage)
			}
		}
		l.set("cgroup.subtree_control", "+"+controller)
		for range recheck + 1 {
			mustRead(t, g)
		}
		if u := mustRead(t, g); u.Tasks.State() != workload.StateKnown {
			t.Errorf("%s: %s is %v in the end", name, file, u.Tasks)
		}
		wantAllReadable(t, fs)
	}
}

// TestQueueOverflows makes and removes more groups than the kernel's queue holds,
// with nobody who takes them from it.
//
//	drill cgroup: more starts and ends than the queue of inotify holds (`fs.inotify.max_queued_events`)
//	shows: the tree is walked: what runs is there, what ended is not; `workload_lifecycle_observations_missed_total{reason="overflow"}`
func TestQueueOverflows(t *testing.T) {
	limit, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err != nil {
		t.Fatal(err)
	}
	var most int
	if _, err := fmt.Sscan(string(limit), &most); err != nil || most > 1<<18 {
		t.Skipf("a queue of %s notices", strings.TrimSpace(string(limit)))
	}
	p := newFake(t)
	f, heard := listen(t, p)
	gone := p.start("lxc.payload.gone")
	f.want("/top.slice", "container/lxc/gone")
	heard.take()
	gone()
	for i := range most/2 + 1 {
		dir := p.abs(fmt.Sprintf("lxc.payload.c%d", i))
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Remove(dir)); err != nil {
			t.Fatal(err)
		}
	}
	p.remove("lxc.payload.gone")
	p.start("lxc.payload.stays")
	syncs := 0
	for more := true; more; syncs++ {
		if more, err = f.sync(0); err != nil {
			t.Fatal(err)
		}
	}
	// A go without any time takes what one read brings, and nothing is left in the end.
	if syncs < most/(bufferOfNotices/unix.SizeofInotifyEvent) {
		t.Errorf("all of it was taken in %d goes", syncs)
	}
	f.want("/top.slice", "container/lxc/stays")
	if n := heard.count(); n[workload.EventMissed] == 0 || n[workload.EventRemoved] != 1 {
		t.Errorf("told of %v", n)
	}
	if f.overflow == 0 {
		t.Error("the queue held it all")
	}
	f.mu.Lock()
	degraded := f.degraded
	f.mu.Unlock()
	if degraded {
		t.Error("not watched any more")
	}
}

// TestPathTooLong has groups whose path no system call takes.
//
//	drill cgroup: groups so deep that their path is longer than 4096 bytes
//	shows: they are not there; everything else is, and is still watched
func TestPathTooLong(t *testing.T) {
	p := newFake(t)
	mount, top := p.at()
	f := follow(t, mount, nil)
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	deep := filepath.Join("top.slice", strings.Repeat(strings.Repeat("d", 240)+".slice/", 20), scope)
	if err := root.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	f.want(top)
	defer p.start("lxc.payload.c1")()
	f.want(top, "container/lxc/c1")
	if f.degraded {
		t.Error("the tree is walked at each scrape")
	}
	if err := root.RemoveAll(filepath.Join("top.slice", strings.Repeat("d", 240)+".slice")); err != nil {
		t.Fatal(err)
	}
	f.want(top, "container/lxc/c1")
}
