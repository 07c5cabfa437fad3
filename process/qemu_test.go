package process

import (
	"strings"
	"testing"
)

func TestGuestName(t *testing.T) {
	for _, tt := range []struct {
		value, name string
		explicit    bool
	}{
		{"vm1", "vm1", false},
		{"vm1,debug-threads=on", "vm1", false},
		{"guest=vm1,debug-threads=on", "vm1", true},
		{"debug-threads=on,guest=vm1", "vm1", true},
		{"guest=a,,b,,,,c,process=x", "a,b,,c", true},
		{"a,,b,debug-threads=off", "a,b", false},
		{"guest=x=y,process=p", "x=y", true},
		{"process=p", "", false},
		{"guest=", "", true},
		{"", "", false},
	} {
		if name, explicit := guestName(tt.value); name != tt.name || explicit != tt.explicit {
			t.Errorf("%q: %q, %v", tt.value, name, explicit)
		}
	}
}

func TestParseQEMU(t *testing.T) {
	for file, want := range map[string]qemu{
		"libvirt":       {name: "web_front.end,v2 (prod) ü", uuid: "6ed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a", guest: true},
		"libvirt-probe": {probe: true},
		"incus":         {name: "v1", uuid: "0e2f8f5e-6d4f-4c2b-9c53-6d4e5dc16755"},
		"proxmox":       {name: "db"},
		"by-hand":       {},
	} {
		if got := parseQEMU(example(t, file)); got != want {
			t.Errorf("%s: %+v, want %+v", file, got, want)
		}
	}
}

func TestParseUUID(t *testing.T) {
	const uuid = "6ed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a"
	for text, want := range map[string]string{
		uuid: uuid, strings.ToUpper(uuid): uuid, strings.ReplaceAll(uuid, "-", ""): uuid,
		noUUID: "", "": "", "6ed5b6a5": "", "zed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a": "",
	} {
		if got := parseUUID(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzGuestName(f *testing.F) {
	f.Add("guest=a,,b,debug-threads=on")
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" {
			return
		}
		// Whatever a machine is called, libvirt's writing of it is read back.
		value := "guest=" + strings.ReplaceAll(name, ",", ",,") + ",debug-threads=on"
		if got, explicit := guestName(value); got != name || !explicit {
			t.Errorf("%q is read as %q", value, got)
		}
		guestName(name)
	})
}
