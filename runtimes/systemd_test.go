package runtimes

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// desk is a Systemd that is stepped, on a clock of its own.
type desk struct {
	*Systemd
	t    *testing.T
	now  time.Duration
	slow time.Duration
	told []string
	ups  []bool
	log  bytes.Buffer
}

func (d *desk) Happened(e workload.Event) {
	d.told = append(d.told, fmt.Sprintf("%s %s %s %d %v %d", e.Source, e.Kind, e.Cgroup, e.Inode, e.When, e.Witness))
}

func (d *desk) Report(source string, up bool) {
	if source != "systemd" {
		d.t.Error(source)
	}
	d.ups = append(d.ups, up)
}

// oldest is what processes tell.
const oldest = 7 * time.Second

func newDesk(t *testing.T, socket string) *desk {
	d := &desk{t: t, now: time.Hour}
	d.Systemd = NewSystemd(SystemdConfig{
		Socket: socket, Events: d, Reporter: d, Logger: slog.New(slog.NewTextHandler(&d.log, nil)),
		Oldest: func(cgroup string) (time.Duration, bool) { return oldest, !strings.Contains(cgroup, "hidden") },
	})
	wall := time.Unix(1_700_000_000, 0)
	d.clock = stampClock{
		boot: func() time.Duration { return d.now },
		mono: func() time.Duration { return d.now - d.slow },
		wall: func() time.Time { return wall.Add(d.now) },
	}
	t.Cleanup(d.hangUp)
	return d
}

func (d *desk) populated(cgroup string, witness workload.Witness) {
	d.Systemd.Happened(workload.Event{Kind: workload.EventPopulated, When: d.now, Witness: witness, Source: "cgroup", Cgroup: cgroup, Inode: 3})
}

func (d *desk) step() { d.Systemd.step(d.t.Context()) }

func (d *desk) want(lines ...string) {
	d.t.Helper()
	if diff := cmp.Diff(lines, d.told); diff != "" {
		d.t.Errorf("told (-want +got):\n%s", diff)
	}
	d.told = nil
}

// stamped sets a stamp of a unit by both clocks.
func (f *fakeSystemd) stamped(unit, property string, at time.Duration) {
	f.set(unit, property+"Monotonic", uint64(at.Microseconds()))
	f.set(unit, property, uint64((1_700_000_000*time.Second + at).Microseconds()))
}

// scope makes a unit without a readiness of its own.
func (f *fakeSystemd) scope(name, group string, began time.Duration) {
	f.set(name, "ControlGroup", group)
	f.set(name, "ActiveState", "active")
	f.stamped(name, "InactiveExitTimestamp", began)
}

func (f *fakeSystemd) service(name, group, typ, state string, began, up time.Duration) {
	f.scope(name, group, began)
	f.set(name, "ActiveState", state)
	f.set(name, "Type", typ)
	f.set(name, "NRestarts", uint32(0))
	f.stamped(name, "ExecMainStartTimestamp", began+time.Second)
	f.stamped(name, "ActiveEnterTimestamp", up)
}

