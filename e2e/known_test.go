//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// TestKnownToEverybody has the unit as it is shipped, which may use no runtime's
// socket: what it tells of workloads is what everybody may read.
func TestKnownToEverybody(t *testing.T) {
	s := takeScrape(t)
	for _, tt := range []struct {
		metric string
		want   labels
	}{
		{"workload_info", labels{"runtime": "podman", "name": "pweb"}},
		{"workload_info", labels{"runtime": "kubernetes", "name": "pod1"}},
		{"workload_kubernetes_info", labels{"namespace": "shop", "pod": "pod1"}},
		{"workload_info", labels{"runtime": "containerd", "name": "ctr1", "namespace": "default"}},
		{"workload_info", labels{"runtime": "incus", "name": "c1", "project": "default"}},
		{"workload_info", labels{"runtime": "nspawn", "name": "nsp1", "image": "/srv/bb"}},
		{"workload_info", labels{"runtime": "libvirt", "name": "vm-tcg", "hypervisor": "qemu"}},
	} {
		if n := len(s.series(tt.metric, tt.want)); n != 1 {
			t.Errorf("%s%v: %d series", tt.metric, tt.want, n)
		}
	}
}

// TestNova has a domain with Nova's notes, whose tenant has chosen a name to
// break what reads it.
func TestNova(t *testing.T) {
	inLab(t, `cat >/run/lab/nova.xml <<'END'
<domain type='qemu'><name>instance-0000000e</name>
<metadata><nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
<nova:name>a&quot;} 1&#10;# EOF</nova:name><nova:flavor name="m1.small"/>
<nova:owner><nova:user uuid="18509018d00743c89518135e476003e0">alice</nova:user>
<nova:project uuid="38bd8e984a3e435a87e950a441ee55aa">shop</nova:project></nova:owner>
<nova:root type="image" uuid="f0f0d38c-0a5f-4c54-83e5-d48006b888a7"/>
</nova:instance></metadata>
<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features></domain>
END
virsh -q -c qemu:///system create /run/lab/nova.xml`)
	defer inLab(t, "virsh -q -c qemu:///system destroy instance-0000000e")
	want := labels{
		"name": "instance-0000000e", "instance_name": "a\"} 1\n# EOF", "flavor_name": "m1.small", "image_id": "f0f0d38c-0a5f-4c54-83e5-d48006b888a7",
		"project_name": "shop", "project_id": "38bd8e984a3e435a87e950a441ee55aa", "user_name": "alice", "user_id": "18509018d00743c89518135e476003e0",
	}
	// The guest's numbers come first, and while its QEMU is busy starting they take their time.
	eventually(t, "Nova's notes", 2*time.Minute, func() bool { return len(takeScrape(t).series("workload_openstack_info", want)) == 1 })
	if n := len(takeScrape(t).series("workload_info", labels{"name": "instance-0000000e", "runtime": "libvirt"})); n != 1 {
		t.Errorf("%d series of workload_info", n)
	}
}
