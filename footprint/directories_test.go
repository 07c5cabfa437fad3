package footprint

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestLXCRoot(t *testing.T) {
	for config, want := range map[string]root{
		"":                               {},
		"lxc.uts.name = a\n":             {},
		"lxc.rootfs.path = dir:/srv/a\n": {own: "/srv/a"},
		"lxc.rootfs.path=/srv/a":         {own: "/srv/a"},
		"#lxc.rootfs.path = /srv/a":      {},
		"lxc.rootfs.path = /a\nlxc.rootfs.path = dir:/b\n":      {own: "/b"},
		"lxc.rootfs.path = overlay:/a:/b:/c":                    {own: "/c", lower: []string{"/a", "/b"}},
		"lxc.rootfs.path = overlayfs:/a:/c":                     {own: "/c", lower: []string{"/a"}},
		"lxc.rootfs.path = zfs:pool/a":                          {},
		"lxc.rootfs.path = dir:a":                               {},
		"lxc.rootfs.path = /a\nlxc.rootfs.path = lvm:/dev/vg/a": {},
	} {
		same(t, config, lxcRoot([]byte(config)), want)
	}
}

func TestRegisteredRoot(t *testing.T) {
	for file, want := range map[string]string{
		"": "",
		"NAME=a\nROOT=/srv/bb\nCLASS=container\n": "/srv/bb",
		"ROOT=\"/srv/a \\\"b\\\"\\\\c\"":          `/srv/a "b"\c`,
		"ROOT=relative":                           "",
		"XROOT=/a":                                "",
	} {
		if got := registeredRoot([]byte(file)); got != want {
			t.Errorf("%q: %q", file, got)
		}
	}
}

func FuzzRoots(f *testing.F) {
	f.Add([]byte("ROOT=\"/a\\b\"\nlxc.rootfs.path = overlay:/a:/b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := registeredRoot(b); r != "" && r[0] != '/' {
			t.Errorf("%q is not absolute", r)
		}
		_ = lxcRoot(b)
	})
}

func TestDirectories(t *testing.T) {
	dir := files(t, map[string]int{"nsp/a": 10_000, "lxc/l/rootfs/b": 20_000, "low/c": 30_000, "up/d": 5000})
	put(t, filepath.Join(dir, "machines/n1"), []byte("ROOT="+dir+"/nsp\n"))
	put(t, filepath.Join(dir, "machines/n2"), []byte("ROOT="+dir+"/nsp\n"))
	put(t, filepath.Join(dir, "machines/bad"), []byte("ROOT="+dir+"/gone\n"))
	put(t, filepath.Join(dir, "lxc/l/config"), []byte("lxc.rootfs.path = dir:"+dir+"/lxc/l/rootfs\n"))
	put(t, filepath.Join(dir, "lxc/o/config"), []byte("lxc.rootfs.path = overlay:"+dir+"/low:"+dir+"/up\n"))
	list := workloads([]string{"lxc", "l", "l"}, []string{"lxc", "none", "none"}, []string{"lxc", "o", "o"},
		[]string{"nspawn", "bad", "bad"}, []string{"nspawn", "n1", "n1"}, []string{"nspawn", "n2", "n2"},
		[]string{"nspawn", "un", "un"}, []string{"nspawn", "up", "../up"})
	walker := newTestWalker()
	of := func(path string) uint64 {
		s, err := walker.size(t.Context(), filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		return s.bytes
	}
	d := NewDirectories(walker, filepath.Join(dir, "machines"), filepath.Join(dir, "lxc"))
	if _, err := d.Look(t.Context(), list); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/gone") {
		t.Errorf("a root that is gone: %v", err)
	}
	p := newPolled(list, d)
	p.begin()
	p.step(t.Context(), 0)
	known := workload.Known
	sums := map[string][2]uint64{}
	for _, w := range list {
		f := p.Of(w)
		u, ok := f.Unique.Get()
		if s, _ := f.Shared.Get(); ok {
			sums[w.ID] = [2]uint64{u, s}
		}
	}
	same(t, "unique, shared", sums, map[string][2]uint64{
		"l": {of("lxc/l/rootfs"), 0}, "o": {of("up"), of("low")}, "n1": {0, of("nsp")}, "n2": {0, of("nsp")},
	})
	if got := p.Of(list[0]).Allocated; got != known(of("lxc/l/rootfs")) {
		t.Errorf("allocated %v", got)
	}
	same(t, "host", p.Host(), []workload.HostFootprint{
		{Kind: "container", Runtime: "lxc", Unique: of("lxc/l/rootfs") + of("up"), Shared: of("low")},
		{Kind: "container", Runtime: "nspawn", Unique: 0, Shared: of("nsp")},
	})
	user := &workload.Workload{Identity: workload.Identity{Kind: "container", Runtime: "lxc"}, Cgroup: "/user.slice/x/lxc.payload.l"}
	if d.Wants(user) {
		t.Error("a user's own container is taken for root's of the same name")
	}
}
