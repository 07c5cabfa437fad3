package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// late is when a scrape is too late, whatever is broken.
const late = time.Second

// scrape is page, in time.
func (b *binary) scrape() map[string]*dto.MetricFamily {
	b.t.Helper()
	began := time.Now()
	page := b.page()
	if took := time.Since(began); took > late {
		b.t.Errorf("a scrape took %v", took)
	}
	return page
}

// timed is how long the binary takes to answer. The parser of a test would have
// the cores to itself in the meantime.
func (b *binary) timed() (time.Duration, error) {
	began := time.Now()
	resp, err := fetch(b.t, b.url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return time.Since(began), err
}

// up is what a source says of itself; -1 is nothing.
func up(page map[string]*dto.MetricFamily, source string) float64 {
	for _, m := range page["workload_source_up"].GetMetric() {
		if m.Label[0].GetValue() == source {
			return m.GetGauge().GetValue()
		}
	}
	return -1
}

func shown(page map[string]*dto.MetricFamily) int { return len(page["workload_info"].GetMetric()) }

// TestLibvirtDark has all that can be wrong with libvirt's socket, under the
// binary and the lab's captured tree.
//
//	drill libvirt: there is no libvirtd
//	shows: one line in the log, `workload_source_up{source="libvirt"}` 0, every series of a cgroup, each scrape at once
//	drill libvirt: its socket refuses: nobody listens any more
//	shows: the same
//	drill libvirt: libvirtd is stopped (SIGSTOP) before anybody connects: it accepts and says nothing
//	shows: the same, after the 5 s that the handshake may take
//	drill libvirt: what listens there hangs up, sends garbage, or a frame of 4 GiB
//	shows: the same; the connection is cut, and tried again with growing pauses
func TestLibvirtDark(t *testing.T) {
	captured, err := filepath.Abs("cgroupfs/testdata/lab")
	if err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func(net.Conn){
		"absent":   nil,
		"refuses":  nil,
		"silent":   func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"hangs up": func(net.Conn) {},
		"garbage":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"4 GiB":    func(c net.Conn) { _, _ = c.Write([]byte{0xff, 0xff, 0xff, 0xf0}) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "wl") //nolint:usetesting // t.TempDir is too long for a socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.Mkdir(filepath.Join(dir, "libvirt"), 0o755); err != nil {
				t.Fatal(err)
			}
			if name != "absent" {
				listenUnix(t, filepath.Join(dir, "libvirt/libvirt-sock-ro"), serve)
			}
			b := launch{}.start(t, "--path.rundir="+dir, "--path.cgroupfs="+captured)
			until(t, "libvirt to be told of as down", func() bool { return up(b.scrape(), "libvirt") == 0 })
			until(t, "all that is captured", func() bool { return shown(b.scrape()) == 12 })
			for range 20 {
				page := b.scrape()
				for _, family := range []string{"workload_info", "workload_cpu_usage_seconds_total", "workload_memory_resident_bytes", "workload_tasks"} {
					if n := len(page[family].GetMetric()); n != 12 {
						t.Errorf("%d series of %s, want 12", n, family)
					}
				}
				if up(page, "libvirt") != 0 || up(page, "cgroup") != 1 {
					t.Errorf("libvirt %v, cgroup %v", up(page, "libvirt"), up(page, "cgroup"))
				}
			}
		})
	}
}

// listenUnix serves each connection; without serve it leaves a socket behind that
// nobody listens to.
func listenUnix(t *testing.T, path string, serve func(net.Conn)) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if serve == nil {
		l.SetUnlinkOnClose(false)
		l.Close()
		return
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	// Those who serve end with the binary, which ends before.
	t.Cleanup(func() { l.Close(); all.Wait() })
}

// plainTree is a directory with so many running containers.
func plainTree(t *testing.T, count int, prefix string) string {
	t.Helper()
	top := t.TempDir()
	for i := range count {
		addContainer(t, top, fmt.Sprint(prefix, i))
	}
	return top
}

// addContainer has it there at once with all of its files, as the kernel does.
func addContainer(t *testing.T, top, id string) {
	t.Helper()
	made, err := os.MkdirTemp(filepath.Dir(top), "made") //nolint:usetesting // it is renamed, and has to be beside its place
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(made, "cpu.stat"), []byte("usage_usec 1\n"), 0o644),
		os.WriteFile(filepath.Join(made, "cgroup.events"), []byte("populated 1\nfrozen 0\n"), 0o644),
		os.Rename(made, filepath.Join(top, "lxc.payload."+id))); err != nil {
		t.Fatal(err)
	}
}

