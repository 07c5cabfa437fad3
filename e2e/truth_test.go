//go:build e2e

package e2e

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reading is a scrape with the kernel's own counter just before and just after it.
type reading struct {
	scrape
	before, after float64
	at            time.Time
}

// readBetween scrapes inside the lab, between two looks at a cpu.stat.
func readBetween(t *testing.T, cgroup string) reading {
	t.Helper()
	out := inLab(t, `f='/sys/fs/cgroup%s/cpu.stat'; grep usage_usec "$f"; date +%%s.%%N; curl -sf localhost:10075/metrics >/tmp/scrape; grep usage_usec "$f"; cat /tmp/scrape`, cgroup)
	lines := strings.SplitN(out, "\n", 4)
	usage := func(line string) float64 {
		usec, err := strconv.ParseFloat(strings.TrimPrefix(line, "usage_usec "), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return usec / 1e6
	}
	at, err := strconv.ParseFloat(lines[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return reading{
		scrape: parseScrape(t, strings.NewReader(lines[3])), before: usage(lines[0]), after: usage(lines[2]),
		at: time.UnixMicro(int64(at * 1e6)),
	}
}

// bracketed checks that the exporter's counter is one that the kernel had
// between the two looks, and returns it.
func (r reading) bracketed(t *testing.T, id string) float64 {
	t.Helper()
	v := r.must(t, "workload_cpu_usage_seconds_total", labels{"id": id})
	const rounding = 1e-6
	if v < r.before-rounding || v > r.after+rounding {
		t.Errorf("cpu usage %f is not between the kernel's %f and %f", v, r.before, r.after)
	}
	return v
}

func cgroupOf(t *testing.T, s scrape, want labels) (id, cgroup string) {
	t.Helper()
	list := s.series("workload_info", want)
	if len(list) != 1 {
		t.Fatalf("workload_info%v: %d series", want, len(list))
	}
	l := labelsOf(list[0])
	return l["id"], l["cgroup"]
}

func dockerID(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(inLab(t, "docker inspect -f '{{.Id}}' %s", name))[:12]
}

// TestBurner holds a CPU burner's rate against the kernel's own counter.
func TestBurner(t *testing.T) {
	inLab(t, "workloads up burn >/dev/null")
	defer inLab(t, "workloads down burn >/dev/null")
	id := dockerID(t, "burn")
	_, cgroup := cgroupOf(t, takeScrape(t), labels{"id": id})
	first := readBetween(t, cgroup)
	a := first.bracketed(t, id)
	time.Sleep(20 * time.Second) // the window that is measured
	second := readBetween(t, cgroup)
	b := second.bracketed(t, id)
	kernel := (second.before + second.after - first.before - first.after) / 2
	if kernel <= 0 {
		t.Fatalf("the burner used %f s", kernel)
	}
	off := math.Abs(b-a-kernel) / kernel
	t.Logf("window %.1f s: exporter %.3f s, kernel %.3f s, off by %.3f %%", second.at.Sub(first.at).Seconds(), b-a, kernel, off*100)
	if off > 0.02 {
		t.Errorf("off by %.2f %%, at most 2 %%", off*100)
	}

	// All together never use more than the host did, by the scheduler's own
	// clock: /proc/stat adds up ticks, which came out 1 % lower here for the very
	// same processes, and more so in a noisy hour.
	workloads := second.sum("workload_cpu_usage_seconds_total", nil)
	out := inLab(t, `cat /sys/fs/cgroup/*/cpu.stat | awk '/^usage_usec/ { s += $2 } END { printf "%%f", s / 1e6 }'`)
	host, err := strconv.ParseFloat(strings.TrimSpace(out), 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("all workloads %.2f s, the host's groups %.2f s, /proc/stat %.2f s", workloads, host,
		second.must(t, "workload_host_cpu_usage_seconds_total", nil))
	if workloads > host {
		t.Errorf("workloads used %.2f s, the host only %.2f s", workloads, host)
	}
}

// TestMachineCPU holds each machine's CPU time against its scope's cpu.stat,
// and its parts against their sum.
func TestMachineCPU(t *testing.T) {
	for _, name := range []string{"vm-kvm", "vm-tcg"} {
		id, cgroup := cgroupOf(t, takeScrape(t), labels{"name": name})
		r := readBetween(t, cgroup)
		total := r.bracketed(t, id)
		vcpus := r.must(t, "workload_vm_vcpu_seconds_total", labels{"id": id})
		emulator := r.must(t, "workload_vm_emulator_cpu_seconds_total", labels{"id": id})
		// The three are read one after the other, and a counter never falls.
		const skew = 0.1
		if vcpus <= 0 || emulator <= 0 || math.Abs(vcpus+emulator-total) > skew {
			t.Errorf("%s: vCPUs %f + emulator %f, total %f", name, vcpus, emulator, total)
		}
		t.Logf("%s: total %.2f s = vCPUs %.2f s + emulator %.2f s", name, total, vcpus, emulator)
	}
}

// TestHeldMemory has a container that holds 64 MiB to the byte.
func TestHeldMemory(t *testing.T) {
	s := takeScrape(t)
	id := dockerID(t, "hold64")
	const held = 64 << 20
	for _, name := range []string{"workload_memory_resident_bytes", "workload_memory_working_set_bytes", "workload_memory_unreclaimable_bytes"} {
		v := s.must(t, name, labels{"id": id})
		t.Logf("%s: %.2f MiB", name, v/(1<<20))
		if math.Abs(v-held)/held > 0.05 {
			t.Errorf("%s is %.0f, want %d within 5 %%", name, v, held)
		}
	}
}

// TestLimits has limits where they are set, none where they are not, and
// capacities everywhere.
func TestLimits(t *testing.T) {
	s := takeScrape(t)
	memory := s.must(t, "workload_host_memory_total_bytes", nil)
	cpus := s.must(t, "workload_host_cpu_threads", nil)
	absent := math.NaN()
	for _, tc := range []struct {
		name                                         labels
		cpuLimit, cpuCapacity, memLimit, memCapacity float64
	}{
		{labels{"id": dockerID(t, "web")}, 0.5, 0.5, 64 << 20, 64 << 20},
		{labels{"id": dockerID(t, "free")}, absent, 1, absent, memory},
		{labels{"runtime": "lxc"}, absent, cpus, absent, memory},
		{labels{"name": "vm-kvm"}, absent, 2, absent, 128 << 20},
		{labels{"name": "vm-tcg"}, absent, 1, absent, 128 << 20},
	} {
		for metric, want := range map[string]float64{
			"workload_cpu_limit_cores": tc.cpuLimit, "workload_cpu_capacity_cores": tc.cpuCapacity,
			"workload_memory_limit_bytes": tc.memLimit, "workload_memory_capacity_bytes": tc.memCapacity,
		} {
			got, ok := s.value(t, metric, tc.name)
			if !ok {
				got = absent
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s%v is %v, want %v", metric, tc.name, got, want)
			}
		}
	}
	for name, vcpus := range map[string]float64{"vm-kvm": 2, "vm-tcg": 1} {
		if got := s.must(t, "workload_vm_vcpus", labels{"name": name}); got != vcpus {
			t.Errorf("%s has %v vCPUs, want %v", name, got, vcpus)
		}
	}
}

// TestMachineQuota gives each of two vCPUs half a CPU, which libvirt writes to
// the vCPUs' own groups, and takes it away again.
func TestMachineQuota(t *testing.T) {
	vm := labels{"name": "vm-kvm"}
	inLab(t, "virsh -q schedinfo vm-kvm --live --set vcpu_quota=50000 >/dev/null")
	if got := takeScrape(t).must(t, "workload_cpu_limit_cores", vm); got != 1 {
		t.Errorf("limit %v cores, want 1", got)
	}
	inLab(t, "virsh -q schedinfo vm-kvm --live --set vcpu_quota=-1 >/dev/null")
	if got, ok := takeScrape(t).value(t, "workload_cpu_limit_cores", vm); ok {
		t.Errorf("limit %v cores after it was taken away", got)
	}
}

// TestStackedIO writes 8 MiB to a loop device with direct I/O: the kernel
// charges the loop device and the disk below it, and the exporter counts once.
func TestStackedIO(t *testing.T) {
	arguments(t, `--workload.services=stacked[.]service`)
	inLab(t, `truncate -s 64M /root/stacked && losetup --direct-io=on /dev/loop7 /root/stacked
		systemd-run -q --unit=stacked -p IOAccounting=yes sh -c "dd if=/dev/zero of=/dev/loop7 bs=1M count=8 oflag=direct && touch /run/lab/written && sleep 1000"`)
	defer inLab(t, "systemctl stop stacked; losetup -d /dev/loop7; rm -f /root/stacked /run/lab/written")
	eventually(t, "the data to be written", time.Minute, func() bool {
		_, err := lab("test -e /run/lab/written")
		return err == nil
	})
	kernel := inLab(t, "cat /sys/fs/cgroup/system.slice/stacked.service/io.stat")
	if strings.Count(kernel, "wbytes=8388608") != 2 {
		t.Fatalf("not charged at both levels:\n%s", kernel)
	}
	if got := takeScrape(t).must(t, "workload_io_written_bytes_total", labels{"name": "stacked.service"}); got != 8<<20 {
		t.Errorf("%.0f bytes written, want %d:\n%s", got, 8<<20, kernel)
	}
}
