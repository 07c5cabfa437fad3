package process

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/workload-exporter/workload_exporter/workload"
)

// labPIDs answers from the cgroup files of the captured processes.
func labPIDs(t *testing.T) func(string) ([]int, error) {
	t.Helper()
	files, err := filepath.Glob("testdata/lab/proc/[0-9]*/cgroup")
	if err != nil || len(files) == 0 {
		t.Fatal("no processes were captured", err)
	}
	groups := map[int]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		_, groups[pid], _ = strings.Cut(strings.TrimSpace(string(b)), "::")
	}
	return func(cgroup string) ([]int, error) {
		var pids []int
		for pid, group := range groups {
			if group == cgroup || strings.HasPrefix(group, cgroup+"/") {
				pids = append(pids, pid)
			}
		}
		return pids, nil
	}
}

func vm(runtime, id, name string) workload.Identity {
	return workload.Identity{Kind: workload.KindVM, Runtime: runtime, ID: id, Name: name}
}

func container(runtime, id, name string) workload.Identity {
	return workload.Identity{Kind: workload.KindContainer, Runtime: runtime, ID: id, Name: name}
}

func TestResolveTheLab(t *testing.T) {
	r := NewResolver(ResolverConfig{ProcRoot: "testdata/lab/proc", PIDs: labPIDs(t)})
	for _, tt := range []struct {
		cgroup, driver  string
		path, want      workload.Identity
		opinion         workload.Opinion
		wantsHypervisor string
	}{
		{
			`/machine.slice/machine-qemu\x2d1\x2dvm\x2dkvm.scope`, "qemu", vm("libvirt", "", "vm-kvm"),
			vm("libvirt", "b6beef28-b24b-4303-b9ba-92ac4ad8b8d0", "vm-kvm"), workload.Settled, "qemu",
		},
		{
			`/machine.slice/machine-qemu\x2d2\x2dvm\x2dtcg.scope`, "qemu", vm("libvirt", "", "vm-tcg"),
			vm("libvirt", "2c410e78-94b6-4e47-b1ae-dae10f72acd7", "vm-tcg"), workload.Settled, "qemu",
		},
		{
			`/machine.slice/machine-lxc\x2d1028\x2dlvlxc.scope`, "lxc", container("libvirt-lxc", "", ""),
			container("libvirt-lxc", "", "lvlxc"), workload.NoOpinion, "",
		},
		{"/lxc.payload.lx1", "", container("lxc", "lx1", "lx1"), container("lxc", "lx1", "lx1"), workload.Settled, ""},
		{"/lxc.payload.c1", "", container("lxc", "c1", "c1"), container("incus", "c1", "c1"), workload.Settled, ""},
		{"/machine.slice/nsp.service", "", container("nspawn", "nsp", "nsp"), container("nspawn", "nsp", "nsp"), workload.NoOpinion, ""},
		{
			"/machine.slice/machine-libpod_pod_ba68f1a7b2eba55282a2458ee50cfbc0d35057cc2ef5ae0ffbfc38e9e78b6214.slice", "",
			container("podman", "ba68f1a7b2eb", "ba68f1a7b2eb"), container("podman", "ba68f1a7b2eb", "ba68f1a7b2eb"), workload.NoOpinion, "",
		},
		{"/system.slice/libvirtd.service", "", vm("vmspawn", "x", "x"), vm("vmspawn", "x", "x"), workload.Wait, ""},
	} {
		c := workload.Candidate{Identity: tt.path, Cgroup: tt.cgroup, Domain: workload.Domain{Driver: tt.driver}}
		if got := r.Resolve(&c); got != tt.opinion {
			t.Errorf("%s: opinion %d, want %d", tt.cgroup, got, tt.opinion)
		}
		if diff := cmp.Diff(tt.want, c.Identity); diff != "" || c.Hypervisor != tt.wantsHypervisor {
			t.Errorf("%s: hypervisor %q, %s", tt.cgroup, c.Hypervisor, diff)
		}
	}
}

// oneGroup is a group with the processes of a fake procfs.
func oneGroup(f fakeProc, groups map[string][]int) *Resolver {
	return NewResolver(ResolverConfig{
		ProcRoot: f.root,
		PIDs: func(cgroup string) ([]int, error) {
			if pids, ok := groups[cgroup]; ok {
				return pids, nil
			}
			return nil, errors.New("no such group")
		},
		Uptime: func() time.Duration { return 100 * time.Second },
	})
}

