package libvirt

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// captured is what virsh domstats --block --backing printed, as it came.
func captured(t testing.TB, path string) []libvirt.TypedParam {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var params []libvirt.TypedParam
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if !ok {
			continue
		}
		p := libvirt.TypedParam{Field: key, Value: libvirt.TypedParamValue{I: value}}
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			p.Value.I = n
		}
		params = append(params, p)
	}
	return params
}

func layer(path string, capacity, allocated uint64) workload.DiskLayer {
	return workload.DiskLayer{Path: path, Capacity: workload.Known(capacity), Allocated: workload.Known(allocated)}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(workload.Value{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestParseBlocks(t *testing.T) {
	got, err := parseBlocks(captured(t, "testdata/blocks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "blocks.txt", got, []workload.Disk{
		{Target: "vda", Layers: []workload.DiskLayer{layer("/images/d1.qcow2", 83886080, 3411968), layer("/images/base.qcow2", 67108864, 10752000)}},
		{Target: "vdb", Layers: []workload.DiskLayer{layer("/images/raw.img", 10485760, 2097152)}},
		{Target: "hda", Layers: []workload.DiskLayer{layer("/images/cd.iso", 1048576, 1048576)}},
	})

	param := func(key string, value any) libvirt.TypedParam {
		return libvirt.TypedParam{Field: key, Value: libvirt.TypedParamValue{I: value}}
	}
	for what, tc := range map[string]struct {
		params []libvirt.TypedParam
		want   []workload.Disk
		fails  bool
	}{
		"no disk": {params: []libvirt.TypedParam{param("block.count", uint32(0))}},
		"network": {
			params: []libvirt.TypedParam{param("block.0.name", "vda"), param("block.0.capacity", uint64(7))},
			want:   []workload.Disk{{Target: "vda", Layers: []workload.DiskLayer{{Capacity: workload.Known(7)}}}},
		},
		"QEMU was not asked": {params: []libvirt.TypedParam{param("block.0.name", "vda"), param("block.0.path", "/x")}, fails: true},
		"no allocation":      {params: []libvirt.TypedParam{param("block.0.name", "vda"), param("block.0.path", "/x"), param("block.0.capacity", uint64(7))}, fails: true},
		"no name":            {params: []libvirt.TypedParam{param("block.1.name", "vda")}, fails: true},
		"rubbish": {params: []libvirt.TypedParam{
			param("block.", "x"), param("block.4294967295.name", "x"), param("block.-1.name", "x"), param("block.0", "x"), param("net.0.name", "x"),
		}},
		"other types": {params: []libvirt.TypedParam{param("block.0.name", uint64(1)), param("block.0.path", 5)}, fails: true},
	} {
		got, err := parseBlocks(tc.params)
		if (err != nil) != tc.fails {
			t.Errorf("%s: %v", what, err)
		}
		same(t, what, got, tc.want)
	}
}

func FuzzParseBlocks(f *testing.F) {
	f.Add("block.0.name", "vda", "block.0.capacity", uint64(1))
	f.Add("block.4095.path", "/x", "block.1.physical", uint64(1))
	f.Fuzz(func(t *testing.T, key1, text, key2 string, n uint64) {
		disks, err := parseBlocks([]libvirt.TypedParam{
			{Field: key1, Value: libvirt.TypedParamValue{I: text}}, {Field: key2, Value: libvirt.TypedParamValue{I: n}},
		})
		if err != nil && len(disks) > 0 {
			t.Error("an error, and disks")
		}
	})
}

func TestParseCommon(t *testing.T) {
	got, err := parseCommon(domainXML)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "common", got, map[string]bool{"hda": true, "vdb": true, "vdc": true})
	for _, text := range []string{"", "<domain>", "rubbish"} {
		if _, err := parseCommon(text); err == nil {
			t.Errorf("%q is understood", text)
		}
	}
}

const domainXML = `<domain type='qemu'><name>vm</name><devices>
<disk type='file' device='disk'><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='disk'><target dev='vdb' bus='virtio'/><readonly/></disk>
<disk type='file' device='disk'><target dev='vdc' bus='virtio'/><shareable/></disk>
<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
<interface type='network'><target dev='vnet0'/></interface></devices></domain>`

func FuzzParseCommon(f *testing.F) {
	f.Add(domainXML)
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseCommon(text) })
}

// withDisk gives a domain of the fake one disk on a backing file.
func withDisk(d *fakeDomain, n uint64) *fakeDomain {
	d.xml = domainXML
	d.blocks = (&fakeDomain{}).named("block.0.name", "vda").named("block.0.path", "/d/"+d.name).with("block.0.capacity", 100).with("block.0.physical", n).
		named("block.1.name", "vda").named("block.1.path", "/base").with("block.1.capacity", 90).with("block.1.physical", 50)
	return d
}

