package cgroupfs

import (
	"regexp"
	"strings"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

// TestClassifyInvariants holds for every known path what the fuzzer looks for.
func TestClassifyInvariants(t *testing.T) {
	c := NewClassifier(regexp.MustCompile(`^[a-f].*`))
	for _, row := range testRows(t)[1:] {
		checkInvariants(t, c, row[0])
		checkInvariants(t, c, row[0]+"/payload")
		checkInvariants(t, c, row[0]+"/kata_x")
	}
}

func FuzzClassify(f *testing.F) {
	for _, row := range testRows(f)[1:] {
		f.Add(row[0], "x")
	}
	f.Add("/kubepods/podf64551fc-d6f0-4823-ab87-971cfb914464", "kata_x")
	f.Add("/system.slice/box.service", "payload")
	f.Add("//_a.scope/./x\n\xff", "..")
	c := NewClassifier(regexp.MustCompile(`^[a-f].*`))
	f.Fuzz(func(t *testing.T, path, below string) {
		checkInvariants(t, c, path)
		checkInvariants(t, c, path+"/"+below)
	})
}

func checkInvariants(t *testing.T, c *Classifier, path string) {
	t.Helper()
	if n := strings.Count(c.Line(path), "\t"); n != 5 || strings.Contains(c.Line(path), "\n") {
		t.Errorf("%q: the line is %q", path, c.Line(path))
	}
	if id, ok := c.Inner(path); ok && len(id) != 64 {
		t.Errorf("%q: inner %q", path, id)
	}
	k, ok := c.Classify(path)
	if owner, monitors := c.Monitors(path); monitors && (ok || owner == workload.Owner{}) {
		t.Errorf("%q: a monitor %+v and %+v", path, owner, k)
	}
	// A group that was truly named so is taken for one that is gone.
	if !ok || strings.Contains(path, "(deleted)") {
		return
	}
	clean, _ := cleanPath(path)
	if k.Top == "" || clean != k.Top && !strings.HasPrefix(clean, k.Top+"/") {
		t.Errorf("%q: its top is %q", path, k.Top)
	}
	if k.Name == "" || k.Kind == "" || k.Runtime == "" {
		t.Errorf("%q: incomplete %+v", path, k)
	}
	if k.FullID != "" && (len(k.FullID) != 64 || k.ID != k.FullID[:12]) {
		t.Errorf("%q: id %q of %q", path, k.ID, k.FullID)
	}
	if again, ok := c.Classify(clean); !ok || again != k {
		t.Errorf("%q: %+v, and clean %+v", path, k, again)
	}
	if under, ok := c.Classify(clean + "/system.slice/x.service"); !ok || under.Top != k.Top || under.ID != k.ID {
		t.Errorf("%q: %+v, and below it %+v", path, k, under)
	}
	child, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(clean, k.Top), "/"), "/")
	top, ok := c.Classify(k.Top)
	switch {
	case k.Runtime == "nspawn" && child == "payload":
		if ok && top != k {
			t.Errorf("%q: %+v, and its top %+v", path, k, top)
		}
	case k.Runtime == "kata" && strings.HasPrefix(child, "kata_"):
		if !ok || top.Runtime != "kubernetes" && top != k || top.ID != k.ID {
			t.Errorf("%q: %+v, and its top %+v", path, k, top)
		}
	case !ok || top != k:
		t.Errorf("%q: %+v, and its top %+v", path, k, top)
	}
}
