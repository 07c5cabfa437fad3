package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

const mib = 1 << 20

// labFS reads the tree that was captured in the lab.
func labFS(t testing.TB, budget *Budget) *FS {
	t.Helper()
	return NewFS(Options{
		Mount: Mount{Path: "testdata/lab"}, SysRoot: t.TempDir(), Host: Host{CPUs: 2, Memory: 8 << 30},
		Subjects: everything(), Classifier: NewClassifier(nil), Budget: budget,
	})
}

func labGroup(t testing.TB, fs *FS, pattern string) *Group {
	t.Helper()
	dirs, err := filepath.Glob("testdata/lab" + pattern)
	if err != nil || len(dirs) == 0 {
		t.Fatalf("%s: %v, %v", pattern, dirs, err)
	}
	path := strings.TrimPrefix(dirs[0], "testdata/lab")
	class, ok := fs.opts.Classifier.Classify(path)
	if !ok {
		t.Fatalf("%s is no workload", path)
	}
	return fs.Group(class, 0)
}

func TestReadLab(t *testing.T) {
	for name, tc := range map[string]struct {
		group string
		want  func(u *workload.Usage) map[string][2]workload.Value
	}{
		"a container pinned to one CPU": {
			"/system.slice/docker-574494*.scope", func(u *workload.Usage) map[string][2]workload.Value {
				return map[string][2]workload.Value{
					"usage":         {u.CPU.Usage, known(593234000)},
					"user":          {u.CPU.User, known(348961000)},
					"system":        {u.CPU.System, known(244272000)},
					"periods":       {u.CPU.Periods, known(0)},
					"cpu limit":     {u.CPU.Limit, unlimited},
					"cpu capacity":  {u.CPU.Capacity, known(oneCore)},
					"resident":      {u.Memory.Resident, known(352256)},
					"working set":   {u.Memory.WorkingSet, known(352256 - 4096)},
					"unreclaimable": {u.Memory.Unreclaimable, known(57344 + 16384 + 40960 + 1424 + 137144)},
					"peak":          {u.Memory.Peak, known(11124736)},
					"swap":          {u.Memory.Swap, known(0)},
					"memory limit":  {u.Memory.Limit, unlimited},
					"capacity":      {u.Memory.Capacity, known(8 << 30)},
					"oom_kill":      {u.Memory.Events.OOMKill, known(0)},
					"cpu waiting":   {u.Pressure.CPU.Waiting, known(1327890000)},
					"cpu stalled":   {u.Pressure.CPU.Stalled, known(1080998000)},
					"io waiting":    {u.Pressure.IO.Waiting, known(153000)},
					"read":          {u.IO.ReadBytes, known(4096)},
					"reads":         {u.IO.Reads, known(1)},
					"tasks":         {u.Tasks, known(1)},
				}
			},
		},
		"a container with a quota and a memory limit": {
			"/system.slice/docker-d2456*.scope", func(u *workload.Usage) map[string][2]workload.Value {
				return map[string][2]workload.Value{
					"cpu limit":    {u.CPU.Limit, known(oneCore / 2)},
					"cpu capacity": {u.CPU.Capacity, known(oneCore / 2)},
					"memory limit": {u.Memory.Limit, known(64 * mib)},
					"capacity":     {u.Memory.Capacity, known(64 * mib)},
				}
			},
		},
		"a machine": {
			`/machine.slice/machine-qemu*vm*kvm.scope`, func(u *workload.Usage) map[string][2]workload.Value {
				return map[string][2]workload.Value{
					"vcpus":     {u.VM.VCPUs, known(2)},
					"cpu limit": {u.CPU.Limit, unlimited},
				}
			},
		},
	} {
		for _, budget := range []*Budget{LimitBudget(1000), LimitBudget(0)} {
			var u workload.Usage
			g := labGroup(t, labFS(t, budget), tc.group)
			if err := g.Read(&u); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for field, pair := range tc.want(&u) {
				if pair[0] != pair[1] {
					t.Errorf("%s, budget %d: %s is %v, want %v", name, budget.Limit(), field, pair[0], pair[1])
				}
			}
			g.Close()
			if budget.Used() != 0 {
				t.Errorf("%s: %d descriptors still in the budget after Close", name, budget.Used())
			}
		}
	}
}

