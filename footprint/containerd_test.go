package footprint

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestParseOverlay(t *testing.T) {
	const snapshots = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/"
	for options, want := range map[string]*overlay{
		"rw,lowerdir=" + snapshots + "2/fs:" + snapshots + "1/fs,upperdir=" + snapshots + "9/fs,workdir=" + snapshots + "9/work,index=off": {
			snapshots + "9/fs", []string{snapshots + "2/fs", snapshots + "1/fs"},
		},
		"rw,lowerdir=2/fs:1/fs,upperdir=" + snapshots + "9/fs,workdir=" + snapshots + "9/work": {
			snapshots + "9/fs", []string{snapshots + "2/fs", snapshots + "1/fs"},
		},
		"rw,lowerdir+=/l/2,lowerdir+=/l/1,upperdir=/u,workdir=/w": {"/u", []string{"/l/2", "/l/1"}},
		"rw,lowerdir=/l/1::/data,upperdir=/u":                     {"/u", []string{"/l/1", "/data"}},
		"ro,lowerdir=/a:/b":                                       nil,
		`rw,lowerdir=/a\072b:/c,upperdir=/u`:                      nil,
		"rw,lowerdir=/a,upperdir=u":                               nil,
		"":                                                        nil,
	} {
		got, ok := parseOverlay(&mountinfo.Info{VFSOptions: options})
		if ok != (want != nil) {
			t.Errorf("%s: %v", options, ok)
		} else if ok {
			same(t, options, got, *want)
		}
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add("1 1 0:1 / /run/containerd/io.containerd.runtime.v2.task/ns/id/rootfs rw - overlay overlay rw,lowerdir=/a:b,upperdir=/u/v/w")
	f.Fuzz(func(t *testing.T, line string) {
		c := NewContainerd(nil, "", "/run/containerd")
		_, _ = mountinfo.GetMountsFromReader(strings.NewReader(line), func(m *mountinfo.Info) (bool, bool) {
			if o, ok := parseOverlay(m); ok {
				for _, dir := range append(o.lower, o.upper) {
					if !filepath.IsAbs(dir) {
						t.Errorf("%q is not absolute", dir)
					}
				}
			}
			if strings.Contains(c.task(m), "/") {
				t.Errorf("%q is no id", c.task(m))
			}
			return true, false
		})
	})
}

func TestContainerd(t *testing.T) {
	dir := files(t, map[string]int{
		"snapshots/1/fs/a": 50_000, "snapshots/2/fs/b": 20_000, "snapshots/7/fs/x": 1000, "snapshots/8/fs/x": 9000, "snapshots/9/fs/x": 30_000,
	})
	mounts := filepath.Join(dir, "mountinfo")
	line := func(ns, id string, upper int, lower ...int) string {
		var lowers []string
		for _, l := range lower {
			lowers = append(lowers, fmt.Sprintf("%s/snapshots/%d/fs", dir, l))
		}
		return fmt.Sprintf("40 1 0:40 / /run/containerd/io.containerd.runtime.v2.task/%s/%s/rootfs rw - overlay overlay rw,lowerdir=%s,upperdir=%s/snapshots/%d/fs\n",
			ns, id, strings.Join(lowers, ":"), dir, upper)
	}
	put(t, mounts, []byte(line("default", "ctr1", 7, 1)+line("k8s.io", "pause", 8, 1)+line("k8s.io", "app", 9, 2, 1)+
		"41 1 0:41 / /run/containerd/io.containerd.runtime.v2.task/default/ctr1/rootfs/proc rw - proc proc rw\n"))
	list := workloads([]string{"containerd", "ctr1", "ctr1"}, []string{"containerd", "other", "other"}, []string{"kubernetes", "uid", "uid", "pause", "app"})
	walker := newTestWalker()
	of := func(n int) uint64 {
		s, err := walker.size(t.Context(), fmt.Sprintf("%s/snapshots/%d/fs", dir, n))
		if err != nil {
			t.Fatal(err)
		}
		return s.bytes
	}
	c := NewContainerd(walker, mounts, "/run/containerd")
	p := newPolled(list, c)
	p.begin()
	p.step(t.Context(), 0)
	known := workload.Known
	at := known(1_700_000_000_000_000_000)
	same(t, "ctr1", p.Of(list[0]), workload.Footprint{Unique: known(of(7)), Shared: known(of(1)), Allocated: known(of(7)), Updated: at})
	same(t, "other", p.Of(list[1]), workload.Footprint{})
	same(t, "pod", p.Of(list[2]), workload.Footprint{
		Unique: known(of(8) + of(9)), Shared: known(of(1) + of(2)), Allocated: known(of(8) + of(9)), Updated: at,
	})
	same(t, "host", p.Host(), []workload.HostFootprint{
		{Kind: "container", Runtime: "containerd", Unique: of(7), Shared: of(1)},
		{Kind: "container", Runtime: "kubernetes", Unique: of(8) + of(9), Shared: of(2)},
	})
	// Layers are looked at once; those of nobody are forgotten.
	put(t, filepath.Join(dir, "snapshots/1/fs/more"), make([]byte, 100_000))
	put(t, mounts, []byte(line("default", "ctr1", 7, 1)))
	found, err := c.Look(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if got := found[list[0]].Items[0].Bytes; got == known(of(1)) || len(c.layers) != 1 {
		t.Errorf("walked again: %v; %d layers are kept", got, len(c.layers))
	}
	if _, err := NewContainerd(walker, "/nowhere", "").Look(t.Context(), list); err == nil {
		t.Error("no mountinfo is no error")
	}
}
