package libvirt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

func readNova(t testing.TB, release string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/nova", release+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestParseOpenStack(t *testing.T) {
	for release, want := range map[string]workload.OpenStack{
		"juno-2014.2": {
			Instance: "demo", Flavor: "m1.small", Image: "f0f0d38c-0a5f-4c54-83e5-d48006b888a7",
			Project: "admin", ProjectID: "38bd8e984a3e435a87e950a441ee55aa", User: "admin", UserID: "18509018d00743c89518135e476003e0",
		},
		"ocata-15.1.5": {
			Instance: "test-dirtybitmap-01", Flavor: "cirros-0.3.0 test",
			Project: "admin", ProjectID: "0869f5b3b3d3419fb49275e57002eb92", User: "admin", UserID: "95df952831614b6f844ee6cb71f7cef9",
		},
		"yoga-25.1.0": {
			Instance: "provider-instance", Flavor: "cirros-os-dpu-test-1", Image: "9e58cb69-316a-4093-9f23-c1d1bd8edffe",
			Project: "admin", ProjectID: "512866f9994f4ad8916d8539a7cdeec9", User: "admin", UserID: "ff627ad39ed94479b9c5033bc462cf78",
		},
		"gazpacho-33.1.0": {Instance: "snptest", Flavor: "m1.medium", Image: "7899d69a-dcb4-4634-b8f1-c25df4813035"},
	} {
		got := parseOpenStack(readNova(t, release))
		if got == nil {
			t.Errorf("%s: nothing", release)
			continue
		}
		if diff := cmp.Diff(want, *got); diff != "" {
			t.Errorf("%s: %s", release, diff)
		}
	}
}

// nova is a domain whose metadata has the given notes.
func nova(notes string) string {
	return `<domain type="kvm"><name>x</name><metadata><n:instance xmlns:n="http://openstack.org/xmlns/libvirt/nova/2.7">` + notes +
		`</n:instance></metadata><devices/></domain>`
}

func TestParseOpenStackHostile(t *testing.T) {
	for what, tt := range map[string]struct {
		xml  string
		want *workload.OpenStack
	}{
		"a version to come":           {nova(`<n:name>a</n:name><n:new><n:name>b</n:name></n:new>`), &workload.OpenStack{Instance: "a"}},
		"nothing":                     {"", nil},
		"no XML":                      {"not <XML", nil},
		"no metadata":                 {`<domain><name>instance-1</name></domain>`, nil},
		"no notes":                    {`<domain><metadata><a:x xmlns:a="u"/></metadata></domain>`, nil},
		"empty notes":                 {nova(""), &workload.OpenStack{}},
		"cut off":                     {strings.TrimSuffix(nova("<n:name>a</n:name>"), `</n:instance></metadata><devices/></domain>`), nil},
		"another's instance":          {`<domain><metadata><instance xmlns="http://example.com/"><name>x</name></instance></metadata></domain>`, nil},
		"in a description":            {`<domain><description>&lt;metadata&gt;</description><title><metadata><n:instance xmlns:n="http://openstack.org/xmlns/libvirt/nova/1.0"><n:name>x</n:name></n:instance></metadata></title></domain>`, nil},
		"after another's":             {strings.Replace(nova("<n:name>a</n:name>"), "<metadata>", `<metadata><o:x xmlns:o="u"><o:metadata/></o:x>`, 1), &workload.OpenStack{Instance: "a"}},
		"an entity of its own":        {`<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>` + nova("<n:name>&b;</n:name>"), nil},
		"an exposition":               {nova("<n:name>a\"} 1\nworkload_tasks 2</n:name>"), &workload.OpenStack{Instance: "a\"} 1\nworkload_tasks 2"}},
		"rubbish of bytes":            {nova("<n:name>\xff</n:name>"), nil},
		"too long for a label":        {nova("<n:name>" + strings.Repeat("ä", 4096) + "</n:name>"), &workload.OpenStack{Instance: strings.Repeat("ä", 128)}},
		"too long altogether":         {nova("<n:name>" + strings.Repeat("x", definitionMax) + "</n:name>"), nil},
		"deep":                        {nova(strings.Repeat("<a>", 20000)), nil},
		"deep before the notes":       {"<domain>" + strings.Repeat("<a>", 100000), nil},
		"rubbish after the metadata":  {strings.Replace(nova("<n:name>a</n:name>"), "<devices/>", "<<<", 1), &workload.OpenStack{Instance: "a"}},
		"booted from a volume":        {nova(`<n:root type="volume" uuid="v"/>`), &workload.OpenStack{}},
		"an owner twice: the last is": {nova(`<n:owner><n:user uuid="1">a</n:user><n:user uuid="2">b</n:user></n:owner>`), &workload.OpenStack{User: "b", UserID: "2"}},
	} {
		got := parseOpenStack(tt.xml)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %.300s", what, diff)
		}
	}
}