func TestSystemdAdopts(t *testing.T) {
	f := startSystemd(t, filepath.Join(t.TempDir(), "s"))
	d := newDesk(t, f.path)
	f.scope("docker-a.scope", "/system.slice/docker-a.scope", 100*time.Second)
	f.scope(`machine-qemu\x2d1\x2dvm.scope`, `/machine.slice/machine-qemu\x2d1\x2dvm.scope`, 100500*time.Millisecond)
	f.scope("kubepods-podb.slice", "/kubepods.slice/kubepods-podb.slice", 101*time.Second)
	f.scope("cgroup.x.service.scope", "/_cgroup.x.service.scope", 102*time.Second)
	f.service("nsp.service", "/machine.slice/nsp.service", "notify", "active", 103*time.Second, 104*time.Second)
	f.service("plain.service", "/system.slice/plain.service", "simple", "active", 105*time.Second, 105*time.Second)
	f.service("again.service", "/system.slice/again.service", "exec", "active", 106*time.Second, 105*time.Second)
	f.set("again.service", "NRestarts", uint32(2))
	f.scope("elsewhere.scope", "/user.slice/elsewhere.scope", 1*time.Second)
	f.scope("old.service", "/system.slice/old.service", 1*time.Second)
	f.scope("odd.scope", "/odd.scope", time.Second)
	f.set("odd.scope", "ControlGroup", 5)
	for _, tt := range []struct{ group, want string }{
		{"/system.slice/docker-a.scope", "systemd began /system.slice/docker-a.scope 3 1m40s 2"},
		{`/machine.slice/machine-qemu\x2d1\x2dvm.scope`, `systemd began /machine.slice/machine-qemu\x2d1\x2dvm.scope 3 1m40.5s 2`},
		{"/kubepods.slice/kubepods-podb.slice", "systemd began /kubepods.slice/kubepods-podb.slice 3 1m41s 2"},
		{"/_cgroup.x.service.scope", "systemd began /_cgroup.x.service.scope 3 1m42s 2"},
		{"/machine.slice/nsp.service", "systemd began /machine.slice/nsp.service 3 1m43s 2|systemd ready /machine.slice/nsp.service 3 1m44s 2"},
		{"/system.slice/plain.service", "systemd began /system.slice/plain.service 3 1m45s 2"},
		// Restarted by systemd: it left inactive before the pause.
		{"/system.slice/again.service", "systemd began /system.slice/again.service 3 1m47s 2"},
		{"/lxc.payload.lx1", "process began /lxc.payload.lx1 3 7s 2"},
		{"/user.slice/user-1.slice/libpod-x.scope", "process began /user.slice/user-1.slice/libpod-x.scope 3 7s 2"},
		{"/system.slice/elsewhere.scope", "process began /system.slice/elsewhere.scope 3 7s 2"},
		// A systemd that has no such property, or another type of it.
		{"/system.slice/old.service", "process began /system.slice/old.service 3 7s 2"},
		{"/odd.scope", "process began /odd.scope 3 7s 2"},
		{"/hidden", ""},
	} {
		d.populated(tt.group, workload.Adopted)
		d.step()
		if tt.want == "" {
			d.want()
		} else {
			d.want(strings.Split(tt.want, "|")...)
		}
	}
	if len(d.asked) != 0 {
		t.Errorf("%d wait", len(d.asked))
	}
	if !d.ups[len(d.ups)-1] || strings.Count(d.log.String(), "\n") != 1 {
		t.Errorf("%v: %s", d.ups, d.log.String())
	}
}

