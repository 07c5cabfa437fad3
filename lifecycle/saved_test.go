package lifecycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// again ends the stage's process and begins another, by way of what a file holds.
func (s *stage) again() *stage {
	s.t.Helper()
	b, err := json.Marshal(envelope{stateVersion, "boot", s.Save()})
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := parseState(b)
	if err != nil {
		s.t.Fatal(err)
	}
	next := &stage{t: s.t, rec: s.rec, now: s.now}
	cfg := s.cfg
	cfg.Saved, cfg.Boottime = &e.Saved, func() time.Duration { return next.now }
	cfg.Now = func() time.Time { return time.Unix(year, 0).Add(next.now) }
	next.Tracker = New(cfg)
	return next
}

func (s *stage) flushAll() {
	for _, r := range s.groups {
		s.flush(r)
	}
}

// host is which groups there are, as scripts tell of them.
type host map[string]bool

func (h host) heed(line string) {
	f := strings.Fields(line)
	if len(f) < 5 {
		return
	}
	switch group := strings.Join(f[2:5], " "); workload.EventKind(f[1]) {
	case workload.EventCreated:
		h[group] = false
	case workload.EventPopulated:
		if _, there := h[group]; there {
			h[group] = true
		}
	case workload.EventEmpty:
		if _, there := h[group]; there {
			h[group] = false
		}
	case workload.EventRemoved:
		delete(h, group)
	}
}

// adopt tells of what is there, as a walk does.
func (h host) adopt(s *stage) {
	for _, group := range slices.Sorted(maps.Keys(h)) {
		s.play(fmt.Sprintf("%v created %s adopted", s.now, group))
		if h[group] {
			s.play(fmt.Sprintf("%v populated %s adopted", s.now, group))
		}
	}
}

