package libvirt

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// record is a Registry that remembers.
type record struct {
	mu       sync.Mutex
	machines []workload.Machine
	reports  []bool
	sets     int
}

func (r *record) SetMachines(m []workload.Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machines = m
	r.sets++
}

func (r *record) Report(source string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if source != SourceName {
		panic("report by " + source)
	}
	if n := len(r.reports); n == 0 || r.reports[n-1] != up {
		r.reports = append(r.reports, up)
	}
}

// changes is what was reported, without repetitions.
func (r *record) changes() []bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reports)
}

func (r *record) machine(name string) workload.Machine {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.machines {
		if m.Name == name {
			return m
		}
	}
	return workload.Machine{}
}

func (r *record) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, m := range r.machines {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// rig is a running Source before a fake daemon, inside a synctest bubble.
type rig struct {
	*Source
	t      *testing.T
	fake   *fake
	reg    *record
	log    *lockedBuffer
	cancel context.CancelFunc
	done   chan struct{}
}

// start runs a Source in the bubble of synctest; its goroutines must have ended
// at the end of the test, or synctest fails it.
func start(t *testing.T, f *fake, change func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, fake: f, reg: &record{}, log: &lockedBuffer{}, done: make(chan struct{})}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libvirt-sock-ro"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := Config{RunDir: dir, PIDDir: dir, Registry: r.reg, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	if change != nil {
		change(&cfg)
	}
	r.Source = New(cfg)
	r.dial = f.dial
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	synctest.Wait()
	return r
}

// after lets time pass, with a scrape every quarter of a minute.
func (r *rig) after(d time.Duration) {
	for d > 0 {
		_ = r.Sync()
		step := min(d, 15*time.Second)
		time.Sleep(step)
		d -= step
	}
	synctest.Wait()
}

func (r *rig) stop() {
	r.t.Helper()
	began := time.Now()
	r.cancel()
	<-r.done
	if took := time.Since(began); took > 2*time.Second {
		r.t.Errorf("stopping took %v", took)
	}
	r.fake.drop()
	synctest.Wait()
	if n := r.fake.connections(); n != 0 {
		r.t.Errorf("%d connections left", n)
	}
	if n := r.Health().Pending; n != 0 {
		r.t.Errorf("%d calls pending after the end", n)
	}
}

func (r *rig) wantReports(want ...bool) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.reg.changes()); diff != "" {
		r.t.Errorf("reports (-want +got):\n%s", diff)
	}
}

// machineNamed is a domain of the fake with the numbers of a small guest.
func machineNamed(n int) *fakeDomain {
	d := &fakeDomain{name: fmt.Sprintf("vm%d", n), uuid: uint32(n), id: int32(n), state: 1, reason: 1}
	return d.with("cpu.time", 5000).with("vcpu.current", 1).with("vcpu.0.time", 3000).with("balloon.maximum", 1024)
}

func machinesNamed(n int) []*fakeDomain {
	var list []*fakeDomain
	for i := range n {
		list = append(list, machineNamed(i+1))
	}
	return list
}

// fresh says how old a machine's numbers are.
func (r *rig) age(name string) time.Duration {
	return time.Since(r.reg.machine(name).Stats.Updated)
}

func TestMachineIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := machineNamed(7)
		d.state, d.reason = 3, 1
		asked := 0
		r := start(t, newFake(d), func(c *Config) {
			if err := os.WriteFile(filepath.Join(c.PIDDir, "vm7.pid"), []byte("4711\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c.CgroupOf = func(pid int) (string, error) {
				asked++
				return fmt.Sprintf("/machine/of/%d", pid), nil
			}
		})
		began := time.Now()
		r.after(25 * time.Second)
		want := workload.Machine{
			UUID: "00000007-0000-0007-0000-000700000007", Name: "vm7", DomainID: 7, PID: 4711, Cgroup: "/machine/of/4711", Paused: true,
			Stats: workload.MachineStats{
				CPUTime: workload.Known(5000), VCPUs: workload.Known(1), VCPUTime: workload.Known(3000),
				Maximum: workload.Known(1 << 20), Updated: began.Add(20 * time.Second),
			},
		}
		if diff := cmp.Diff(want, r.reg.machine("vm7"), cmp.AllowUnexported(workload.Value{})); diff != "" {
			t.Errorf("machine (-want +got):\n%s", diff)
		}
		if asked != 1 {
			t.Errorf("cgroup of one run asked for %d times", asked)
		}
		r.wantReports(true)
		r.stop()
	})
}

