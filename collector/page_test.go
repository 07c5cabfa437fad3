package collector

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

// drill cgroup: a group vanishes between listing and reading, or in the middle
// shows: the workload is left out of that scrape, whole
func TestGoneMidScrapeLeavesNoSample(t *testing.T) {
	leaving := container(2)
	reads := 0
	leaving.Group = &fakeGroup{read: func(u *workload.Usage) error {
		*u = hostView()
		if reads++; reads == 2 {
			return workload.ErrGone
		}
		return nil
	}}
	g := New(Config{Registry: newRegistry(container(1), leaving, container(3)), Enabled: workloadsOnly()})
	for scrape, want := range []int{3, 2, 3} {
		page := text(t, g)
		for n := 1; n <= 3; n++ {
			got, all := strings.Count(page, fmt.Sprintf(`id="%012x"`, n)), 34
			if want == 2 && n == 2 {
				all = 0
			}
			if got != all {
				t.Errorf("scrape %d: workload %d has %d series, want %d", scrape, n, got, all)
			}
		}
	}
}

// drill process: a bug panics while one workload is read
// shows: that workload is missing, an error is logged, all others are there
func TestPanicTakesNobodyElse(t *testing.T) {
	broken := container(2)
	broken.Group = &fakeGroup{read: func(*workload.Usage) error { panic("a bug") }}
	g := New(Config{Registry: newRegistry(container(1), broken, container(3)), Enabled: workloadsOnly()})
	for range 2 {
		families, done, err := g.Gather()
		if err == nil || !strings.Contains(err.Error(), "a bug") {
			t.Errorf("err = %v", err)
		}
		page := encode(t, families)
		done()
		if strings.Count(page, "workload_tasks{") != 2 {
			t.Errorf("not just the others are there:\n%s", page)
		}
	}
}

func TestWhatEndedIsForgotten(t *testing.T) {
	registry := newRegistry(container(1), container(2))
	g := New(Config{Registry: registry, Enabled: workloadsOnly()})
	text(t, g)
	before := g.page.rows[0]
	registry.Gone("1")
	if page := text(t, g); strings.Contains(page, "web-2") {
		t.Errorf("it is still there:\n%s", page)
	}
	if g.page.rows[0] != before {
		t.Error("the other one was made anew")
	}
	for _, f := range g.page.families {
		for i, m := range f.Metric[:cap(f.Metric)] {
			if i >= len(f.Metric) && m != nil {
				t.Fatalf("%s keeps a metric of what ended", f.GetName())
			}
		}
	}
}

func TestDuplicatesAreToldApart(t *testing.T) {
	twin := func(inode uint64) workload.Candidate {
		c := container(int(inode))
		// Invalid bytes differ, and look the same once they are replaced.
		c.ID, c.Name = "x"+string([]byte{0xf0 + byte(inode)}), "twin"
		return c
	}
	families, done, err := New(Config{Registry: newRegistry(twin(1), twin(2), twin(3)), Enabled: workloadsOnly()}).Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, f := range families {
		if f.GetName() == "workload_tasks" {
			for _, m := range f.Metric {
				ids[m.Label[0].GetValue()] = true
			}
		}
	}
	if len(ids) != 3 || !ids["x\uFFFD"] || !ids["x\uFFFD~3"] {
		t.Errorf("ids = %v", ids)
	}
}

func TestDuplicateBeyondHelpIsLeftOutOnce(t *testing.T) {
	p := newPage(workloadsOnly(), nil)
	twins := func() *workload.Workload { return &workload.Workload{Identity: container(1).Identity, Inode: 1} }
	list := []*workload.Workload{twins(), twins(), twins()}
	if err := p.fill(list); err == nil || !strings.Contains(err.Error(), "left out") {
		t.Errorf("err = %v", err)
	}
	if err := p.fill(list); err != nil {
		t.Errorf("told again: %v", err)
	}
	if len(p.rows) != 2 {
		t.Errorf("%d rows", len(p.rows))
	}
}

func TestSwitchedOff(t *testing.T) {
	for _, off := range Names() {
		on := All()
		on[off] = false
		g := New(Config{Registry: shapes()["vm"], Enabled: on, ProcRoot: "testdata/host/proc", SysRoot: "testdata/host/sys"})
		page := text(t, g)
		gone := map[Name]string{Self: "workload_scrape_", Sources: "workload_source_", Info: "workload_info{"}[off]
		if gone == "" {
			gone = "workload_" + string(off)
		}
		if off != Overhead && strings.Contains(page, "\n"+gone) {
			t.Errorf("%s is off and %s is there", off, gone)
		}
		subjects := on.Subjects()
		for s, yes := range subjects {
			if yes == (workload.Subject(s).String() == string(off)) {
				t.Errorf("with %s off, reading %v is %v", off, workload.Subject(s), yes)
			}
		}
	}
}

// Overhead is the one subject that the machine of the shapes does not have.
const Overhead = Name("overhead")

