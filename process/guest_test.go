package process

import (
	"slices"
	"testing"
	"time"
)

const (
	uuidA = "384d1643-db97-4bde-a1fb-733dea7cecb2"
	uuidB = "4a1c0d2e-0000-4000-8000-00000000000a"
)

func qemuWith(uuid, device string) []string {
	return []string{
		"/usr/bin/qemu-system-x86_64", "-name", "guest=vm,debug-threads=on", "-uuid", uuid,
		"-device", `{"driver":"virtio-net-pci","id":"net0"}`, "-device", device, "-msg", "timestamp=on",
	}
}

func TestGuestCID(t *testing.T) {
	for device, want := range map[string]uint32{
		`{"driver":"vhost-vsock-pci","id":"vsock0","guest-cid":3,"vhostfd":"28","bus":"pci.5","addr":"0x0"}`: 3,
		`{"driver":"vhost-vsock-ccw","guest-cid":4294967294}`:                                                4294967294,
		"vhost-vsock-pci,id=vsock0,guest-cid=42,vhostfd=28":                                                  42,
		"driver=vhost-vsock-device,guest-cid=0x2a":                                                           42,
		"vhost-vsock-pci,guest-cid=9":                                                                        9,
		"vhost-vsock-pci,guest-cid=2":                                                                        0,
		"vhost-vsock-pci,guest-cid=4294967295":                                                               0,
		"vhost-vsock-pci,guest-cid=4294967296":                                                               0,
		"vhost-vsock-pci,guest-cid=-1":                                                                       0,
		"vhost-vsock-pci":                                                                                    0,
		"virtio-net-pci,guest-cid=7":                                                                         0,
		`{"driver":"vhost-vsock-pci","guest-cid":-3}`:                                                        0,
		`{"driver":"vhost-vsock-pci","guest-cid":"3"}`:                                                       0,
		`{"driver":"vhost-vsock-pci"}`:                                                                       0,
		`{"driver":"virtio-net-pci","guest-cid":3}`:                                                          0,
		`{"driver":"vhost-vsock-pci","guest-cid":3`:                                                          0,
		"": 0,
	} {
		got, ok := guestCID(qemuWith(uuidA, device))
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%s: %d, %v", device, got, ok)
		}
	}
	for _, args := range [][]string{nil, {"qemu"}, {"qemu", "-device"}, {"qemu", "-name", "-device"}} {
		if _, ok := guestCID(args); ok {
			t.Errorf("%q", args)
		}
	}
}

func FuzzGuestCID(f *testing.F) {
	f.Add(`{"driver":"vhost-vsock-pci","guest-cid":3}`)
	f.Add("vhost-vsock-pci,id=vsock0,guest-cid=42")
	f.Fuzz(func(t *testing.T, device string) {
		if cid, ok := guestCID([]string{"qemu", "-device", device}); ok && (cid < firstCID || cid == anyCID) {
			t.Errorf("%q: %d", device, cid)
		}
	})
}

func TestGuests(t *testing.T) {
	f := newFakeProc(t)
	f.put(10, "qemu-system-x86", 1, qemuWith(uuidA, "vhost-vsock-pci,guest-cid=3")...)
	f.put(11, "bash", 1, qemuWith(uuidB, "vhost-vsock-pci,guest-cid=4")...)
	f.put(12, "qemu-system-x86", 1, slices.Concat(qemuWith(uuidB, "vhost-vsock-pci,guest-cid=5"), []string{"-uuid", "none"})...)
	g := NewGuests(f.root)
	now := time.Unix(0, 0)
	g.now = func() time.Time { return now }
	want := func(cid uint32, uuid string) {
		t.Helper()
		got, ok := g.Find(cid)
		if ok != (uuid != "") || got.UUID != uuid {
			t.Errorf("%d: %+v, %v, want %q", cid, got, ok, uuid)
		}
	}
	want(3, uuidA)
	want(4, "")
	want(5, "")
	// A newcomer is found once it may be looked for again.
	f.put(13, "qemu-kvm", 1, qemuWith(uuidB, "vhost-vsock-pci,guest-cid=6")...)
	want(6, "")
	now = now.Add(scanGap)
	want(6, uuidB)
	// The number of one that has ended is given to another, at once.
	f.remove(10, "")
	f.put(14, "qemu-system-x86", 2, qemuWith(uuidB, "vhost-vsock-pci,guest-cid=3")...)
	want(3, uuidB)
	// As is its process id.
	f.remove(14, "")
	f.put(14, "qemu-system-x86", 3, qemuWith(uuidA, "vhost-vsock-pci,guest-cid=3")...)
	want(3, uuidA)
	f.remove(14, "")
	want(3, "")
	// Two that claim one number: nobody has it.
	now = now.Add(scanGap)
	f.put(15, "qemu-system-x86", 2, qemuWith(uuidA, "vhost-vsock-pci,guest-cid=6")...)
	f.remove(13, "")
	f.put(13, "qemu-kvm", 1, qemuWith(uuidA, "vhost-vsock-pci,guest-cid=6")...)
	want(6, "")
}

// TestGuestsOfThisHost looks at real processes, of which none is such a machine.
func TestGuestsOfThisHost(t *testing.T) {
	if got, ok := NewGuests("").Find(anyCID - 1); ok {
		t.Errorf("%+v", got)
	}
}