// TestBadClients has clients that do not read, or not to the end, and then a stop.
//
//	drill client: one reads a byte a second, one never reads, five disconnect in the middle
//	shows: two scrapers beside them are served at once, with all workloads; nothing is left of them
//	drill client: SIGTERM while clients do not read
//	shows: they are cut off after 5 s at most, exit 0
func TestBadClients(t *testing.T) {
	const workloads = 2500
	// Answers of more than the buffers of both sides of a socket.
	b := newBinary(t, "--path.cgroupfs="+plainTree(t, workloads, strings.Repeat("long-", 40)), "--path.rundir="+t.TempDir(),
		"--no-collector.memory", "--no-collector.pressure", "--no-collector.io")
	until(t, "all of them", func() bool { return shown(b.page()) == workloads })
	before := b.look()
	began := time.Now()
	b.page()
	alone := time.Since(began)
	at, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	// Each has asked, and has seen the answer begin.
	ask := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", at.Host)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		if _, err := fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	never := ask()
	slow := ask()
	dripped := make(chan struct{})
	go func() {
		defer close(dripped)
		for tick := time.NewTicker(time.Second); ; <-tick.C {
			if _, err := slow.Read(make([]byte, 1)); err != nil {
				return
			}
		}
	}()
	for range 5 {
		ask().Close()
	}
	var scrapers sync.WaitGroup
	for range 2 {
		scrapers.Go(func() {
			for range 2 {
				began := time.Now()
				page := b.page()
				if took := time.Since(began); took > 10*max(alone, late) {
					t.Errorf("a scrape took %v, %v alone", took, alone)
				}
				if n := shown(page); n != workloads {
					t.Errorf("%d workloads", n)
				}
			}
		})
	}
	scrapers.Wait()
	never.Close()
	slow.Close()
	<-dripped
	http.DefaultClient.CloseIdleConnections()
	until(t, "nothing to be left of them", func() bool {
		after := b.look()
		return after.goroutines <= before.goroutines && after.descriptors <= before.descriptors
	})
	defer ask().Close()
	began = time.Now()
	b.end(syscall.SIGTERM)
	if took := time.Since(began); took > 10*grace {
		t.Errorf("the stop took %v", took)
	}
	if !strings.Contains(b.log.String(), "Scrapes were cut off") {
		t.Errorf("no client had to be cut off in %v:\n%s", time.Since(began), b.log)
	}
}

// TestImpatientScraper gives up after 100 ms, which is before the end of it.
//
//	drill client: a scrape with a timeout of 100 ms, of more than can be read in that time
//	shows: that one is cut off; the next, with time enough, has everything
func TestImpatientScraper(t *testing.T) {
	const workloads = 1000
	b := newBinary(t, "--path.cgroupfs="+plainTree(t, workloads, "c"), "--path.rundir="+t.TempDir())
	until(t, "all of them", func() bool { return shown(b.page()) == workloads })
	for _, patience := range []time.Duration{100 * time.Millisecond, time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(patience.Seconds()))
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		cancel()
		t.Logf("with %v: %v", patience, err)
		if n := shown(b.page()); n != workloads {
			t.Errorf("%d workloads after it", n)
		}
	}
}

// TestFewDescriptors leaves the process 64 descriptors, fewer than one workload's
// files and the reserve.
//
//	drill process: a limit of 64 descriptors (`ulimit -n 64`)
//	shows: nothing is kept open (`workload_exporter_descriptors_budget` 0), every series is there
func TestFewDescriptors(t *testing.T) {
	const workloads = 200
	top := plainTree(t, workloads, "c")
	b := launch{before: "ulimit -n 64"}.start(t, "--no-libvirt", "--path.cgroupfs="+top, "--path.rundir="+t.TempDir())
	until(t, "all of them", func() bool { return shown(b.scrape()) == workloads })
	var scrapers sync.WaitGroup
	for range 20 {
		scrapers.Go(func() {
			page := b.page()
			if n := len(page["workload_cpu_usage_seconds_total"].GetMetric()); n != workloads {
				t.Errorf("%d of %d have CPU time", n, workloads)
			}
		})
	}
	scrapers.Wait()
	page := b.scrape()
	if n := page["workload_exporter_descriptors_budget"].GetMetric()[0].GetGauge().GetValue(); n != 0 {
		t.Errorf("a budget of %v", n)
	}
	if n := page["process_open_fds"].GetMetric()[0].GetGauge().GetValue(); n > 64 {
		t.Errorf("%v descriptors", n)
	}
}

// ownNamespaces has the shell be root in namespaces of its own, where it may
// mount and set limits for itself.
func ownNamespaces(t *testing.T) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	probe := exec.CommandContext(t.Context(), "true")
	probe.SysProcAttr = attr
	if err := probe.Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("this test needs user namespaces: %v", err)
		}
		t.Skipf("no user namespaces: %v", err)
	}
	return attr
}