// TestReadLabMachine adds the captured vCPUs by hand.
func TestReadLabMachine(t *testing.T) {
	fs := labFS(t, LimitBudget(100))
	g := labGroup(t, fs, `/machine.slice/machine-qemu*vm*kvm.scope`)
	var u workload.Usage
	if err := g.Read(&u); err != nil {
		t.Fatal(err)
	}
	want := absent
	for _, vcpu := range []string{"vcpu0", "vcpu1"} {
		b, err := os.ReadFile(fs.abs(g.path + "/libvirt/" + vcpu + "/cpu.stat"))
		if err != nil {
			t.Fatal(err)
		}
		want = want.Plus(parseCPUStat(b).usage)
	}
	if u.VM.VCPUTime != want || want.State() != workload.StateKnown {
		t.Errorf("vCPU time %v, want %v", u.VM.VCPUTime, want)
	}
}

// scratch is a group in a plain directory whose files a test writes.
type scratch struct {
	t   *testing.T
	dir string
	fs  *FS
	now time.Time
}

func newScratch(t *testing.T, budget int64) *scratch {
	t.Helper()
	s := &scratch{t: t, dir: t.TempDir(), now: time.Unix(1000, 0)}
	s.fs = NewFS(Options{
		Mount: Mount{Path: s.dir}, SysRoot: t.TempDir(), Host: Host{CPUs: 4, Memory: 1 << 30}, Subjects: everything(),
		Classifier: NewClassifier(nil), Budget: LimitBudget(budget), Now: func() time.Time { return s.now },
	})
	return s
}

func (s *scratch) write(name, content string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scratch) group(path string) *Group {
	s.t.Helper()
	class, ok := s.fs.opts.Classifier.Classify(path)
	if !ok {
		s.t.Fatalf("%s is no workload", path)
	}
	g := s.fs.Group(class, 0)
	s.t.Cleanup(g.Close)
	return g
}

func (s *scratch) read(g *Group) workload.Usage {
	s.t.Helper()
	var u workload.Usage
	if err := g.Read(&u); err != nil {
		s.t.Fatal(err)
	}
	return u
}

var (
	id64    = strings.Repeat("0123456789abcdef", 4)
	docker  = "/system.slice/docker-" + id64 + ".scope"
	libpod  = "/machine.slice/libpod-" + id64 + ".scope"
	machine = `/machine.slice/machine-qemu\x2d1\x2dvm1.scope`
)

func TestFourKindsOfNothing(t *testing.T) {
	for _, budget := range []int64{0, 100} {
		s := newScratch(t, budget)
		s.write(docker+"/cpu.stat", "usage_usec 0\n")
		s.write(docker+"/memory.max", "max\n")
		s.write(docker+"/memory.current", "garbage\n")
		u := s.read(s.group(docker))
		for what, pair := range map[string][2]workload.Value{
			"zero":       {u.CPU.Usage, known(0)},
			"unlimited":  {u.Memory.Limit, unlimited},
			"unreadable": {u.Memory.Resident, unreadable},
			"absent":     {u.Memory.Swap, absent},
			"no quota":   {u.CPU.Limit, absent},
			"capacity":   {u.CPU.Capacity, known(4 * oneCore)},
			"no psi":     {u.Pressure.CPU.Waiting, absent},
		} {
			if pair[0] != pair[1] {
				t.Errorf("budget %d, %s: %v, want %v", budget, what, pair[0], pair[1])
			}
		}
		if got := s.fs.Unreadable()["memory.current"]; got != 1 {
			t.Errorf("memory.current counted as unreadable %d times, want 1", got)
		}
	}
}

// drill cgroup: a file that is empty, huge, binary, negative, overflowing, or a directory
// shows: that number is absent, `workload_exporter_unreadable_total` counts it, all others are there
func TestUnexpectedFiles(t *testing.T) {
	s := newScratch(t, 0)
	g := s.group(docker)
	s.write(docker+"/cpu.stat", "usage_usec 1\n")
	for name, content := range map[string]string{
		"memory.current": "", "memory.peak": "-4\n", "memory.swap.current": "\xff\xfe\x00", "memory.max": strings.Repeat("9", 40),
		"pids.current": strings.Repeat("7", 2<<20),
	} {
		s.write(docker+"/"+name, content)
	}
	if err := os.Mkdir(filepath.Join(s.dir, docker, "io.stat"), 0o755); err != nil {
		t.Fatal(err)
	}
	u := s.read(g)
	for what, v := range map[string]workload.Value{
		"empty": u.Memory.Resident, "negative": u.Memory.Peak, "binary": u.Memory.Swap, "overflow": u.Memory.Limit,
		"huge": u.Tasks, "a directory": u.IO.Reads,
	} {
		if v != unreadable {
			t.Errorf("%s: %v, want unreadable", what, v)
		}
	}
	if u.CPU.Usage != known(1000) {
		t.Errorf("what can be read is lost: %v", u.CPU.Usage)
	}
}