func TestDisks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(4)...)
		for i, d := range f.domains {
			withDisk(d, uint64(i))
		}
		f.domains[1].frozen = make(chan struct{})
		uuids := make([]string, len(f.domains))
		r := start(t, f, nil)
		r.after(time.Second)
		for i, d := range f.domains {
			uuids[i] = r.reg.machine(d.name).UUID
		}
		want := func(i int) []workload.Disk {
			return []workload.Disk{{Target: "vda", Layers: []workload.DiskLayer{layer("/d/"+f.domains[i].name, 100, uint64(i)), layer("/base", 90, 50)}}}
		}
		before := time.Now()
		got, err := r.Disks(t.Context(), uuids[:1])
		if err != nil || time.Since(before) > time.Second {
			t.Errorf("%v after %v", err, time.Since(before))
		}
		same(t, "one", got, map[string][]workload.Disk{uuids[0]: want(0)})

		// One whose storage hangs costs itself.
		got, err = r.Disks(t.Context(), uuids)
		if !errors.Is(err, errDeadline) {
			t.Errorf("one that hangs: %v", err)
		}
		same(t, "the others", got, map[string][]workload.Disk{uuids[0]: want(0), uuids[2]: want(2), uuids[3]: want(3)})
		if h := r.Health(); h.Quarantined != 1 || h.Pending != 1 {
			t.Errorf("%d quarantined, %d pending", h.Quarantined, h.Pending)
		}
		f.seen()
		if got, err := r.Disks(t.Context(), uuids[1:2]); err == nil || len(got) > 0 {
			t.Errorf("one in quarantine: %v, %v", got, err)
		}
		for _, call := range f.seen() {
			if call == "blocks "+f.domains[1].name || call == "stats "+f.domains[1].name {
				t.Error("one in quarantine was called")
			}
		}
		f.set(func() { close(f.domains[1].frozen); f.domains[1].frozen = nil })
		f.seen()
		r.after(30 * time.Second)
		asksNobody(t, f)
		got, err = r.Disks(t.Context(), uuids[1:2])
		same(t, "back", got, map[string][]workload.Disk{uuids[1]: want(1)})
		if err != nil {
			t.Error(err)
		}
		if _, err := r.Disks(t.Context(), []string{"nobody"}); !errors.Is(err, errUnlisted) {
			t.Errorf("nobody: %v", err)
		}
		// One that was late is a suspect, and not asked for more.
		late := make(chan struct{})
		f.set(func() { f.domains[3].stuck = late })
		f.seen()
		time.AfterFunc(5*time.Second, func() { close(late) })
		time.AfterFunc(4*time.Second, func() { f.set(func() { f.control[f.domains[3].name] = 2 }) })
		if got, err := r.Disks(t.Context(), uuids[3:]); err == nil || len(got) > 0 {
			t.Errorf("one that is late: %v, %v", got, err)
		}
		asksNobody(t, f)
		r.stop()
	})
}

// asksNobody looks whether nobody was asked for disks.
func asksNobody(t *testing.T, f *fake) {
	t.Helper()
	for _, call := range f.seen() {
		if strings.HasPrefix(call, "blocks") || strings.HasPrefix(call, "xml") {
			t.Errorf("asked for nobody: %s", call)
		}
	}
}

// TestRealDisks compares with qemu-img what a real daemon and a real QEMU say.
func TestRealDisks(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("qemu-img is missing, and CI skips nothing")
		}
		t.Skip("no qemu-img here")
	}
	d := startDaemon(t)
	dir := filepath.Join(d.dir, "data")
	d.run(dir, "qemu-img create -q -f qcow2 base.qcow2 64M && qemu-io -c 'write -P 7 0 10M' base.qcow2 &&"+
		"qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 one.qcow2 80M && qemu-io -c 'write -P 8 20M 3M' one.qcow2 &&"+
		"qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 two.qcow2 && head -c 1048576 /dev/zero >cd.iso")
	for _, name := range []string{"one", "two"} {
		d.write(name+".xml", fmt.Sprintf(`<domain type='qemu'><name>%[1]s</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>%[2]s</emulator>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='%[3]s/%[1]s.qcow2'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><source file='%[3]s/cd.iso'/><target dev='hda' bus='ide'/><readonly/></disk>
<disk type='file' device='cdrom'><target dev='hdb' bus='ide'/><readonly/></disk></devices></domain>`, name, d.emulator(), dir))
		d.virsh("create", filepath.Join(d.dir, name+".xml"))
	}
	r := launch(t, Config{
		Socket: d.socket, URI: "qemu:///session", PIDDir: d.pidDir(), Interval: 500 * time.Millisecond, GuestInterval: time.Second,
	})
	// What a machine that starts keeps to itself comes later.
	var got map[string][]workload.Disk
	eventually(t, "disks of both", func() bool {
		var uuids []string
		for _, name := range []string{"one", "two"} {
			uuids = append(uuids, r.reg.machine(name).UUID)
		}
		var err error
		got, err = r.Disks(t.Context(), uuids)
		return err == nil && len(got) == 2
	})
	for _, name := range []string{"one", "two"} {
		list := got[r.reg.machine(name).UUID]
		if len(list) != 2 || list[0].Common || !list[1].Common || len(list[0].Layers) != 2 || len(list[1].Layers) != 1 {
			t.Fatalf("%s: %+v", name, list)
		}
		for _, l := range append(list[0].Layers, list[1].Layers...) {
			info := d.run(dir, "qemu-img info -U --output=json '"+l.Path+"'")
			for key, v := range map[string]workload.Value{"virtual-size": l.Capacity, "actual-size": l.Allocated} {
				if n, ok := v.Get(); !ok || !strings.Contains(info, fmt.Sprintf("%q: %d", key, n)) {
					t.Errorf("%s: %s is %v, and qemu-img says\n%s", l.Path, key, v, info)
				}
			}
		}
	}
}

// run is a shell command line, as the daemon's user.
func (d *daemon) run(dir, line string) string {
	d.t.Helper()
	cmd := exec.Command("sh", "-c", line)
	cmd.Env, cmd.SysProcAttr, cmd.Dir = d.env, d.as, dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}
