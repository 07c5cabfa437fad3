package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func hostPage(t *testing.T, proc, sys string) string {
	t.Helper()
	families, done, _ := New(Config{Registry: newRegistry(), ProcRoot: proc, SysRoot: sys, Now: clock}).Gather()
	defer done()
	return encode(t, families)
}

func TestHostMissingFiles(t *testing.T) {
	for _, c := range []struct{ missing, family, success string }{
		{"proc/stat", "workload_host_cpu_usage_seconds_total", "0"},
		{"proc/meminfo", "workload_host_memory_total_bytes", "0"},
		// What a kernel need not have is no failure.
		{"proc/pressure", "workload_host_pressure_cpu_waiting_seconds_total", "1"},
		{"sys/devices/system/cpu/online", "workload_host_cpu_cores", "1"},
	} {
		root := t.TempDir()
		if err := os.CopyFS(root, os.DirFS("testdata/host")); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(root, c.missing)); err != nil {
			t.Fatal(err)
		}
		page := hostPage(t, filepath.Join(root, "proc"), filepath.Join(root, "sys"))
		if strings.Contains(page, "\n"+c.family+" ") {
			t.Errorf("without %s, %s is there", c.missing, c.family)
		}
		if !strings.Contains(page, `success{collector="host"} `+c.success) {
			t.Errorf("without %s, success is not %s", c.missing, c.success)
		}
		if !strings.Contains(page, "\nworkload_host_memory_available_bytes") && c.missing != "proc/meminfo" {
			t.Errorf("without %s, the rest is gone:\n%s", c.missing, page)
		}
	}
}

func TestHostUnderstandsNoGarbage(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("testdata/host")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc/pressure/io"), []byte("some avg10=x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	page := hostPage(t, filepath.Join(root, "proc"), filepath.Join(root, "sys"))
	if strings.Contains(page, "workload_host_pressure_io") || !strings.Contains(page, "workload_host_pressure_cpu") ||
		!strings.Contains(page, `success{collector="host"} 0`) {
		t.Errorf("garbage in io.pressure:\n%s", page)
	}
}

func TestCoresAreCountedAgainAfterHotplug(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("testdata/host/sys")); err != nil {
		t.Fatal(err)
	}
	topo := topology{root: root}
	if n, err := topo.cores(); n != 2 || err != nil {
		t.Fatalf("%d cores, %v", n, err)
	}
	cpus := filepath.Join(root, "devices/system/cpu")
	for _, cpu := range []string{"cpu2", "cpu3"} {
		if err := os.RemoveAll(filepath.Join(cpus, cpu, "topology")); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := topo.cores(); n != 2 {
		t.Errorf("%d cores: counted again though the same CPUs are online", n)
	}
	if err := os.WriteFile(filepath.Join(cpus, "online"), []byte("0-1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := topo.cores(); n != 1 || err != nil {
		t.Errorf("%d cores, %v", n, err)
	}
}