// TestNoMoreWatches lets the process have three inotify watches.
//
//	drill cgroup: the limit of inotify watches is reached (`fs.inotify.max_user_watches`)
//	shows: one line in the log; the tree is walked at each scrape, and newcomers and ends are in the next one
func TestNoMoreWatches(t *testing.T) {
	top := plainTree(t, 20, "c")
	how := launch{before: "echo 3 > /proc/sys/user/max_inotify_watches", attr: ownNamespaces(t)}
	b := how.start(t, "--no-libvirt", "--path.cgroupfs="+top, "--path.rundir="+t.TempDir())
	until(t, "all of them", func() bool { return shown(b.scrape()) == 20 })
	addContainer(t, top, "newcomer")
	until(t, "the newcomer", func() bool { return shown(b.scrape()) == 21 })
	if err := os.RemoveAll(filepath.Join(top, "lxc.payload.c3")); err != nil {
		t.Fatal(err)
	}
	if n := shown(b.scrape()); n != 20 {
		t.Errorf("%d workloads after the end of one", n)
	}
	if n := strings.Count(b.log.String(), "Cannot watch all cgroups"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if n := b.look().watches; n > 3 {
		t.Errorf("%d watches", n)
	}
}

// TestStateCannotBeWritten has a state directory that is full, and one that is read-only.
//
//	drill process: the state directory is full
//	shows: one line in the log; everything is measured and shown, only a restart forgets what was under way
//	drill process: the state directory is read-only
//	shows: the same
func TestStateCannotBeWritten(t *testing.T) {
	attr := ownNamespaces(t)
	state := t.TempDir()
	for name, mount := range map[string]string{
		"full":      "mount -t tmpfs -o size=4k tmpfs " + state + "; dd if=/dev/zero of=" + state + "/filler bs=4k count=1 2>/dev/null",
		"read-only": "mount -t tmpfs -o ro tmpfs " + state,
	} {
		t.Run(name, func(t *testing.T) {
			top := plainTree(t, 1, "c")
			b := launch{before: mount, attr: attr}.start(t, "--no-libvirt", "--path.cgroupfs="+top, "--path.rundir="+t.TempDir(), "--state.dir="+state)
			until(t, "the first", func() bool { return shown(b.scrape()) == 1 })
			for i := range 5 {
				addContainer(t, top, fmt.Sprint("newcomer", i))
				until(t, "its start", func() bool {
					return counted(b.scrape(), "workload_lifecycle_events_total", "event", "started") == float64(1+i)
				})
			}
			until(t, "the log to say so", func() bool { return strings.Contains(b.log.String(), "Cannot save") })
			b.end(syscall.SIGTERM)
			if n := strings.Count(b.log.String(), "Cannot save"); n != 1 {
				t.Errorf("told %d times:\n%s", n, b.log)
			}
		})
	}
}

// TestThousandsAtOnce makes 10,000 real groups as fast as the kernel does.
//
//	drill cgroup: 10,000 groups are made at once, and removed
//	shows: each is in `workload_lifecycle_events_total` or counted as missed; a scrape takes notices for 0.1 s at most and goes on; memory and watches come back
func TestThousandsAtOnce(t *testing.T) {
	const groups = 10_000
	top := newGrounds(t)
	b := newBinary(t, "--path.cgroupfs="+top, "--path.rundir="+t.TempDir())
	before := b.look()
	dir := func(i int) string { return filepath.Join(top, fmt.Sprintf("lxc.payload.c%d", i)) }
	removed := 0
	t.Cleanup(func() {
		for ; removed < groups; removed++ {
			_ = os.Remove(dir(removed))
		}
	})
	scraped, stop := make(chan time.Duration, 1), make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	go func() {
		var slowest time.Duration
		defer func() { scraped <- slowest }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			took, err := b.timed()
			if err != nil {
				t.Error(err)
				return
			}
			slowest = max(slowest, took)
		}
	}()
	for i := range groups {
		if err := os.Mkdir(dir(i), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	told := func() float64 {
		page := b.page()
		return counted(page, "workload_lifecycle_events_total", "event", "created") +
			counted(page, "workload_lifecycle_observations_missed_total", "reason", "too_short")
	}
	until(t, "all to be watched", func() bool { return b.look().watches >= before.watches+2*groups })
	for ; removed < groups; removed++ {
		if err := os.Remove(dir(removed)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all to be told of", func() bool { return told() >= groups })
	end()
	slowest := <-scraped
	until(t, "all to be forgotten", func() bool { return b.look().watches <= before.watches })
	after := b.look()
	t.Logf("slowest scrape %v, %.2f s of CPU in all; resident %.1f MiB, then %.1f; descriptors %d, %d", slowest,
		b.page()["process_cpu_seconds_total"].GetMetric()[0].GetCounter().GetValue(),
		mib(before.resident), mib(after.resident), before.descriptors, after.descriptors)
	// Another process makes and removes groups on the same cores all the while.
	if slowest > 2*late {
		t.Errorf("a scrape took %v", slowest)
	}
	if got := told(); got != groups {
		t.Errorf("%v told of, %d made", got, groups)
	}
	// Not those of the groups: a connection more or less.
	if after.descriptors > before.descriptors+10 {
		t.Errorf("%d descriptors, %d before", after.descriptors, before.descriptors)
	}
	// What ended is remembered for five minutes, 1 KiB each; the rest is Go's heap.
	if most := 4*before.resident + groups<<12; after.resident > most {
		t.Errorf("%.1f MiB resident, %.1f before", mib(after.resident), mib(before.resident))
	}
}
