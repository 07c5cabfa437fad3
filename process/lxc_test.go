package process

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseLXCMonitor(t *testing.T) {
	for _, tt := range []struct{ title, path, name, runtime string }{
		{"[lxc monitor] /var/lib/lxc lx1", "/var/lib/lxc", "lx1", "lxc"},
		{"[lxc monitor] /var/lib/incus/containers my_proj_c1", "/var/lib/incus/containers", "my_proj_c1", "incus"},
		{"[lxc monitor] /var/snap/lxd/common/lxd/containers c1  ", "/var/snap/lxd/common/lxd/containers", "c1", "lxd"},
		{"[lxc monitor] /home/a b/.local/share/lxc un1", "/home/a b/.local/share/lxc", "un1", "lxc"},
		{"[lxc monitor] x", "", "", ""},
		{"lxc-start -n x", "", "", ""},
	} {
		m, ok := parseLXCMonitor([]string{tt.title})
		if ok != (tt.name != "") || m.path != tt.path || m.name != tt.name || ok && m.runtime() != tt.runtime {
			t.Errorf("%q: %+v, %v", tt.title, m, ok)
		}
	}
}

func TestMonitorGroups(t *testing.T) {
	for payload, want := range map[string][]string{
		"/lxc.payload.c1":     {"/lxc.monitor.c1", "/lxc.monitor.c1-1", "/lxc.monitor.c1-2"},
		"/a/lxc.payload.c9-1": {"/a/lxc.monitor.c9-1", "/a/lxc.monitor.c9", "/a/lxc.monitor.c9-2"},
		"/lxc/101":            {"/lxc.monitor/101", "/lxc.monitor/101-1", "/lxc.monitor/101-2"},
		"/lxc.payload/web":    {"/lxc.monitor/web", "/lxc.monitor/web-1", "/lxc.monitor/web-2"},
	} {
		if diff := cmp.Diff(want, monitorGroups(payload)); diff != "" {
			t.Errorf("%s: %s", payload, diff)
		}
	}
}

func TestServes(t *testing.T) {
	c9 := lxcMonitor{name: "c9"}
	for _, payload := range []string{"/lxc.payload.c9", "/lxc.payload.c9-1", "/lxc/c9"} {
		if !c9.serves(payload) {
			t.Errorf("c9's monitor does not serve %s", payload)
		}
	}
	if slices.ContainsFunc([]string{"/lxc.payload.c", "/lxc.payload.c9-x", "/lxc.payload.c99"}, c9.serves) {
		t.Error("c9's monitor serves another")
	}
}

func TestInstanceName(t *testing.T) {
	for full, want := range map[string]string{"c1": "c1", "p_c1": "c1", "my_proj_c1": "c1"} {
		if got := instanceName(full); got != want {
			t.Errorf("%s: %s", full, got)
		}
	}
	for full, want := range map[string]string{"c1": "default", "p_c1": "p", "my_proj_c1": "my_proj", "_c1": "default"} {
		if got := project(full); got != want {
			t.Errorf("%s: project %s", full, got)
		}
	}
}