func TestResolve(t *testing.T) {
	const pod = "pod-uid"
	for _, tt := range []struct {
		name       string
		path, want workload.Identity
		opinion    workload.Opinion
		hypervisor string
		processes  map[string][]string
	}{
		{
			"libvirt's lossy name", vm("libvirt", "", "webfront.end-v2-prod"),
			vm("libvirt", "6ed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a", "web_front.end,v2 (prod) ü"), workload.Settled, "qemu",
			map[string][]string{"qemu-system-x86": example(t, "libvirt")},
		},
		{
			"QEMU under a name of its own", vm("libvirt", "", "x"),
			vm("libvirt", "6ed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a", "web_front.end,v2 (prod) ü"), workload.Settled, "qemu",
			map[string][]string{"my machine": example(t, "libvirt")},
		},
		{
			"libvirtd's fork before exec", vm("libvirt", "", "demo"), vm("libvirt", "", "demo"), workload.Wait, "",
			map[string][]string{"rpc-libvirtd": {"/usr/sbin/libvirtd", "--timeout", "120"}},
		},
		{
			"libvirt's cloud-hypervisor", vm("libvirt", "", "demo"), vm("libvirt", "", "demo"), workload.NoOpinion, "cloud-hypervisor",
			map[string][]string{"cloud-hyperviso": example(t, "cloud-hypervisor")},
		},
		{
			"proxmox", vm("proxmox", "100", "100"), vm("proxmox", "100", "db"), workload.Settled, "qemu",
			map[string][]string{"kvm": example(t, "proxmox")},
		},
		{
			"firecracker", vm("firecracker", "551e7604-e35c-42b3-b825-416853441234", ""),
			vm("firecracker", "551e7604-e35c-42b3-b825-416853441234", "551e7604-e35c-42b3-b825-416853441234"), workload.Settled, "firecracker",
			map[string][]string{"firecracker": example(t, "firecracker")},
		},
		{
			"kata by path", vm("kata", "39083257ece6", "39083257ece6"), vm("kata", "39083257ece6", "39083257ece6"), workload.NoOpinion, "qemu",
			map[string][]string{"qemu-system-x86": example(t, "kata")},
		},
		{
			"kata without a monitor of its own", vm("kata", "39083257ece6", "39083257ece6"), vm("kata", "39083257ece6", "39083257ece6"), workload.NoOpinion, "",
			map[string][]string{"containerd-shim": example(t, "kata-shim")},
		},
		{
			"vmspawn", vm("vmspawn", "vm1", "vm1"), vm("vmspawn", "vm1", "vm1"), workload.NoOpinion, "qemu",
			map[string][]string{"qemu-system-x86": example(t, "by-hand")},
		},
		{
			"kubevirt", container("kubernetes", pod, pod), vm("kubevirt", pod, "testvm"), workload.Settled, "qemu",
			map[string][]string{"pause": {"/pause"}, "virt-launcher-m": example(t, "kubevirt")},
		},
		{
			"kata in a pod", container("kubernetes", pod, pod), vm("kata", pod, pod), workload.Settled, "qemu",
			map[string][]string{"containerd-shim": example(t, "kata-shim"), "qemu-system-x86": example(t, "kata")},
		},
		{
			"kata's dragonball in a pod", container("kubernetes", pod, pod), vm("kata", pod, pod), workload.Settled, "",
			map[string][]string{"containerd-shim": example(t, "kata-shim")},
		},
		{
			"kata with cloud-hypervisor in a bare group", container("unknown", "x", "x"), vm("kata", "x", "x"), workload.Settled, "cloud-hypervisor",
			map[string][]string{"cloud-hyperviso": example(t, "kata-clh")},
		},
		{
			"a pod in which somebody runs QEMU", container("kubernetes", pod, pod), container("kubernetes", pod, pod), workload.NoOpinion, "",
			map[string][]string{"qemu-system-x86": example(t, "by-hand")},
		},
		{
			"a docker container in which somebody runs Kata", container("docker", "x", "x"), container("docker", "x", "x"), workload.NoOpinion, "",
			map[string][]string{"qemu-system-x86": example(t, "kata")},
		},
		{
			"an ordinary pod", container("kubernetes", pod, pod), container("kubernetes", pod, pod), workload.NoOpinion, "",
			map[string][]string{"containerd-shim": {"containerd-shim-runc-v2"}, "nginx": {"nginx"}},
		},
		{
			"libvirt_lxc not there yet", container("libvirt-lxc", "", "x"), container("libvirt-lxc", "", "x"), workload.Wait, "",
			map[string][]string{"libvirtd": {"/usr/sbin/libvirtd"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeProc(t)
			var pids []int
			for comm, args := range tt.processes {
				pids = append(pids, 100+len(pids))
				f.put(pids[len(pids)-1], comm, 5, args...)
			}
			c := workload.Candidate{Identity: tt.path, Cgroup: "/group"}
			if got := oneGroup(f, map[string][]int{"/group": pids}).Resolve(&c); got != tt.opinion {
				t.Errorf("opinion %d, want %d", got, tt.opinion)
			}
			want := workload.Candidate{Identity: tt.want, Cgroup: "/group", Hypervisor: tt.hypervisor}
			if tt.want.Runtime == "kubevirt" {
				want.Metadata.Kubernetes.Namespace = "default"
			}
			if diff := cmp.Diff(want, c, cmpopts.EquateComparable()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveHiddenProcesses(t *testing.T) {
	f := newFakeProc(t)
	r := oneGroup(f, map[string][]int{"/group": {100, 101}})
	c := workload.Candidate{Identity: vm("libvirt", "", "demo"), Cgroup: "/group"}
	if got := r.Resolve(&c); got != workload.NoOpinion {
		t.Errorf("opinion %d of what cannot be seen", got)
	}
}

func TestResolveLXC(t *testing.T) {
	title := func(lxcpath, name string) string { return "[lxc monitor] " + lxcpath + " " + name }
	for _, tt := range []struct {
		payload, monitor, title string
		started                 uint64
		want                    workload.Identity
		opinion                 workload.Opinion
	}{
		{"/lxc.payload.c9-1", "/lxc.monitor.c9", title("/var/lib/lxc", "c9"), 5, container("lxc", "c9", "c9"), workload.Settled},
		{"/lxc.payload.c9-1", "/lxc.monitor.c9-1", title("/var/lib/lxc", "c9-1"), 5, container("lxc", "c9-1", "c9-1"), workload.Settled},
		{
			"/lxc.payload.my_p_c1", "/lxc.monitor.my_p_c1", title("/var/lib/incus/containers", "my_p_c1"), 5,
			container("incus", "my_p_c1", "c1"), workload.Settled,
		},
		{"/lxc.payload.c1", "/lxc.monitor.c1", title("/var/snap/lxd/common/lxd/containers", "c1"), 5, container("lxd", "c1", "c1"), workload.Settled},
		{"/lxc/101", "/lxc.monitor/101", title("/var/lib/lxc", "101"), 5, container("lxc", "101", "101"), workload.Settled},
		{"/lxc.payload.c1", "/lxc.monitor.c1", title("/var/lib/lxc", "other"), 5, container("lxc", "path", "path"), workload.NoOpinion},
		{"/lxc.payload.c1", "/elsewhere", "", 5, container("lxc", "path", "path"), workload.NoOpinion},
		{"/lxc.payload.c1", "/elsewhere", "", 9990, container("lxc", "path", "path"), workload.Wait},
	} {
		f := newFakeProc(t)
		f.put(50, "lxc-start", 4, tt.title)
		f.put(60, "init", tt.started, "/sbin/init")
		c := workload.Candidate{Identity: container("lxc", "path", "path"), Cgroup: tt.payload}
		if got := oneGroup(f, map[string][]int{tt.monitor: {50}, tt.payload: {60}}).Resolve(&c); got != tt.opinion {
			t.Errorf("%s: opinion %d, want %d", tt.payload, got, tt.opinion)
		}
		if c.Identity != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.payload, c.Identity, tt.want)
		}
		if incus := c.Runtime == "incus" || c.Runtime == "lxd"; incus != (c.Metadata.Project != "") {
			t.Errorf("%s: project %q", tt.payload, c.Metadata.Project)
		}
	}
}
