package runtimes

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

func vm(runtime, id, name string) workload.Identity {
	return workload.Identity{Kind: workload.KindVM, Runtime: runtime, ID: id, Name: name}
}

func container(runtime, id, name string) workload.Identity {
	return workload.Identity{Kind: workload.KindContainer, Runtime: runtime, ID: id, Name: name}
}

func TestMachinedOfTheLab(t *testing.T) {
	m := NewMachined(MachinedConfig{Dir: "testdata/machines"})
	for _, tt := range []struct {
		cgroup     string
		path, want workload.Identity
		opinion    workload.Opinion
	}{
		{
			`/machine.slice/machine-lxc\x2d1028\x2dlvlxc.scope`, container("libvirt-lxc", "", "lv_lxc"),
			container("libvirt-lxc", "101e6314-275b-450e-854c-a517fa2019e7", "lv_lxc"), workload.Settled,
		},
		{
			`/machine.slice/machine-lxc\x2d1028\x2dlvlxc.scope`, container("libvirt-lxc", "", ""),
			container("libvirt-lxc", "101e6314-275b-450e-854c-a517fa2019e7", "lvlxc"), workload.Settled,
		},
		{
			`/machine.slice/machine-qemu\x2d1\x2dvm\x2dkvm.scope`, vm("libvirt", "", "vm_kvm"),
			vm("libvirt", "b6beef28-b24b-4303-b9ba-92ac4ad8b8d0", "vm_kvm"), workload.NoOpinion,
		},
		{"/machine.slice/nsp.service", container("nspawn", "nsp", "nsp"), container("nspawn", "nsp1", "nsp1"), workload.Settled},
		{"/system.slice/_nsp.service", container("nspawn", "nsp", "nsp"), container("nspawn", "nsp1", "nsp1"), workload.Settled},
		{"/machine.slice/systemd-nspawn@nsp2.service", container("nspawn", "nsp2", "nsp2"), container("nspawn", "nsp2", "nsp2"), workload.Settled},
		{"/machine.slice/systemd-nspawn@new.service", container("nspawn", "new", "new"), container("nspawn", "new", "new"), workload.Wait},
		{`/machine.slice/machine-lxc\x2d9\x2dnew.scope`, container("libvirt-lxc", "", "new"), container("libvirt-lxc", "", "new"), workload.Wait},
		{
			"/machine.slice/unregistered.scope", container("nspawn", "unregistered", "unregistered"),
			container("nspawn", "unregistered", "unregistered"), workload.NoOpinion,
		},
		{"/lxc.payload.c1", container("lxc", "c1", "c1"), container("lxc", "c1", "c1"), workload.NoOpinion},
		{"/system.slice/docker-x.scope", container("docker", "x", "x"), container("docker", "x", "x"), workload.NoOpinion},
		{"", vm("qemu", "x", "x"), vm("qemu", "x", "x"), workload.NoOpinion},
	} {
		c := workload.Candidate{Identity: tt.path, Cgroup: tt.cgroup}
		if got := m.Resolve(&c); got != tt.opinion {
			t.Errorf("%s: opinion %d, want %d", tt.cgroup, got, tt.opinion)
		}
		if diff := cmp.Diff(tt.want, c.Identity); diff != "" {
			t.Errorf("%s: %s", tt.cgroup, diff)
		}
	}
}

// register writes what machined would.
func register(t *testing.T, dir, unit, machine, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, machine), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(machine, filepath.Join(dir, "unit:"+unit)); err != nil {
		t.Fatal(err)
	}
}

func TestMachinedClass(t *testing.T) {
	dir := t.TempDir()
	register(t, dir, "machine-image.scope", "image", "NAME=image\nSERVICE=mkosi\nCLASS=vm\n")
	register(t, dir, "systemd-vmspawn@vm1.service", "vm1", "NAME=vm1\nSERVICE=systemd-vmspawn\nCLASS=vm\n")
	register(t, dir, "machine-cont.scope", "cont", "NAME=cont\nSERVICE=else\nCLASS=container\n")
	register(t, dir, "machine-host.scope", "host", "NAME=host\nCLASS=host\n")
	register(t, dir, "machine-empty.scope", "empty", "")
	m := NewMachined(MachinedConfig{Dir: dir})
	for _, tt := range []struct {
		unit       string
		path, want workload.Identity
	}{
		{"machine-image.scope", container("nspawn", "image", "image"), vm("vmspawn", "image", "image")},
		{"systemd-vmspawn@vm1.service", vm("vmspawn", "x", "x"), vm("vmspawn", "vm1", "vm1")},
		{"machine-cont.scope", container("nspawn", "c", "c"), container("nspawn", "cont", "cont")},
		{"machine-image.scope", container("docker", "d", "d"), container("docker", "d", "d")},
		{"machine-host.scope", container("nspawn", "h", "h"), container("nspawn", "h", "h")},
		{"machine-empty.scope", container("nspawn", "e", "e"), container("nspawn", "e", "e")},
	} {
		c := workload.Candidate{Identity: tt.path, Cgroup: "/machine.slice/" + tt.unit}
		got := m.Resolve(&c)
		if c.Identity != tt.want || (got == workload.Settled) != (tt.path != tt.want) {
			t.Errorf("%s: opinion %d of %+v, want %+v", tt.unit, got, c.Identity, tt.want)
		}
	}
}