func TestHugetlb(t *testing.T) {
	s := newScratch(t, 100)
	s.write(docker+"/memory.current", "100\n")
	s.write(docker+"/memory.peak", "150\n")
	s.write(docker+"/memory.stat", "anon 10\nshmem 0\ninactive_file 1\n")
	s.write(docker+"/hugetlb.2MB.current", "4194304\n")
	u := s.read(s.group(docker))
	if want := known(4194404); u.Memory.Resident != want {
		t.Errorf("resident %v, want %v", u.Memory.Resident, want)
	}
	if want := known(4194314); u.Memory.Unreclaimable != want || u.Memory.GuestBacking != want {
		t.Errorf("unreclaimable %v, guest backing %v, want %v", u.Memory.Unreclaimable, u.Memory.GuestBacking, want)
	}
	if u.Memory.Peak != absent {
		t.Errorf("peak %v: no file counts the peak of huge pages", u.Memory.Peak)
	}
	// Where the mount accounts for them they are in memory.current already.
	s.fs = NewFS(Options{Mount: Mount{Path: s.dir, HugetlbAccounted: true}, Subjects: everything(), Classifier: NewClassifier(nil)})
	if u := s.read(s.group(docker)); u.Memory.Resident != known(100) || u.Memory.Peak != known(150) {
		t.Errorf("accounted by the mount: resident %v, peak %v", u.Memory.Resident, u.Memory.Peak)
	}
}

// TestHelper reads no more of a helper than is shown of it, kept or not.
func TestHelper(t *testing.T) {
	for _, budget := range []int64{0, 100} {
		s := newScratch(t, budget)
		s.write("/lxc.monitor.c1/cpu.stat", "usage_usec 3\n")
		s.write("/lxc.monitor.c1/memory.current", "4\n")
		s.write("/lxc.monitor.c1/pids.current", "5\n")
		g := s.fs.Helper("/lxc.monitor.c1", 0)
		u := s.read(g)
		if u.CPU.Usage != known(3000) || u.Memory.Resident != known(4) || u.Tasks != absent {
			t.Errorf("budget %d: cpu %v, memory %v, tasks %v", budget, u.CPU.Usage, u.Memory.Resident, u.Tasks)
		}
		// There is no cgroup.events.
		if got := s.fs.Reads(); got != 2 {
			t.Errorf("budget %d: %d files read, want 2", budget, got)
		}
		g.Close()
	}
}

func TestThrottlingOfChildren(t *testing.T) {
	stat := func(periods, throttled, usec string) string {
		return "usage_usec 1000\nnr_periods " + periods + "\nnr_throttled " + throttled + "\nthrottled_usec " + usec + "\n"
	}
	for _, budget := range []int64{0, 100} {
		s := newScratch(t, budget)
		s.write(libpod+"/cpu.stat", stat("10", "1", "5"))
		s.write(libpod+"/cpu.max", "200000 100000\n")
		s.write(libpod+"/container/cpu.stat", stat("100", "20", "7"))
		s.write(libpod+"/container/cpu.max", "50000 100000\n")
		// A quota that the container gave itself is its own affair.
		s.write(libpod+"/container/system.slice/cpu.stat", stat("9000", "9000", "9000"))
		g := s.group(libpod)
		u := s.read(g)
		if u.CPU.Periods != known(110) || u.CPU.ThrottledPeriods != known(21) || u.CPU.Throttled != known(12000) {
			t.Errorf("budget %d: periods %v, throttled %v for %v ns", budget, u.CPU.Periods, u.CPU.ThrottledPeriods, u.CPU.Throttled)
		}
		if u.CPU.Limit != known(oneCore/2) {
			t.Errorf("budget %d: limit %v, want the child's half core", budget, u.CPU.Limit)
		}
		if err := os.RemoveAll(filepath.Join(s.dir, libpod, "container")); err != nil {
			t.Fatal(err)
		}
		g.Relist()
		if u := s.read(g); u.CPU.Periods != known(110) {
			t.Errorf("budget %d: %v periods after the child ended: the sum of counters fell", budget, u.CPU.Periods)
		}
	}
}

