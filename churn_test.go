package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/workload-exporter/workload_exporter/cgroupfs"
)

var churnFor = flag.Duration("churn", 2*time.Second, "how long groups come and go")

// TestChurn has 200 groups a second come and go under the binary: each start is
// seen or missed, none is forgotten, and nothing is left of them.
//
//	drill cgroup: 200 groups a second come and go under the binary (`make soak`: for as long as you like)
//	shows: each start is counted or missed; scrapes within 1 s; memory, descriptors, watches and goroutines as before
func TestChurn(t *testing.T) {
	top := newGrounds(t)
	b := newBinary(t, "--path.cgroupfs="+top, "--path.rundir="+t.TempDir())
	g := &churn{t: t, top: top}
	// What the first of them take is taken once.
	g.run(400, func() { b.page() })
	made := g.made
	b.settled(made)
	before := b.look()

	var slowest time.Duration
	scrapes := 0
	g.run(int(churnFor.Seconds()*200), func() {
		began := time.Now()
		b.page()
		slowest = max(slowest, time.Since(began))
		if scrapes++; scrapes%60 == 0 {
			t.Logf("after %d s: %v", scrapes, b.look())
		}
	})
	created, missed := b.settled(g.made)
	after := b.look()
	for until := time.Now().Add(10 * time.Second); after.goroutines > before.goroutines && time.Now().Before(until); after = b.look() {
		// One may be knocking at a runtime's door just then.
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%d made: %.0f seen, %.0f missed; slowest scrape %v", g.made, created, missed, slowest)
	t.Logf("at first: %v", before)
	t.Logf("at last:  %v", after)
	if slowest > time.Second {
		t.Errorf("a scrape took %v", slowest)
	}
	if after.descriptors > before.descriptors || after.watches != before.watches || after.goroutines > before.goroutines {
		t.Errorf("left behind: %+v before, %+v after", before, after)
	}
	// The ends of five minutes are remembered: a start may follow.
	const remembered, heap = 1 << 10, 16 << 20
	ends := min(g.made-made, 5*60*200)
	if most := before.resident + heap + int64(ends)*remembered; after.resident > most {
		t.Errorf("%d bytes resident, %d before", after.resident, before.resident)
	}
}

// newGrounds makes a group in the host's hierarchy. Where that cannot be, a laptop
// may skip.
func newGrounds(t testing.TB) string {
	t.Helper()
	mount, err := cgroupfs.Find("/proc/self/mountinfo")
	if err == nil {
		top := filepath.Join(mount.Path, fmt.Sprintf("workload-exporter-churn-%d.slice", os.Getpid()))
		if err = os.Mkdir(top, 0o755); err == nil {
			t.Cleanup(func() { removeGroup(t, top) })
			return top
		}
	}
	if os.Getenv("CI") != "" && os.Geteuid() == 0 {
		t.Fatalf("this test needs a cgroup2 mount that it can write to: %v", err)
	}
	t.Skipf("no cgroup2 mount that can be written to: %v", err)
	return ""
}

// removeGroup waits for the last process, which is busy ending.
func removeGroup(t testing.TB, dir string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// churn makes groups and removes them. A process that does nothing is in every
// other one for a moment.
type churn struct {
	t    *testing.T
	top  string
	made int
}

func (g *churn) run(groups int, eachSecond func()) {
	g.t.Helper()
	home := filepath.Join(g.top, "some.service")
	if err := os.Mkdir(home, 0o755); err != nil {
		g.t.Fatal(err)
	}
	cmd := exec.CommandContext(g.t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	move := func(to string) {
		if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	move(home)
	scraped := make(chan struct{})
	ctx, cancel := context.WithCancel(g.t.Context())
	go func() {
		defer close(scraped)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				eachSecond()
			}
		}
	}()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for range groups {
		<-pace.C
		g.made++
		dir := filepath.Join(g.top, fmt.Sprintf("lxc.payload.c%d", g.made))
		if err := os.Mkdir(dir, 0o755); err != nil {
			g.t.Fatal(err)
		}
		if g.made%2 == 0 {
			move(dir)
			move(home)
		}
		if err := os.Remove(dir); err != nil {
			g.t.Fatal(err)
		}
	}
	cancel()
	<-scraped
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	removeGroup(g.t, home)
}

// binary is the exporter, as a process of its own.
type binary struct {
	t   testing.TB
	pid int
	url string
	log *lines
	// end ends it by a signal, once.
	end func(by syscall.Signal)
}

// lines is what a process says.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBinary(t testing.TB, flags ...string) *binary {
	t.Helper()
	return launch{}.start(t, append(flags, "--no-libvirt")...)
}

// launch is how the binary is started.
type launch struct {
	// before is what the shell does that becomes the binary.
	before string
	attr   *syscall.SysProcAttr
}

func (how launch) start(t testing.TB, flags ...string) *binary {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// Only a shell knows the process id that it will have: LISTEN_PID must be it.
	cmd := exec.Command("sh", "-e", "-c", how.before+"\n"+`LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, "-", name, "--web.systemd-socket")
	cmd.Args = append(cmd.Args, flags...)
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = how.attr
	log := &lines{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &binary{t: t, pid: cmd.Process.Pid, url: "http://" + l.Addr().String() + "/metrics", log: log}
	ended := false
	b.end = func(by syscall.Signal) {
		if ended {
			return
		}
		ended = true
		_ = cmd.Process.Signal(by)
		if err := cmd.Wait(); err != nil && by != syscall.SIGKILL {
			t.Errorf("%v\n%s", err, log.String())
		}
	}
	t.Cleanup(func() { b.end(syscall.SIGTERM) })
	b.page()
	return b
}

// page is what a scrape gets; nil is an error that was told.
func (b *binary) page() map[string]*dto.MetricFamily {
	resp, err := fetch(b.t, b.url)
	if err != nil {
		b.t.Error(err)
		return nil
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	page, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		b.t.Error(err)
	}
	return page
}

// settled waits until as many starts were told of as groups were made, in which
// way ever. What was dropped unseen nobody can count: that must not have happened.
func (b *binary) settled(made int) (created, missed float64) {
	b.t.Helper()
	var started, all float64
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		page := b.page()
		event := func(name string) float64 { return counted(page, "workload_lifecycle_events_total", "event", name) }
		created, missed = event("created"), counted(page, "workload_lifecycle_observations_missed_total", "reason", "too_short")
		started = durations(page, "create_to_started")
		all = started + counted(page, "workload_lifecycle_observations_missed_total", "phase", "create_to_started")
		done := created+missed >= float64(made) && event("removed") >= created && all >= float64(made)
		if done || time.Now().After(deadline) {
			break
		}
	}
	if created+missed != float64(made) || all != float64(made) {
		b.t.Errorf("%d made: %.0f created and %.0f missed; %.0f durations and misses of a start", made, created, missed, all)
	}
	return created, missed
}

func counted(page map[string]*dto.MetricFamily, family, label, value string) (sum float64) {
	for _, m := range page[family].GetMetric() {
		for _, l := range m.Label {
			if l.GetName() == label && l.GetValue() == value {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func durations(page map[string]*dto.MetricFamily, phase string) (count float64) {
	for _, m := range page["workload_lifecycle_duration_seconds"].GetMetric() {
		for _, l := range m.Label {
			if l.GetName() == "phase" && l.GetValue() == phase {
				count += float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return count
}

// residue is what the process holds.
type residue struct {
	resident                         int64
	descriptors, watches, goroutines int
}

func (r residue) String() string {
	return fmt.Sprintf("resident %.1f MiB, descriptors %d, watches %d, goroutines %d", mib(r.resident), r.descriptors, r.watches, r.goroutines)
}

func (b *binary) look() residue {
	b.t.Helper()
	var f residue
	proc := fmt.Sprintf("/proc/%d/", b.pid)
	entries, err := os.ReadDir(proc + "fdinfo")
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range entries {
		info, err := os.ReadFile(proc + "fdinfo/" + e.Name())
		if err != nil {
			continue
		}
		f.descriptors++
		f.watches += strings.Count(string(info), "inotify wd:")
	}
	page := b.page()
	f.goroutines = int(page["go_goroutines"].GetMetric()[0].GetGauge().GetValue())
	f.resident = int64(page["process_resident_memory_bytes"].GetMetric()[0].GetGauge().GetValue())
	return f
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
