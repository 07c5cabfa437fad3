package process

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseCmdline(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"\x00\x00", nil},
		{"/bin/sleep\x001\x00", []string{"/bin/sleep", "1"}},
		{"qemu\x00-append\x00\x00-m\x001\x00", []string{"qemu", "-append", "", "-m", "1"}},
		{"[lxc monitor] /var/lib/lxc lx1\x00\x00\x00", []string{"[lxc monitor] /var/lib/lxc lx1"}},
	} {
		if diff := cmp.Diff(tt.want, parseCmdline([]byte(tt.text))); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
}

func TestWholeArguments(t *testing.T) {
	if got := string(wholeArguments([]byte("a\x00-uuid\x0012"))); got != "a\x00-uuid\x00" {
		t.Errorf("kept %q", got)
	}
}

func TestOption(t *testing.T) {
	args := []string{"fc", "--id=a", "-name", "x", "--name", "y", "-c"}
	for name, want := range map[string]string{"id": "a", "name": "y", "c": "", "fc": "", "x": ""} {
		if got, ok := option(args, name); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", name, got, ok, want)
		}
	}
}

func TestFullID(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string]string{
		id:                         id,
		"/run/netns/" + id + ".ns": id,
		id + "0":                   "",
		id[1:]:                     "",
		strings.ToUpper(id):        "",
		"":                         "",
	} {
		if got, ok := fullID(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func FuzzParseCmdline(f *testing.F) {
	f.Add([]byte("/usr/bin/qemu-system-x86_64\x00-name\x00guest=a,,b\x00-uuid\x006ed5b6a5-2d7c-4c6b-8f4e-7c5d2f0d1e3a\x00"))
	f.Add([]byte("[lxc monitor] /var/lib/lxc lx1\x00"))
	f.Add([]byte("containerd-shim\x00-id\x00x\x00-namespace\x00y\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		args := parseCmdline(b)
		for _, h := range []string{hypervisorQEMU, hypervisorCH} {
			if m, ok := identify(7, h, args); ok && (m.ID == "" || m.Name == "") {
				t.Errorf("%q: a machine without a name: %+v", args, m)
			}
		}
		parseLXCMonitor(args)
		ofKata(args)
		for _, comm := range []string{shimComm, conmonComm, "pasta"} {
			if o, ok := owner(comm, args); ok && o.FullID == "" && o.Cgroup == "" {
				t.Errorf("%q: owned by nobody", args)
			}
		}
	})
}