func TestUnreadableFailsItsSubjectOnly(t *testing.T) {
	page := text(t, everything(shapes()["unreadable"]))
	for name, want := range map[string]string{"cpu": "0", "memory": "0", "io": "1", "tasks": "1", "host": "1"} {
		if !strings.Contains(page, `workload_scrape_collector_success{collector="`+name+`"} `+want+"\n") {
			t.Errorf("success of %s is not %s", name, want)
		}
	}
}

// TestFamilies holds what the formats and the house ask of every row.
func TestFamilies(t *testing.T) {
	for _, f := range families(All()) {
		if (f.typ == dto.MetricType_COUNTER) != strings.HasSuffix(f.name, "_total") {
			t.Errorf("%s is a %v", f.name, f.typ)
		}
		if !strings.HasPrefix(f.name, "workload_") || !strings.HasSuffix(f.help, ".") || f.unit == 0 {
			t.Errorf("%s: %+v", f.name, f)
		}
		if len(f.series) == 0 || (f.label == "") != (f.series[0].labelled == "") {
			t.Errorf("%s has labels without values, or values without a label", f.name)
		}
		for _, s := range f.series {
			if v := s.value(&workload.Usage{}); v.State() != workload.StateAbsent {
				t.Errorf("%s makes %v of an empty usage", f.name, v)
			}
		}
	}
}

func TestSourceErrorIsNotTheOthers(t *testing.T) {
	g := New(Config{Registry: newRegistry(container(1)), ProcRoot: "testdata/nowhere", SysRoot: "testdata/nowhere", Now: clock})
	families, done, err := g.Gather()
	defer done()
	if err == nil {
		t.Error("a host without procfs is no error")
	}
	page := encode(t, families)
	if !strings.Contains(page, "workload_tasks{") || strings.Contains(page, "workload_host_cpu") {
		t.Errorf("the workloads went with the host:\n%s", page)
	}
	if !strings.Contains(page, `success{collector="host"} 0`) {
		t.Error("the host is a success")
	}
	if errors.Is(err, workload.ErrGone) {
		t.Error("what is gone is nobody's error")
	}
}

func TestPopulation(t *testing.T) {
	registry := newRegistry(container(1), container(2))
	g := everything(registry)
	for _, want := range []string{"running 2 paused 0", "running 1 paused 1", "running 0 paused 1", "running 0 paused 0"} {
		page := text(t, g)
		var running, paused string
		for line := range strings.Lines(page) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
			if strings.HasPrefix(name, `workload_host_workloads{kind="container",runtime="docker",state="running"`) {
				running = value
			}
			if strings.HasPrefix(name, `workload_host_workloads{kind="container",runtime="docker",state="paused"`) {
				paused = value
			}
		}
		if found := "running " + running + " paused " + paused; found != want {
			t.Errorf("%s, want %s", found, want)
		}
		switch want {
		case "running 2 paused 0":
			c := container(2)
			c.Group.(*fakeGroup).usage.Paused = true
			registry.Gone("1")
			registry.Found("1", c)
		case "running 1 paused 1":
			registry.Gone("0")
		case "running 0 paused 1":
			registry.Gone("1")
		}
	}
}

// TestNobodyInherits has a workload that knows little after one that knows all.
func TestNobodyInherits(t *testing.T) {
	poor := container(2)
	poor.Group = &fakeGroup{read: func(u *workload.Usage) error {
		u.Tasks = workload.Known(1)
		return nil
	}}
	page := text(t, New(Config{Registry: newRegistry(container(1), poor), Enabled: workloadsOnly()}))
	if n := strings.Count(page, `id="000000000002"`); n != 2 {
		t.Errorf("%d series of the one that knows its tasks:\n%s", n, page)
	}
}

// TestNovaComesLater has libvirt tell first that a machine runs, and what Nova
// notes of it when it has got round to asking.
func TestNovaComesLater(t *testing.T) {
	const uuid = "8a0fe0b5-3c53-4f5b-9d0c-2b7b3e4f5a6b"
	registry := newRegistry()
	tell := func(o *workload.OpenStack) {
		registry.SetMachines([]workload.Machine{{UUID: uuid, Name: "instance-1", DomainID: 3, Stats: machineStats(), OpenStack: o}})
	}
	g := New(Config{Registry: registry, Enabled: workloadsOnly()})
	first := &workload.OpenStack{Instance: "first"}
	for _, tt := range []struct {
		o    *workload.OpenStack
		want string
	}{{nil, ""}, {first, "first"}, {first, "first"}, {&workload.OpenStack{Instance: "renamed"}, "renamed"}, {nil, ""}} {
		tell(tt.o)
		page := text(t, g)
		if n := strings.Count(page, "workload_openstack_info{"); (n == 1) != (tt.want != "") || !strings.Contains(page, "workload_info{") {
			t.Errorf("%d series for %q", n, tt.want)
		}
		if tt.want != "" && !strings.Contains(page, `instance_name="`+tt.want+`"`) {
			t.Errorf("it is not %q:\n%s", tt.want, page)
		}
		if !strings.Contains(page, `name="instance-1"`) {
			t.Error("the name of the workload is another")
		}
	}
}