// TestSystemdReady has services that start while somebody looks.
func TestSystemdReady(t *testing.T) {
	f := startSystemd(t, filepath.Join(t.TempDir(), "s"))
	d := newDesk(t, f.path)
	const group = "/machine.slice/nsp.service"
	at := func(s time.Duration) time.Duration { return time.Hour - 10*time.Second + s*time.Second }
	f.service("nsp.service", group, "notify", "activating", at(1), 1*time.Second)
	d.populated(group, workload.Witnessed)
	d.step()
	d.want(fmt.Sprintf("systemd began %s 3 59m51s 0", group), fmt.Sprintf("systemd unready %s 3 59m51s 0", group))
	d.step()
	f.service("nsp.service", group, "notify", "active", at(1), at(9))
	d.step()
	d.want() // It is asked for each second.
	d.now += systemdPoll
	d.step()
	d.want(fmt.Sprintf("systemd ready %s 3 59m59s 0", group))
	asks := f.asks
	d.now += systemdPoll
	d.step()
	if f.asks != asks {
		t.Error("asked for what is ready")
	}

	// It was starting when the exporter was: it is not ready before.
	f.service("nsp.service", group, "notify", "activating", at(1), 0)
	d.populated(group, workload.Adopted)
	d.step()
	d.want(fmt.Sprintf("systemd began %s 3 59m51s 2", group), fmt.Sprintf("systemd unready %s 3 59m51s 0", group))
	f.service("nsp.service", group, "notify-reload", "reloading", at(1), at(9))
	d.now += systemdPoll
	d.step()
	d.want(fmt.Sprintf("systemd ready %s 3 59m59s 0", group))

	// One that ends, fails, or was up in its last run is not ready.
	f.service("nsp.service", group, "notify", "activating", at(1), 0)
	d.populated(group, workload.Late)
	d.step()
	d.want(fmt.Sprintf("systemd began %s 3 59m51s 0", group), fmt.Sprintf("systemd unready %s 3 59m51s 0", group))
	f.set("nsp.service", "ActiveState", "failed")
	d.now += systemdPoll
	d.step()
	d.want()
	f.service("nsp.service", group, "notify", "activating", at(1), 0)
	d.populated(group, workload.Witnessed)
	d.step()
	d.told = nil
	d.Systemd.Happened(workload.Event{Kind: workload.EventEmpty, Cgroup: group})
	f.service("nsp.service", group, "notify", "active", at(1), at(2))
	d.now += systemdPoll
	d.step()
	d.want(fmt.Sprintf("systemd unit_stops %s 0 0s 1", group))
	f.service("nsp.service", group, "notify", "active", at(5), at(2))
	d.populated(group, workload.Witnessed)
	d.step()
	d.want(fmt.Sprintf("systemd began %s 3 59m55s 0", group))

	// One that never is, is asked for ten minutes.
	f.service("nsp.service", group, "notify", "activating", at(1), 0)
	d.populated(group, workload.Witnessed)
	d.step()
	d.now += systemdPatience + time.Second
	d.step()
	if len(d.asked) != 0 {
		t.Error("still asked for")
	}
	// A scope has been seen to start, and tells no more.
	asks = f.asks
	d.populated("/system.slice/docker-a.scope", workload.Witnessed)
	d.step()
	if f.asks != asks {
		t.Error("asked for a scope")
	}
}

// TestSystemdHangs has a bus that stops to answer, and one that goes away: it
// costs its stamps, and the exporter goes on.
func TestSystemdHangs(t *testing.T) {
	f := startSystemd(t, filepath.Join(t.TempDir(), "s"))
	d := newDesk(t, f.path)
	d.timeout = 50 * time.Millisecond
	f.scope("a.scope", "/a.scope", 100*time.Second)
	d.step()
	f.hang.Lock()
	d.populated("/a.scope", workload.Adopted)
	d.step()
	f.hang.Unlock()
	d.want("process began /a.scope 3 7s 2")
	if d.bus != nil || fmt.Sprint(d.ups) != "[true false]" {
		t.Errorf("%v", d.ups)
	}
	d.populated("/a.scope", workload.Adopted)
	d.step()
	d.want("process began /a.scope 3 7s 2") // Nobody is asked until it is time to.
	d.now += 2 * time.Second
	d.populated("/a.scope", workload.Adopted)
	d.step()
	d.want("systemd began /a.scope 3 1m40s 2")

	f.drop()
	d.populated("/a.scope", workload.Adopted)
	d.step()
	d.want("process began /a.scope 3 7s 2")
	f.mu.Lock()
	f.silent = true
	f.mu.Unlock()
	d.now += time.Minute
	d.step()
	f.mu.Lock()
	f.silent, f.deny = false, true
	f.mu.Unlock()
	d.now += time.Minute
	d.step()
	f.mu.Lock()
	f.deny = false
	f.mu.Unlock()
	if got := fmt.Sprint(d.ups); got != "[true false true false false false]" {
		t.Error(got)
	}
	// While nobody asks for anything it is asked whether it lives.
	d.now += time.Minute
	d.step()
	f.drop()
	d.now += pingAfter
	d.step()
	if got := fmt.Sprint(d.ups[6:]); got != "[true false]" {
		t.Error(got)
	}
	if log := d.log.String(); strings.Count(log, "WARN") != 3 || strings.Count(log, "INFO") != 3 {
		t.Error(log)
	}
}

