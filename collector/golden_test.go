package collector

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/workload-exporter/workload_exporter/workload"
)

var update = flag.Bool("update", false, "write the golden expositions anew")

// shapes is a host for each kind of workload that there is.
func shapes() map[string]*workload.Registry {
	const uuid = "8a0fe0b5-3c53-4f5b-9d0c-2b7b3e4f5a6b"
	identity := func(kind workload.Kind, runtime, id, name string) workload.Identity {
		return workload.Identity{Kind: kind, Runtime: runtime, ID: id, Name: name}
	}
	group := func(change func(*workload.Usage)) *fakeGroup {
		g := &fakeGroup{usage: hostView()}
		change(&g.usage)
		return g
	}
	docker := container(1)
	docker.Metadata = workload.Metadata{
		Image: "nginx:1.27", Labels: []workload.Label{{Key: "com.docker.compose.service", Value: "web"}, {Key: "Größe", Value: "\xff"}},
	}
	unlimited := container(2)
	unlimited.Group = group(func(u *workload.Usage) {
		// No quota at all: the kernel counts no periods, and nobody is told of a monitor.
		u.CPU.Limit, u.Memory.Limit = workload.Unlimited(), workload.Unlimited()
		u.CPU.Periods, u.CPU.ThrottledPeriods, u.CPU.Throttled = workload.Known(0), workload.Known(0), workload.Known(0)
		u.Overhead = workload.Overhead{}
	})
	podman := workload.Candidate{
		Identity: identity(workload.KindContainer, "podman", "0f1e2d3c4b5a", "db"), Origin: workload.OriginCgroup,
		FullID: strings.Repeat("0f1e2d3c4b5a", 5) + "0f1e", Cgroup: "/machine.slice/libpod-x.scope", Inode: 3,
		Group: group(func(u *workload.Usage) { u.Pressure = workload.Pressure{} }),
	}
	pod := workload.Candidate{
		Identity: identity(workload.KindContainer, "kubernetes", "b1f3c2d4-aaaa-bbbb-cccc-0123456789ab", "b1f3c2d4-aaaa-bbbb-cccc-0123456789ab"),
		Origin:   workload.OriginCgroup, Cgroup: "/kubepods.slice/kubepods-podb1f3.slice", Inode: 4,
		Group: group(func(u *workload.Usage) { u.Paused = true }),
		Metadata: workload.Metadata{Kubernetes: workload.Kubernetes{
			Namespace: "kube-system", Pod: "coredns-1", UID: "b1f3c2d4-aaaa-bbbb-cccc-0123456789ab",
		}},
	}
	machine := workload.Candidate{
		Identity: identity(workload.KindVM, "libvirt", uuid, "debian"), Origin: workload.OriginCgroup, Hypervisor: "qemu",
		Cgroup: `/machine.slice/machine-qemu\x2d3\x2ddebian.scope`, Inode: 5,
		Domain: workload.Domain{Driver: "qemu", ID: 3},
		Group: group(func(u *workload.Usage) {
			u.Overhead = workload.Overhead{}
			u.VM.VCPUs, u.VM.VCPUTime = workload.Known(2), workload.Known(10_500_000_000)
		}),
	}
	withGuest := newRegistry(machine)
	withGuest.SetMachines([]workload.Machine{{UUID: uuid, Name: "debian", DomainID: 3, Stats: machineStats()}})
	withGuest.Report("libvirt", true)
	withContainers := newRegistry(pod)
	withContainers.Contain("cri", map[string][]workload.Container{pod.ID: {{Name: "coredns", Image: "registry.k8s.io/coredns:1"}, {Name: "\xff"}}})
	nova := newRegistry(machine)
	nova.SetMachines([]workload.Machine{{UUID: uuid, Name: "instance-0000000e", DomainID: 3, OpenStack: &workload.OpenStack{
		Instance: "web \"1\"", Flavor: "m1.small", Image: "f0f0d38c-0a5f-4c54-83e5-d48006b888a7",
		Project: "shop", ProjectID: "38bd8e984a3e435a87e950a441ee55aa", User: "alice", UserID: "18509018d00743c89518135e476003e0",
	}}})
	withoutDriver := newRegistry(machine)
	silent := machineStats()
	silent.Guest = workload.GuestMemory{}
	withoutDriver.SetMachines([]workload.Machine{{UUID: uuid, Name: "debian", DomainID: 3, Paused: true, Stats: silent}})
	alone := newRegistry()
	alone.SetMachines([]workload.Machine{{UUID: uuid, Name: "session", DomainID: 1, Stats: machineStats()}})

	service := workload.Candidate{
		Identity: identity(workload.KindService, "systemd", "nginx.service", "nginx.service"),
		Origin:   workload.OriginCgroup, Cgroup: "/system.slice/nginx.service", Inode: 6, Group: group(func(*workload.Usage) {}),
	}
	process := workload.Candidate{
		Identity: identity(workload.KindVM, "cloud-hypervisor", "4242", "4242"), Origin: workload.OriginProcess, Inode: 7,
		Hypervisor: "cloud-hypervisor",
		Group: &fakeGroup{usage: workload.Usage{
			CPU:    workload.CPU{Usage: workload.Known(5e9), User: workload.Known(4e9), System: workload.Known(1e9), Capacity: workload.Known(4e9)},
			Memory: workload.Memory{Resident: workload.Known(1 << 28), Capacity: workload.Known(1 << 30)},
			Tasks:  workload.Known(9),
		}},
	}
	unreadable := container(8)
	unreadable.Group = group(func(u *workload.Usage) {
		u.CPU.User, u.Memory.Resident, u.IO = workload.Unreadable(), workload.Unreadable(), workload.IO{}
	})
	hostile := func(n int, id, name string) workload.Candidate {
		c := container(n)
		c.ID, c.Name = id, name
		c.Group = &fakeGroup{usage: workload.Usage{Tasks: workload.Known(uint64(n))}}
		return c
	}
	long := strings.Repeat("ä", 2048)
	return map[string]*workload.Registry{
		"docker": newRegistry(docker), "docker_unlimited": newRegistry(unlimited), "podman": newRegistry(podman),
		"pod_paused": withContainers, "vm": withGuest, "vm_without_driver": withoutDriver, "vm_without_cgroup": alone, "vm_nova": nova,
		"service": newRegistry(service), "vm_process": newRegistry(process), "unreadable": newRegistry(unreadable),
		"empty": newRegistry(),
		"hostile": newRegistry(
			hostile(20, "new\nline", "a\nworkload_tasks{id=\"x\"} 1"), hostile(21, `quo"te`, `back\slash`),
			hostile(22, "in\xffvalid", "\xc3\x28"), hostile(23, long, long), hostile(24, long+"too", long),
			hostile(25, "control\x01", "\u202eright to left"),
		),
	}
}