// TestRestartAnywhere stops and starts the process between any two lines of any
// story: the two together tell what one would have.
func TestRestartAnywhere(t *testing.T) {
	all := stories()
	for name, story := range readiness() {
		// What only an engine can tell is not kept.
		if !strings.Contains(story.script, "docker") {
			all[name] = story
		}
	}
	for name, story := range all {
		lines := strings.Split(strings.TrimSpace(story.script), "\n")
		whole := newStage(t, nil)
		whole.play(story.script)
		whole.flushAll()
		for cut := 1; cut < len(lines); cut++ {
			t.Run(fmt.Sprint(name, "/", cut), func(t *testing.T) {
				s := newStage(t, nil)
				h := host{}
				for _, line := range lines[:cut] {
					s.play(line)
					h.heed(line)
				}
				s = s.again()
				h.adopt(s)
				if strings.Contains(story.script, "resynced") {
					// Each process begins with one.
					s.play(fmt.Sprintf("%v resynced", s.now))
				}
				s.Settle(nil)
				s.play(strings.Join(lines[cut:], "\n"))
				s.flushAll()
				want, got := slices.Sorted(slices.Values(whole.rec.lines)), slices.Sorted(slices.Values(s.rec.lines))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("told by two (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestAway has things happen while no process looks.
func TestAway(t *testing.T) {
	for name, tc := range map[string]struct{ before, there, after, want string }{
		"a container starts": {
			"1s created docker a 1", "created docker a 1 adopted\npopulated docker a 1 adopted", "9s removed docker a 1", `
			missed create_to_started late
			container docker: created
			container docker: started
			container docker: removed`,
		},
		"a container ends, its group stays": {
			"1s created docker a 1\n2s populated docker a 1", "created docker a 1 adopted", "9s populated docker a 1", `
			missed exit exporter_restarted
			missed reboot late
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 1s
			container docker: stopped
			container docker: started
			container docker restarted`,
		},
		"a container ends, and starts before a scrape": {
			"1s created docker a 1\n2s populated docker a 1", "created docker a 1 adopted\n6s populated docker a 1", "9s removed docker a 1", `
			missed exit exporter_restarted
			missed reboot late
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 1s
			container docker: stopped
			container docker: started
			container docker restarted
			container docker: removed`,
		},
		"a container goes": {
			"1s created docker a 1\n2s populated docker a 1", "", "9s created docker a 2\n9.5s populated docker a 2\n10s removed docker a 2", `
			missed exit exporter_restarted
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 1s
			container docker: stopped
			container docker: removed
			missed reboot late
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 500ms
			container docker restarted
			container docker: removed`,
		},
		"another has its place": {
			"1s created docker a 1", "created docker a 2 adopted\npopulated docker a 2 adopted", "9s removed docker a 2", `
			missed create_to_started exporter_restarted
			container docker: created
			container docker: removed
			container docker: removed`,
		},
		"a machine ends": {
			"1s created libvirt 7 10\n2s started vm 7 booted", "resynced", "9s scrape", `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: removed
			missed start_to_guest_up exporter_restarted
			missed exit exporter_restarted`,
		},
		"a machine that libvirt has not told of ends": {
			"1s created libvirt 7 10\n2s populated libvirt 7 10", "resynced", "9s scrape", `
			vm libvirt: created
			vm libvirt: removed
			missed create_to_started exporter_restarted
			missed exit exporter_restarted`,
		},
		"an agent connects, and again": {
			"1s created libvirt 7 10\n2s started vm 7 booted", "created libvirt 7 10 adopted\nresynced\nagent_connected vm 7 found", "9s agent_connected vm 7 channel\n10s removed libvirt 7 10", `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			missed start_to_guest_up late
			vm libvirt: agent_connected
			vm libvirt: removed`,
		},
		"an agent connects after a reset": {
			"1s created libvirt 7 10\n2s started vm 7 booted\n3s agent_connected vm 7 channel\n4s reboot vm 7", "created libvirt 7 10 adopted\nresynced\nagent_connected vm 7 found", "9s agent_connected vm 7 channel\n10s removed libvirt 7 10", `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			vm libvirt: agent_connected
			vm libvirt start_to_guest_up libvirt ok 1s
			vm libvirt: rebooted
			missed reboot late
			vm libvirt: agent_connected
			vm libvirt: removed`,
		},
		"libvirt is lost twice": {
			"1s created libvirt 7 10\n2s started vm 7 booted", "created libvirt 7 10 adopted\nresynced\n7s resynced", "9s agent_connected vm 7 channel\n10s removed libvirt 7 10", `
			vm libvirt: created
			vm libvirt: started
			vm libvirt create_to_started libvirt ok 1s
			missed start_to_guest_up resync
			vm libvirt: agent_connected
			vm libvirt: removed`,
		},
		"an end that the engine was to tell of": {
			began + "2s engine_kill docker a 15\n3s empty docker a 1\n3s removed docker a 1", "", "9s engine_up docker", `
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker: stopped
			container docker: removed
			missed exit exporter_restarted
			missed stop exporter_restarted`,
		},
		"a stop that the engine was to tell of": {
			began + "2s engine_kill docker a 15", "created docker a 1 adopted\npopulated docker a 1 adopted", "9s engine_up docker\n10s empty docker a 1\n10s engine_die docker a 0\n11s removed docker a 1", `
			missed stop resync
			container docker: created
			container docker: started
			container docker create_to_started cgroup ok 0s
			container docker: stopped
			container docker exit clean
			container docker: removed`,
		},
		"a container that was asked for": {
			"0s engine_up docker\n1s engine_create docker a", "", "9s scrape", "missed create_to_started exporter_restarted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			s.play(tc.before)
			s.now = 5 * time.Second
			s = s.again()
			for line := range strings.Lines(tc.there) {
				if line[0] < '0' || line[0] > '9' {
					line = fmt.Sprint(s.now, " ", line)
				}
				s.play(line)
			}
			s.Settle(nil)
			s.play(tc.after)
			s.flushAll()
			want := strings.Split(strings.ReplaceAll(strings.TrimSpace(tc.want), "\t", ""), "\n")
			slices.Sort(want)
			slices.Sort(s.rec.lines)
			if diff := cmp.Diff(want, s.rec.lines); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSettlesOverARestart cuts every start that is looked at, at every half second.
func TestSettlesOverARestart(t *testing.T) {
	const script = "9s created docker a 1\n10s populated docker a 1"
	traces := map[string][]load{"/docker/a 1": {{10 * sec, 1}, {20 * sec, 0}}}
	for cut := 10 * time.Second; cut < 60*time.Second; cut += 500 * time.Millisecond {
		s, _ := metered(t, traces)
		s.play(script)
		s.until(cut)
		s = s.again()
		// The same meter, on the clock of both.
		s.cfg.CPU = func(string, uint64) (uint64, bool) { return used(traces["/docker/a 1"], s.now), true }
		s.play(fmt.Sprintf("%v created docker a 1 adopted\n%v populated docker a 1 adopted", s.now, s.now))
		s.until(100 * time.Second)
		s.only("start_to_settled")
		s.want("container docker start_to_settled cpu ok 13.5s")
	}
}

// TestSettlesAfterAGap has nobody look for longer than a window.
func TestSettlesAfterAGap(t *testing.T) {
	for name, tc := range map[string]struct {
		trace []load
		want  string
	}{
		"idle": {[]load{{10 * sec, 1}, {20 * sec, 0}, {35 * sec, 0.001}}, "container docker start_to_settled cpu ok 13.5s"},
		"busy": {[]load{{10 * sec, 1}, {20 * sec, 0}, {35 * sec, 1}, {40 * sec, 0}}, "missed start_to_settled unseen"},
	} {
		t.Run(name, func(t *testing.T) {
			traces := map[string][]load{"/docker/a 1": tc.trace}
			s, _ := metered(t, traces)
			s.play("9s created docker a 1\n10s populated docker a 1")
			s.until(34 * time.Second)
			s = s.again()
			s.cfg.CPU = func(string, uint64) (uint64, bool) { return used(tc.trace, s.now), true }
			s.now = 46 * time.Second
			s.until(100 * time.Second)
			s.only("start_to_settled")
			s.want(tc.want)
		})
	}
}

// TestSeenOverARestart shows what another process has seen.
func TestSeenOverARestart(t *testing.T) {
	s := newStage(t, nil)
	s.play("1s created docker a 1\n2s populated docker a 1")
	list := registered(group("", 0, "docker", "a", "1", "")).Refresh()
	s.Settle(list)
	before := s.Of(list[0])
	s = s.again()
	s.play("3s created docker a 1 adopted\n3s populated docker a 1 adopted")
	s.Settle(list)
	if got := s.Of(list[0]); got != before || got == (workload.Lifecycle{}) {
		t.Errorf("%+v, and %+v before", got, before)
	}
}

func TestBooting(t *testing.T) {
	s := newStage(t, nil)
	for _, step := range []struct {
		script string
		want   bool
	}{
		{"1s created libvirt 7 10", false},
		{"2s started vm 7 booted", true},
		{"3s agent_connected vm 7 channel", false},
		{"4s reboot vm 7", true},
		{"5s agent_connected vm 7 channel", false},
		{"6s reboot vm 7", true},
		{"700s scrape", false},
	} {
		s.play(step.script)
		if got := s.Booting("vm"); got != step.want {
			t.Errorf("%s: %v", step.script, got)
		}
	}
}

// TestSlots has all of a Lifecycle kept.
func TestSlots(t *testing.T) {
	if got, want := len(slots(&workload.Lifecycle{})), reflect.TypeFor[workload.Lifecycle]().NumField(); got != want {
		t.Errorf("%d values are kept of %d", got, want)
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, stateFile)
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	store := NewStore(dir, "this", logger)
	if store.Load() != nil || log.Len() > 0 {
		t.Errorf("nothing is there: %s", &log)
	}
	s := newStage(t, nil)
	s.play("1s created docker a 1")
	store.Write(s.Save())
	if got := store.Load(); got == nil || len(got.Runs) != 1 || log.Len() > 0 {
		t.Errorf("%+v, %s", got, &log)
	}
	if NewStore(dir, "another", logger).Load() != nil || log.Len() > 0 {
		t.Errorf("of another boot: %s", &log)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}

	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"garbage": "\x00\xff{", "empty": "", "cut": string(whole[:len(whole)/2]), "another version": `{"version":99,"boot_id":"this"}`,
		"of wrong types": `{"version":1,"boot_id":"this","runs":7}`,
	} {
		log.Reset()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if store.Load() != nil || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), path) {
			t.Errorf("%s: %s", name, &log)
		}
	}
	log.Reset()
	if err := os.Truncate(path, maxState+1); err != nil {
		t.Fatal(err)
	}
	if store.Load() != nil || !strings.Contains(log.String(), "more than") {
		t.Errorf("too large: %s", &log)
	}

	log.Reset()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if store.Load() != nil || !strings.Contains(log.String(), "not a regular file") {
		t.Errorf("a directory: %s", &log)
	}
	log.Reset()
	for second := range 3 {
		s.play(fmt.Sprintf("%ds created docker b%d 1", 2+second, second))
		store.Write(s.Save())
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), path) {
		t.Errorf("cannot be written: %s", &log)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	store.Write(s.Save())
	if strings.Count(log.String(), "\n") != 2 || store.Load() == nil {
		t.Errorf("can be written again: %s", &log)
	}
}

// FuzzRestore takes up what a file may hold, lives on with it, and saves it.
func FuzzRestore(f *testing.F) {
	s := newStage(&testing.T{}, nil)
	for _, story := range stories() {
		for line := range strings.Lines(story.script) {
			s.play(line)
			b, err := json.Marshal(envelope{stateVersion, "boot", s.Save()})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseState(b)
		if err != nil {
			return
		}
		rec := &record{}
		cpu := uint64(0)
		now := time.Minute
		tr := New(Config{
			Recorder: rec, Saved: &e.Saved, Max: 100, Boottime: func() time.Duration { return now },
			CPU: func(string, uint64) (uint64, bool) { cpu++; return cpu, true },
		})
		if n := tr.groupsAndMachines(); n > 2*100 {
			t.Errorf("%d runs", n)
		}
		tr.sample()
		for _, kind := range []workload.EventKind{workload.EventCreated, workload.EventPopulated, workload.EventEmpty, workload.EventRemoved} {
			tr.Happened(group(kind, now, "docker", "a", "1", "adopted"))
		}
		for range 70 {
			now += 10 * time.Second
			tr.sample()
			tr.Settle(nil)
		}
		tr.Save()
		if len(tr.open) > 0 || len(tr.starting) > 0 {
			t.Errorf("%d phases never end", len(tr.open))
		}
		for _, line := range rec.lines {
			if strings.Contains(line, " -") {
				t.Error(line)
			}
		}
	})
}
