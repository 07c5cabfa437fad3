//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestServices shows a service unit beside containers and machines, when asked to.
func TestServices(t *testing.T) {
	arguments(t, `--workload.services=ssh[.]service`)
	s := takeScrape(t)
	want := labels{"kind": "service", "runtime": "systemd", "id": "ssh.service", "name": "ssh.service"}
	if list := s.series("workload_info", labels{"kind": "service"}); len(list) != 1 {
		t.Fatalf("%d services", len(list))
	}
	if s.must(t, "workload_cpu_usage_seconds_total", want) <= 0 || s.must(t, "workload_memory_resident_bytes", want) <= 0 {
		t.Error("the service uses nothing")
	}
}

// TestCollectorsOff leaves out what is switched off, and nothing else.
func TestCollectorsOff(t *testing.T) {
	arguments(t, `--no-collector.pressure --no-collector.vm --no-collector.host`)
	s := takeScrape(t)
	for name := range s {
		off := strings.HasPrefix(name, "workload_pressure_") || strings.HasPrefix(name, "workload_vm_") || strings.HasPrefix(name, "workload_host_")
		// The host's images are the footprint's.
		if off && name != "workload_host_image_bytes" {
			t.Errorf("%s is there", name)
		}
	}
	if got, want := len(s.workloads()), len(expected(t)); got != want {
		t.Errorf("%d workloads, want %d", got, want)
	}
	s.must(t, "workload_memory_resident_bytes", labels{"name": "vm-kvm"})
}

// TestHandRunMachine finds a machine that nobody manages by its process.
func TestHandRunMachine(t *testing.T) {
	inLab(t, "systemd-run -q --unit=byhand qemu-system-x86_64 -name byhand -machine q35 -m 64 -display none -nodefaults -S")
	defer inLab(t, "systemctl stop byhand 2>/dev/null || true")
	vm := labels{"kind": "vm", "runtime": "qemu", "name": "byhand"}
	eventually(t, "the machine to be found", time.Minute, func() bool {
		return len(takeScrape(t).series("workload_memory_resident_bytes", vm)) == 1
	})
	s := takeScrape(t)
	if l := labelsOf(s.series("workload_info", vm)[0]); l["source"] != "process" || l["cgroup"] != "" {
		t.Errorf("workload_info%v", l)
	}
	s.must(t, "workload_cpu_usage_seconds_total", vm)
	inLab(t, "systemctl stop byhand")
	if got := len(takeScrape(t).series("workload_info", vm)); got != 0 {
		t.Error("still there in the first scrape after the end")
	}
}

// TestMachineWithoutCgroup has libvirt put a domain into no cgroup: it shows
// from libvirt's own numbers. With machined at hand, libvirt 11 makes a scope
// even when it is told to use no controllers; so there is no machined here.
func TestMachineWithoutCgroup(t *testing.T) {
	before := takeScrape(t).workloads()
	libvirtd := func(conf, from, to string) {
		inLab(t, `systemctl stop systemd-machined; mv /%[2]s/org.freedesktop.machine1.service /%[3]s/ && systemctl reload dbus
			sed -i '/^cgroup_controllers/d' /etc/libvirt/qemu.conf; echo '%[1]s' >>/etc/libvirt/qemu.conf; systemctl restart libvirtd`, conf, from, to)
	}
	const activatable, away = "usr/share/dbus-1/system-services", "run/lab"
	defer libvirtd("", away, activatable)
	libvirtd("cgroup_controllers = []", activatable, away)
	inLab(t, `sed 's/>vm-tcg</>vm-bare</; /<uuid>/d' /srv/lab/vm-tcg.xml >/run/lab/vm-bare.xml && virsh -q create /run/lab/vm-bare.xml`)
	defer inLab(t, "virsh -q destroy vm-bare")
	uuid := strings.TrimSpace(inLab(t, "virsh -q domuuid vm-bare"))
	vm := labels{"kind": "vm", "runtime": "libvirt", "id": uuid, "name": "vm-bare"}
	eventually(t, "libvirt's numbers of the machine", 5*time.Minute, func() bool {
		// Until libvirt has some, the process itself serves.
		s := takeScrape(t)
		info := s.series("workload_info", labels{"id": uuid})
		_, memory := s.value(t, "workload_memory_resident_bytes", vm)
		// A busy monitor tells the memory later than the CPU time.
		return len(info) == 1 && labelsOf(info[0])["source"] == "libvirt" && memory
	})
	s := takeScrape(t)
	if l := labelsOf(s.series("workload_info", labels{"id": uuid})[0]); l["cgroup"] != "" {
		t.Errorf("workload_info%v", l)
	}
	s.must(t, "workload_cpu_usage_seconds_total", vm)
	if s.must(t, "workload_memory_resident_bytes", vm) <= 0 || s.must(t, "workload_vm_vcpus", vm) != 1 {
		t.Error("no memory or vCPUs from libvirt")
	}
	if got, want := len(s.workloads()), len(before)+1; got != want {
		t.Errorf("%d workloads, want %d: %q", got, want, s.workloads())
	}
}
