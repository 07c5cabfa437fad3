package process

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// countBudget allows so many descriptors, and counts.
type countBudget struct{ limit, used int64 }

func (b *countBudget) Take(n int64) bool {
	if b.used+n > b.limit {
		return false
	}
	b.used += n
	return true
}

func (b *countBudget) Give(n int64) { b.used -= n }

func TestGroupRead(t *testing.T) {
	f := newFakeProc(t)
	f.put(7, "qemu-system-x86", 1234, "qemu")
	for _, limit := range []int64{0, 1, 3} {
		budget := &countBudget{limit: limit}
		g := newGroup(proc{f.root}, 7, 1234, Host{CPUs: 4, Memory: 1 << 30}, budget, false)
		var want workload.Usage
		want.CPU.User, want.CPU.System = workload.Known(2_500_000_000), workload.Known(500_000_000)
		want.CPU.Usage, want.CPU.Capacity = workload.Known(3_000_000_000), workload.Known(4*core)
		want.Memory.Resident, want.Memory.Swap = workload.Known((1436+2048)<<10), workload.Known(12<<10)
		want.Memory.Capacity = workload.Known(1 << 30)
		want.IO.ReadBytes, want.IO.WrittenBytes = workload.Known(4096), workload.Known(8192)
		want.Tasks = workload.Known(7)
		for range 2 {
			var got workload.Usage
			if err := g.Read(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(workload.Usage{}, "Spent"), cmpopts.EquateComparable(workload.Value{})); diff != "" {
				t.Error(diff)
			}
			for _, s := range []workload.Subject{workload.SubjectCPU, workload.SubjectMemory, workload.SubjectIO} {
				if got.Spent[s] <= 0 {
					t.Errorf("reading %s took no time", s)
				}
			}
		}
		if budget.used != limit {
			t.Errorf("%d descriptors are kept of %d", budget.used, limit)
		}
		g.close()
		if budget.used != 0 || g.Running() || !errors.Is(g.Read(new(workload.Usage)), workload.ErrGone) {
			t.Errorf("a closed group runs, or keeps %d descriptors", budget.used)
		}
	}
}

func TestGroupOfAHelperReadsOneFile(t *testing.T) {
	f := newFakeProc(t)
	f.put(7, "conmon", 1234, "conmon")
	f.remove(7, "status")
	f.remove(7, "io")
	g := newGroup(proc{f.root}, 7, 1234, Host{}, nil, true)
	var u workload.Usage
	if err := g.Read(&u); err != nil || u.Memory.Resident != workload.Known(327*uint64(os.Getpagesize())) {
		t.Errorf("%+v, %v", u.Memory, err)
	}
	if u.CPU.Capacity.State() != workload.StateAbsent || u.Memory.Capacity.State() != workload.StateAbsent {
		t.Error("an unknown host has a capacity")
	}
}

func TestGroupGone(t *testing.T) {
	for name, end := range map[string]func(fakeProc){
		"removed":      func(f fakeProc) { f.remove(7, "") },
		"PID reused":   func(f fakeProc) { f.put(7, "qemu-system-x86", 1235, "qemu") },
		"zombie":       func(f fakeProc) { f.write(7, "stat", "7 (q) Z 1 9 9 0 -1 0 1 2 3 4 1 1 0 0 20 0 1 0 1234 0 0 0") },
		"in mid-read":  func(f fakeProc) { f.remove(7, "status") },
		"no such stat": func(f fakeProc) { f.write(7, "stat", "what?") },
	} {
		f := newFakeProc(t)
		f.put(7, "qemu-system-x86", 1234, "qemu")
		g := newGroup(proc{f.root}, 7, 1234, Host{}, nil, false)
		if !g.Running() {
			t.Fatalf("%s: does not run", name)
		}
		end(f)
		if err := g.Read(new(workload.Usage)); !errors.Is(err, workload.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGroupWithoutIOIsNotGone(t *testing.T) {
	f := newFakeProc(t)
	f.put(7, "qemu-system-x86", 1234, "qemu")
	f.remove(7, "io")
	g := newGroup(proc{f.root}, 7, 1234, Host{}, nil, false)
	var u workload.Usage
	if err := g.Read(&u); err != nil || u.IO.ReadBytes.State() != workload.StateAbsent {
		t.Errorf("%v, %v", u.IO, err)
	}
}

func TestFileGrowsItsBuffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(path, make([]byte, 5000), 0o644); err != nil {
		t.Fatal(err)
	}
	f, buf := newFile(path, nil), make([]byte, 512)
	if b, err := f.read(&buf); err != nil || len(b) != 5000 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := os.WriteFile(path, make([]byte, 10*maxFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := f.read(&buf); err != nil || len(b) > 2*maxFile {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestDenied(t *testing.T) {
	f := newFile(filepath.Join(t.TempDir(), "x"), nil)
	_, err := f.read(new([]byte))
	if !gone(err) || denied(err) {
		t.Errorf("%v is not about a process that is gone", err)
	}
	if !denied(unix.EACCES) || !denied(unix.EPERM) || denied(unix.EIO) {
		t.Error("who is denied is not told")
	}
}

func BenchmarkGroupRead(b *testing.B) {
	for name, budget := range map[string]Budget{"kept": &countBudget{limit: 3}, "opened": nil} {
		b.Run(name, func(b *testing.B) {
			s, err := proc{defaultProcRoot}.stat(os.Getpid())
			if err != nil {
				b.Fatal(err)
			}
			g := newGroup(proc{defaultProcRoot}, os.Getpid(), s.starttime, Host{CPUs: 2}, budget, false)
			defer g.close()
			var u workload.Usage
			b.ReportAllocs()
			for b.Loop() {
				u.Reset()
				if err := g.Read(&u); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	var pids []int
	entries, err := os.ReadDir(defaultProcRoot)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	s := NewSource(Config{
		Interval: 1, HostPIDs: func(yield func(string, []int)) { yield("/", pids) },
	}, workload.NewRegistry(workload.Config{}))
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(pids)), "pids")
}

func TestGroupReadAllocatesNothing(t *testing.T) {
	s, err := proc{defaultProcRoot}.stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	g := newGroup(proc{defaultProcRoot}, os.Getpid(), s.starttime, Host{CPUs: 2, Memory: 1}, &countBudget{limit: 3}, false)
	defer g.close()
	var u workload.Usage
	if n := testing.AllocsPerRun(100, func() {
		u.Reset()
		if err := g.Read(&u); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a read", n)
	}
}