func TestMachinedAbsent(t *testing.T) {
	m := NewMachined(MachinedConfig{Dir: filepath.Join(t.TempDir(), "none")})
	c := workload.Candidate{Identity: container("libvirt-lxc", "", "x"), Cgroup: `/machine.slice/machine-lxc\x2d9\x2dx.scope`}
	if got := m.Resolve(&c); got != workload.NoOpinion {
		t.Errorf("waits for a machined that is not there: %d", got)
	}
}

func TestMachinedSaysOnceThatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	register(t, dir, "a.scope", "a", "NAME=a\nSERVICE=systemd-nspawn\n")
	var log bytes.Buffer
	m := NewMachined(MachinedConfig{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	// A link that is none cannot be read as one.
	if err := os.WriteFile(filepath.Join(dir, "unit:b.scope"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	resolve := func(unit string) workload.Opinion {
		return m.Resolve(&workload.Candidate{Identity: container("nspawn", "x", "x"), Cgroup: "/" + unit})
	}
	for range 3 {
		if got := resolve("b.scope"); got != workload.NoOpinion {
			t.Errorf("opinion %d", got)
		}
	}
	for range 3 {
		if got := resolve("a.scope"); got != workload.Settled {
			t.Errorf("opinion %d", got)
		}
	}
	if got := strings.Count(log.String(), "\n"); got != 2 {
		t.Errorf("%d lines for two changes:\n%s", got, log.String())
	}
}

func TestParseRegistration(t *testing.T) {
	for _, tt := range []struct {
		text string
		want registration
	}{
		{
			"# comment\nNAME=a\nLEADER=1\nID=101e6314275b450e854ca517fa2019e7\n",
			registration{name: "a", id: "101e6314-275b-450e-854c-a517fa2019e7"},
		},
		{"NAME=\"a \\\"b\\\\\"\nCLASS=vm", registration{name: `a "b\`, class: "vm"}},
		{"ID=00000000000000000000000000000000\nSERVICE", registration{}},
		{"ID=101e6314\n", registration{}},
		{"", registration{}},
	} {
		if got := parseRegistration([]byte(tt.text)); got != tt.want {
			t.Errorf("%q: %+v, want %+v", tt.text, got, tt.want)
		}
	}
}

func TestDomainName(t *testing.T) {
	for machine, want := range map[string]string{
		"lxc-1028-lvlxc": "lvlxc", "qemu-1-vm-kvm": "vm-kvm", "qemu-embed-0991f456-1-demo": "", "nsp1": "", "a-b": "", "": "",
	} {
		if got := domainName(machine); got != want {
			t.Errorf("%s: %q, want %q", machine, got, want)
		}
	}
}

func FuzzParseRegistration(f *testing.F) {
	f.Add([]byte("# This is private data. Do not parse.\nNAME=nsp1\nSERVICE=systemd-nspawn\nID=4d79125ce0fa4dfa896b76f4123a7083\nCLASS=container\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := workload.Candidate{Identity: container("nspawn", "x", "x")}
		if parseRegistration(b).apply(&c) == workload.Settled && (c.ID == "" || c.Name == "") {
			t.Errorf("%q: settled without a name: %+v", b, c)
		}
	})
}

func TestMachinedImage(t *testing.T) {
	for root, want := range map[string]string{
		"":                         "",
		"/var/lib/machines/deb":    "deb",
		"/srv/bb":                  "/srv/bb",
		"/tmp/nspawn-root-a1b2c3":  "",
		"/var/lib/machines/a/deep": "/var/lib/machines/a/deep",
	} {
		c := workload.Candidate{Identity: container("nspawn", "x", "x")}
		parseRegistration([]byte("NAME=x\nSERVICE=systemd-nspawn\nROOT=" + root + "\n")).apply(&c)
		if c.Metadata.Image != want {
			t.Errorf("%s is image %q, want %q", root, c.Metadata.Image, want)
		}
	}
}