func TestMachineChildren(t *testing.T) {
	s := newScratch(t, 100)
	s.write(machine+"/cpu.stat", "usage_usec 100\n")
	s.write(machine+"/cpu.max", "max 100000\n")
	s.write(machine+"/libvirt/cpu.stat", "usage_usec 100\n")
	s.write(machine+"/libvirt/emulator/cpu.stat", "usage_usec 30\nnr_periods 3\n")
	s.write(machine+"/libvirt/vcpu0/cpu.stat", "usage_usec 40\nnr_periods 4\n")
	s.write(machine+"/libvirt/vcpu0/cpu.max", "50000 100000\n")
	g := s.group(machine)
	if u := s.read(g); u.VM.VCPUs != known(1) || u.VM.VCPUTime != known(40000) || u.CPU.Periods != known(7) || u.CPU.Limit != known(oneCore/2) {
		t.Errorf("one vCPU: %v %v, periods %v, limit %v", u.VM.VCPUs, u.VM.VCPUTime, u.CPU.Periods, u.CPU.Limit)
	}
	// A vCPU is plugged in while the group is young, and has no quota.
	s.write(machine+"/libvirt/vcpu1/cpu.stat", "usage_usec 5\n")
	s.write(machine+"/libvirt/vcpu1/cpu.max", "max 100000\n")
	if u := s.read(g); u.VM.VCPUs != known(2) || u.VM.VCPUTime != known(45000) || u.CPU.Limit != unlimited {
		t.Errorf("two vCPUs: %v %v, limit %v", u.VM.VCPUs, u.VM.VCPUTime, u.CPU.Limit)
	}
	// Later, children are listed only when somebody says so.
	s.now = s.now.Add(youth + time.Second)
	s.write(machine+"/libvirt/vcpu2/cpu.stat", "usage_usec 5\n")
	if u := s.read(g); u.VM.VCPUs != known(2) {
		t.Errorf("listed without need: %v vCPUs", u.VM.VCPUs)
	}
	g.Inside()
	if u := s.read(g); u.VM.VCPUs != known(3) {
		t.Errorf("after the notice: %v vCPUs, want 3", u.VM.VCPUs)
	}
	// Unplugged: what it had used is carried on.
	if err := os.RemoveAll(filepath.Join(s.dir, machine, "libvirt/vcpu1")); err != nil {
		t.Fatal(err)
	}
	g.Inside()
	if u := s.read(g); u.VM.VCPUs != known(2) || u.VM.VCPUTime != known(50000) {
		t.Errorf("after unplugging: %v vCPUs, %v ns, want 2 and 50000", u.VM.VCPUs, u.VM.VCPUTime)
	}
}