// TestSystemdComesBack is asked for a service that started while it was away.
func TestSystemdComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	d := newDesk(t, path)
	const group = "/system.slice/a.service"
	d.step()
	d.populated(group, workload.Adopted)
	d.populated("/a.scope", workload.Adopted)
	d.step()
	if len(d.told) != 2 || len(d.asked) != 1 {
		t.Errorf("%v, %d wait", d.told, len(d.asked))
	}
	d.told = nil
	f := startSystemd(t, path)
	f.service("a.service", group, "notify", "active", 100*time.Second, 101*time.Second)
	d.now += 2 * time.Second
	d.step()
	d.want("systemd ready /system.slice/a.service 3 1m41s 2")
	if log := d.log.String(); !strings.Contains(log, fs.ErrNotExist.Error()) && strings.Count(log, "level=INFO") != 2 {
		t.Error(log)
	}
}

// TestSystemdOff has only processes, and nothing to report.
func TestSystemdOff(t *testing.T) {
	d := newDesk(t, "")
	d.populated("/system.slice/a.service", workload.Adopted)
	d.populated("/system.slice/b.service", workload.Witnessed)
	d.step()
	d.want("process began /system.slice/a.service 3 7s 2")
	if len(d.ups) != 0 || len(d.asked) != 0 || d.log.Len() != 0 {
		t.Errorf("%v, %d wait: %s", d.ups, len(d.asked), d.log.String())
	}
}

// TestSystemdRun connects by itself, and ends while the bus hangs.
func TestSystemdRun(t *testing.T) {
	f := startSystemd(t, filepath.Join(t.TempDir(), "s"))
	f.scope("a.scope", "/a.scope", time.Microsecond)
	events := make(chan workload.Event, 10)
	s := NewSystemd(SystemdConfig{Socket: f.path, Events: sink(events), Reporter: nobody{}, Oldest: func(string) (time.Duration, bool) { return 0, false }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Run(ctx) }()
	s.Happened(workload.Event{Kind: workload.EventPopulated, Witness: workload.Adopted, Cgroup: "/a.scope", When: workload.Boottime()})
	if e := <-events; e.Kind != workload.EventBegan || e.Source != "systemd" {
		t.Errorf("%+v", e)
	}
	f.hang.Lock()
	s.Happened(workload.Event{Kind: workload.EventPopulated, Witness: workload.Adopted, Cgroup: "/a.scope", When: workload.Boottime()})
	cancel()
	<-ended
	f.hang.Unlock()
}

type sink chan workload.Event

func (s sink) Happened(e workload.Event) { s <- e }

type nobody struct{}

func (nobody) Report(string, bool) {}

func TestStampClock(t *testing.T) {
	d := newDesk(t, "")
	for _, tt := range []struct {
		what  string
		slept time.Duration
		stamp stamp
		want  time.Duration
		ok    bool
	}{
		{"never suspended", 0, stamp{mono: 5_000_000}, 5 * time.Second, true},
		{"never suspended, and the clock on the wall was set since", 0, stamp{mono: 5_000_000, real: 1}, 5 * time.Second, true},
		{"never", 0, stamp{}, 0, false},
		{"beyond all time", 0, stamp{mono: 1 << 62}, 0, false},
		{"of the future", 0, stamp{mono: uint64((time.Hour + time.Second).Microseconds())}, 0, false},
		{"a little ahead is now", 0, stamp{mono: uint64((time.Hour + time.Millisecond).Microseconds())}, time.Hour, true},
		{"suspended before", time.Minute, stamp{mono: 1_940_000_000, real: 1_700_002_000_000_000}, 2000 * time.Second, true},
		{"suspended since", time.Minute, stamp{mono: 2_000_000_000, real: 1_700_002_000_000_000}, 0, false},
	} {
		d.slow = tt.slept
		if got, ok := d.clock.boottime(tt.stamp); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %v %v, want %v %v", tt.what, got, ok, tt.want, tt.ok)
		}
	}
}