// A machine that is being built is not yet in its own cgroup.
func TestStartingMachineIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := machineNamed(1)
		d.state, d.reason = 3, 11
		group := "/system/libvirtd"
		r := start(t, newFake(d), func(c *Config) {
			if err := os.WriteFile(filepath.Join(c.PIDDir, "vm1.pid"), []byte("5"), 0o600); err != nil {
				t.Fatal(err)
			}
			c.CgroupOf = func(int) (string, error) { return group, nil }
		})
		if m := r.reg.machine("vm1"); m.Paused || m.Cgroup != group {
			t.Errorf("while starting: %+v", m)
		}
		r.fake.set(func() { d.state, d.reason, group = 1, 1, "/machine/vm1" })
		r.after(6 * time.Second)
		if m := r.reg.machine("vm1"); m.Cgroup != "/machine/vm1" {
			t.Errorf("once started: %+v", m)
		}
		r.stop()
	})
}

// drill libvirt: an event is lost at registration
// shows: nothing is missed: the list is asked for after the subscription
func TestEventsComeBeforeTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machineNamed(1))
		r := start(t, f, nil)
		want := []string{"auth", "open", "auth", "open", "subscribe", "subscribe", "subscribe", "list", "stats vm1", "xml vm1"}
		if diff := cmp.Diff(want, f.seen()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		r.stop()
	})
}

// The client library drops an event that comes together with the reply to its
// subscription. The list that follows has the domain all the same.
//
//	drill libvirt: an event comes in one packet with the reply to its registration
//	shows: the same
func TestEventWithTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.override = func(c *fakeConn, r request) bool {
			if r.proc != wireSubscribe || r.body[3] != 0 {
				return false
			}
			d := machineNamed(1)
			f.set(func() { f.domains = []*fakeDomain{d} })
			c.out <- append(frame(r.proc, 1, r.serial, 0, words(100)), eventFrame(wireLifecycle, 100, d, 2, 0)...)
			return true
		}
		r := start(t, f, nil)
		if got := r.reg.names(); len(got) != 1 {
			t.Errorf("machines %v at once after connecting", got)
		}
		r.stop()
	})
}

func TestEventRefreshesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []Event
		f := newFake(machineNamed(1))
		r := start(t, f, func(c *Config) { c.OnEvent = func(e Event) { events = append(events, e) } })
		f.seen()
		d := machineNamed(2)
		f.set(func() { f.domains = append(f.domains, d) })
		f.tell(0, wireLifecycle, d, 4, 0)
		f.tell(0, wireLifecycle, d, 2, 0)
		time.Sleep(eventGap)
		synctest.Wait()
		if diff := cmp.Diff([]string{"vm1", "vm2"}, r.reg.names()); diff != "" {
			t.Errorf("machines (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"list"}, f.seen()); diff != "" {
			t.Errorf("two events together are one list (-want +got):\n%s", diff)
		}
		f.tell(1, wireReboot, d)
		synctest.Wait()
		f.tell(18, wireAgent, d, 1, 2)
		synctest.Wait()
		f.set(func() { f.domains = f.domains[:1] })
		f.tell(0, wireLifecycle, d, 5, 1)
		time.Sleep(eventGap)
		synctest.Wait()
		if diff := cmp.Diff([]string{"vm1"}, r.reg.names()); diff != "" {
			t.Errorf("machines (-want +got):\n%s", diff)
		}
		var got []string
		for _, e := range events {
			got = append(got, fmt.Sprintf("%s %s %d %s", e.Kind, e.Name, e.DomainID, e.Detail))
			if e.Received.IsZero() {
				t.Errorf("event without a time: %+v", e)
			}
		}
		want := []string{"resynced  0 ", "resumed vm2 2 unpaused", "started vm2 2 booted", "reboot vm2 2 ", "agent_connected vm2 2 channel", "stopped vm2 2 destroyed"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if n := r.Health().Events[EventStarted]; n != 1 {
			t.Errorf("%d starts counted", n)
		}
		r.stop()
	})
}

// drill libvirt: 3000 machines
// shows: each is asked once in an interval
func TestThousands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(3000)...)
		r := start(t, f, nil)
		if n := len(r.reg.names()); n != 3000 {
			t.Fatalf("%d machines", n)
		}
		r.after(9 * time.Second)
		for _, d := range f.domains {
			if n := f.called(d.name); n != 1 {
				t.Fatalf("%s called %d times within one interval", d.name, n)
			}
			if r.reg.machine(d.name).Stats.Updated.IsZero() {
				t.Fatalf("no numbers of %s", d.name)
			}
		}
		r.stop()
	})
}

func TestNobodyScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machineNamed(1))
		r := start(t, f, nil)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if n := f.called("vm1"); n < 29 || n > 31 {
			t.Errorf("%d calls: want those of five minutes", n)
		}
		if m := r.reg.machine("vm1"); m.Stats.CPUTime.State() != workload.StateAbsent || m.Stats.VCPUs != workload.Known(1) {
			t.Errorf("old numbers are passed on: %+v", m.Stats)
		}
		before := f.called("vm1")
		_ = r.Sync()
		synctest.Wait()
		if n := f.called("vm1"); n != before+1 {
			t.Errorf("%d calls after a scrape, %d before", n, before)
		}
		r.stop()
	})
}