func FuzzParseOpenStack(f *testing.F) {
	for _, release := range []string{"juno-2014.2", "ocata-15.1.5", "yoga-25.1.0", "gazpacho-33.1.0"} {
		f.Add(readNova(f, release))
	}
	f.Add(nova(`<n:name>` + strings.Repeat("ä", 200) + `</n:name>`))
	f.Fuzz(func(t *testing.T, definition string) {
		o := parseOpenStack(definition)
		if o == nil {
			return
		}
		for _, s := range []string{o.Instance, o.Flavor, o.Image, o.Project, o.ProjectID, o.User, o.UserID} {
			if len(s) > workload.MaxLabel || !utf8.ValidString(s) {
				t.Errorf("%q", s)
			}
		}
	})
}

// asksFor says that a request is for the definition of a domain.
func asksFor(r request, domain string) bool {
	if r.proc != wireXML {
		return false
	}
	name, _ := cutString(r.body)
	return name == domain
}

// descriptions counts the answers about each domain's definition.
func descriptions(f *fake) map[string]int {
	counts := map[string]int{}
	for _, call := range f.seen() {
		if name, ok := strings.CutPrefix(call, "xml "); ok {
			counts[name]++
		}
	}
	return counts
}

// TestDescribedOncePerRun has a domain of Nova's, one that is not, and one whose
// definition comes at the second asking.
func TestDescribedOncePerRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(3)...)
		f.domains[0].xml = readNova(t, "yoga-25.1.0")
		f.domains[2].xml = readNova(t, "ocata-15.1.5")
		refused := 0
		f.override = func(c *fakeConn, r request) bool {
			if !asksFor(r, "vm3") || refused > 0 {
				return false
			}
			refused++
			c.fail(r, 38, "busy")
			return true
		}
		r := start(t, f, nil)
		r.after(2 * time.Second)
		first := r.reg.machine("vm1").OpenStack
		if first == nil || first.Instance != "provider-instance" || r.reg.machine("vm2").OpenStack != nil || r.reg.machine("vm3").OpenStack != nil {
			t.Fatalf("%+v %+v %+v", first, r.reg.machine("vm2").OpenStack, r.reg.machine("vm3").OpenStack)
		}
		if r.reg.machine("vm3").Stats.Updated.IsZero() {
			t.Error("a definition that does not come keeps the numbers back")
		}
		r.after(time.Minute)
		if o := r.reg.machine("vm3").OpenStack; o == nil || o.Instance != "test-dirtybitmap-01" || refused != 1 {
			t.Errorf("after %d refusals: %+v", refused, o)
		}
		if r.reg.machine("vm1").OpenStack != first {
			t.Error("what did not change is another thing now")
		}
		asked := descriptions(f)
		for _, d := range f.domains {
			if asked[d.name] != 1 {
				t.Errorf("%s was asked for %d times", d.name, asked[d.name])
			}
		}
		f.set(func() {
			f.domains[0].id, f.domains[0].xml = 90, readNova(t, "juno-2014.2")
		})
		r.after(time.Minute)
		if o := r.reg.machine("vm1").OpenStack; o == nil || o.Instance != "demo" {
			t.Errorf("the next run is %+v", o)
		}
		r.stop()
	})
}

// TestDescribeHangs has a definition that never comes: the domain goes into
// quarantine like one whose QEMU is stuck, and nobody else waits.
func TestDescribeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(3)...)
		f.override = func(_ *fakeConn, r request) bool { return asksFor(r, "vm1") }
		r := start(t, f, nil)
		r.after(time.Minute)
		if h := r.Health(); h.Quarantined != 1 || h.Reconnects != 0 {
			t.Errorf("health %+v", h)
		}
		for _, name := range []string{"vm2", "vm3"} {
			if age := r.age(name); age > 12*time.Second {
				t.Errorf("%s is %v old", name, age)
			}
		}
		r.wantReports(true)
		r.stop()
	})
}

func TestDescribeTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machineNamed(1))
		f.domains[0].xml = nova("<n:name>a</n:name>") + strings.Repeat(" ", definitionMax)
		r := start(t, f, nil)
		r.after(time.Minute)
		told, asked := r.log.count("too long a definition"), descriptions(f)["vm1"]
		if o := r.reg.machine("vm1").OpenStack; told != 1 || asked != 1 || o != nil {
			t.Errorf("told %d times, asked for %d times: %+v", told, asked, o)
		}
		r.stop()
	})
}