func TestGolden(t *testing.T) {
	for name, registry := range shapes() {
		t.Run(name, func(t *testing.T) {
			golden(t, name, text(t, New(Config{Registry: registry, Enabled: workloadsOnly(), Now: clock})))
		})
	}
}

// everything is a Gatherer with all that it can have, but for the Go runtime.
func everything(registry *workload.Registry) *Gatherer {
	return New(Config{
		Registry: registry, Now: clock, ProcRoot: "testdata/host/proc", SysRoot: "testdata/host/sys",
		LibvirtCalls: func() map[string]Histogram {
			return map[string]Histogram{"ConnectGetAllDomainStats": {Count: 3, Sum: 1.5, Buckets: map[float64]uint64{0.1: 1, 1: 3}}}
		},
		Unreadable:  func() map[string]uint64 { return map[string]uint64{"cpu.stat": 2, "memory.stat": 0} },
		Descriptors: func() (used, limit int64) { return 11, 700 },
		FilesRead:   func() uint64 { return 1234 },
	})
}

func TestGoldenEverything(t *testing.T) {
	registry := shapes()["vm"]
	registry.Found("paused", func() workload.Candidate {
		c := container(9)
		c.Group.(*fakeGroup).usage.Paused = true
		c.Group.(*fakeGroup).usage.IO.Reads = workload.Unreadable()
		return c
	}())
	registry.Report("docker", false)
	masked := regexp.MustCompile(`(workload_scrape_collector_duration_seconds\{collector="host"\}) .*|(?m)^.*workload_exporter_build_info.*\n`)
	golden(t, "everything", masked.ReplaceAllString(text(t, everything(registry)), "$1"))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".prom")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; -update writes it anew:\n%s", path, diff)
	}
}

func TestLint(t *testing.T) {
	for name, registry := range shapes() {
		families, done, err := everything(registry).Gather()
		if err != nil {
			t.Fatal(err)
		}
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		done()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s: %s", name, p.Metric, p.Text)
		}
	}
}

// TestBudget holds the promise of the README: so many series and no more.
func TestBudget(t *testing.T) {
	for name, budget := range map[string]int{"docker": 48, "vm": 64} {
		lines := 0
		for line := range strings.Lines(text(t, New(Config{Registry: shapes()[name], Enabled: workloadsOnly()}))) {
			if !strings.HasPrefix(line, "#") {
				lines++
			}
		}
		t.Logf("%s: %d of %d series", name, lines, budget)
		if lines > budget || lines < 30 {
			t.Errorf("%s has %d series, the budget is %d", name, lines, budget)
		}
	}
}
