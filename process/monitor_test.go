package process

import "testing"

func TestHypervisor(t *testing.T) {
	for name, want := range map[string]string{
		"qemu-system-x86_64": "qemu", "qemu-system-x86": "qemu", "qemu-system-aar": "qemu", "qemu-kvm": "qemu", "kvm": "qemu",
		".qemu-system-x86_64-wrapped": "qemu",
		"cloud-hypervisor":            "cloud-hypervisor", "cloud-hyperviso": "cloud-hypervisor",
		"firecracker": "firecracker",
		"qemu-img":    "", "qemu-nbd": "", "qemu-ga": "", "qemu-aarch64": "", "kvm-nx-lpage-re": "", "sleep": "", "": "",
	} {
		if got := hypervisor(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestMonitorName(t *testing.T) {
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"551e7604-e35c-42b3-b825-416853441234", example(t, "firecracker")},
		{"vm7", example(t, "firecracker-hand")},
		{"build-1", example(t, "cloud-hypervisor")},
		{"web", []string{"cloud-hypervisor", "--api-socket", "/run/web.sock"}},
		{"", []string{"cloud-hypervisor", "--api-socket", "/tmp/ch.sock"}},
		{"", []string{"cloud-hypervisor", "--api-socket", "fd=3"}},
		{"", []string{"firecracker", "--id", "anonymous-instance"}},
		{"", []string{"firecracker"}},
	} {
		if got := monitorName(tt.args); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.args, got, tt.want)
		}
	}
}

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		file, hypervisor, runtime, id, name string
		unnamed                             bool
	}{
		{"incus", "qemu", "incus", "v1", "v1", false},
		{"incus-project", "qemu", "incus", "my_proj_v1", "v1", false},
		{"lxd", "qemu", "lxd", "test-2-cpu", "test-2-cpu", false},
		{"boxes", "qemu", "libvirt", "7f0d1e3a-2d7c-4c6b-8f4e-7c5d2f0d1e3b", "fedora40-ws", false},
		{"by-hand", "qemu", "qemu", "pid-7", "pid-7", true},
		{"proxmox", "qemu", "qemu", "db", "db", false},
		{"firecracker-hand", "firecracker", "firecracker", "vm7", "vm7", false},
		{"cloud-hypervisor", "cloud-hypervisor", "cloud-hypervisor", "build-1", "build-1", false},
	} {
		m, ok := identify(7, tt.hypervisor, example(t, tt.file))
		if !ok || m.Kind != "vm" || m.Runtime != tt.runtime || m.ID != tt.id || m.Name != tt.name || m.unnamed != tt.unnamed {
			t.Errorf("%s: %+v, %v", tt.file, m, ok)
		}
	}
	if m, ok := identify(7, "qemu", example(t, "libvirt-probe")); ok {
		t.Errorf("libvirt's probe is a machine: %+v", m)
	}
}

func TestOfKata(t *testing.T) {
	for file, want := range map[string]bool{
		"kata": true, "kata-clh": true, "incus": false, "libvirt": false, "proxmox": false, "by-hand": false,
	} {
		if got := ofKata(example(t, file)); got != want {
			t.Errorf("%s: %v", file, got)
		}
	}
	if ofKata([]string{"qemu-system-x86_64", "-name", "sandbox-mine"}) {
		t.Error("anybody's sandbox is Kata's")
	}
}