func TestLiveGroup(t *testing.T) {
	l := newLive(t)
	pid, stop := l.run("docker-" + id64 + ".scope")
	path := l.top + "/docker-" + id64 + ".scope"
	before := openDescriptors(t)
	for _, budget := range []*Budget{LimitBudget(100), LimitBudget(0)} {
		fs := NewFS(Options{Mount: l.mount, Host: Host{CPUs: 2}, Subjects: everything(), Classifier: NewClassifier(nil), Budget: budget})
		class, _ := fs.opts.Classifier.Classify(path)
		g := fs.Group(class, 0)
		var u workload.Usage
		if err := g.Read(&u); err != nil {
			t.Fatal(err)
		}
		if u.CPU.Usage.State() != workload.StateKnown {
			t.Errorf("usage %v of a live process", u.CPU.Usage)
		}
		if u.Pressure.CPU.Waiting.State() != workload.StateKnown {
			t.Errorf("cpu.pressure: %v", u.Pressure.CPU.Waiting)
		}
		if !g.Running() {
			t.Error("not running")
		}
		pids, err := fs.PIDs(l.top)
		if err != nil || !cmp.Equal(pids, []int{pid}) {
			t.Errorf("PIDs: %v, %v, want %d", pids, err, pid)
		}
		if allocs := testing.AllocsPerRun(100, func() { u.Reset(); _ = g.Read(&u) }); allocs != 0 {
			t.Errorf("budget %d: %v allocations a read", budget.Limit(), allocs)
		}
		g.Close()
		if err := g.Read(&u); !errors.Is(err, workload.ErrGone) {
			t.Errorf("read after Close: %v", err)
		}
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	stop()
	fs := NewFS(Options{Mount: l.mount, Subjects: everything(), Classifier: NewClassifier(nil)})
	class, _ := fs.opts.Classifier.Classify(path)
	eventually(t, "the group to be empty", func() bool { return !fs.Group(class, 0).Running() })
}

// TestOracle has containerd's own reader look at a group just before and just
// after ours: what we say lies between.
func TestOracle(t *testing.T) {
	l := newLive(t)
	_, stop := l.run(scope)
	defer stop()
	fs := NewFS(Options{Mount: l.mount, Subjects: everything(), Classifier: NewClassifier(nil), Budget: LimitBudget(100)})
	class, _ := fs.opts.Classifier.Classify(l.top + "/" + scope)
	g := fs.Group(class, 0)
	defer g.Close()
	manager, err := cgroup2.Load(class.Top, cgroup2.WithMountpoint(l.mount.Path))
	if err != nil {
		t.Fatal(err)
	}
	oracle := func() (usage, stalled uint64) {
		stat, err := manager.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return stat.CPU.UsageUsec * 1000, stat.CPU.PSI.Some.Total * 1000
	}
	usage, waiting := oracle()
	var u workload.Usage
	if err := g.Read(&u); err != nil {
		t.Fatal(err)
	}
	usageAfter, waitingAfter := oracle()
	if got, ok := u.CPU.Usage.Get(); !ok || got < usage || got > usageAfter {
		t.Errorf("usage %v, containerd says %d before and %d after", u.CPU.Usage, usage, usageAfter)
	}
	if got, ok := u.Pressure.CPU.Waiting.Get(); !ok || got < waiting || got > waitingAfter {
		t.Errorf("cpu.pressure some %v, containerd says %d before and %d after", u.Pressure.CPU.Waiting, waiting, waitingAfter)
	}
}

// TestLiveGroupEnds holds a group's files while it is emptied, removed and made anew.
//
//	drill cgroup: a group ends while its files are held, and is made again under the same path
//	shows: it is gone at once; the new one is never read as the old one
func TestLiveGroupEnds(t *testing.T) {
	l := newLive(t)
	name := "docker-" + id64 + ".scope"
	for _, budget := range []*Budget{LimitBudget(100), LimitBudget(0)} {
		_, stop := l.run(name)
		fs := NewFS(Options{Mount: l.mount, Subjects: everything(), Classifier: NewClassifier(nil), Budget: budget})
		class, _ := fs.opts.Classifier.Classify(l.top + "/" + name)
		tree := &Tree{cfg: Config{FS: fs}}
		inode, ok := tree.inode(class.Top)
		if !ok {
			t.Fatal("no inode")
		}
		g := fs.Group(class, inode)
		var u workload.Usage
		if err := g.Read(&u); err != nil {
			t.Fatal(err)
		}
		stop()
		eventually(t, "ErrGone from the empty group", func() bool { return errors.Is(g.Read(&u), workload.ErrGone) })
		l.remove(name)
		if err := g.Read(&u); !errors.Is(err, workload.ErrGone) {
			t.Errorf("read of a removed group: %v", err)
		}
		_, stop = l.run(name)
		if err := g.Read(&u); !errors.Is(err, workload.ErrGone) {
			t.Errorf("budget %d: the group that has its path now was read as the old one: %v", budget.Limit(), err)
		}
		g.Close()
		stop()
		l.remove(name)
	}
}

// TestCPU reads the time of a group that nobody else reads, and keeps nothing open.
func TestCPU(t *testing.T) {
	fs := labFS(t, nil)
	g := labGroup(t, fs, "/system.slice/docker-574494*.scope")
	info, err := os.Stat("testdata/lab" + g.path)
	if err != nil {
		t.Fatal(err)
	}
	inode := info.Sys().(*syscall.Stat_t).Ino
	before, reads := openDescriptors(t), fs.Reads()
	if used, ok := fs.CPU(g.path, inode); !ok || used != 593234000 {
		t.Errorf("%d, %v", used, ok)
	}
	if n := fs.Reads() - reads; n != 1 {
		t.Errorf("%d files read", n)
	}
	for _, other := range []struct {
		path  string
		inode uint64
	}{{g.path, inode + 1}, {g.path + "-gone", 0}} {
		if used, ok := fs.CPU(other.path, other.inode); ok {
			t.Errorf("%s with inode %d has used %d", other.path, other.inode, used)
		}
	}
	if n := openDescriptors(t); n != before {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}
