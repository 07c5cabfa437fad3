package libvirt

import (
	"context"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen serves a fake daemon on a real socket.
func listen(t *testing.T, f *fake, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.serve(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		f.drop()
	})
}

// eventually waits for what another goroutine or process has to do first.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// shortDir is a directory whose name leaves room for a socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lv") //nolint:usetesting // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestSocketOrder(t *testing.T) {
	dir := shortDir(t)
	// The first is a stale file and the second nobody's: the third serves.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "virtqemud-sock-ro"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	virtqemud, libvirtd := newFake(machineNamed(1)), newFake(machineNamed(2))
	listen(t, virtqemud, filepath.Join(dir, "virtqemud-sock"))
	listen(t, libvirtd, filepath.Join(dir, "libvirt-sock"))
	r := launch(t, Config{RunDir: dir})
	eventually(t, "a machine", func() bool { return r.reg.machine("vm1").Name != "" })
	if n := libvirtd.connections(); n != 0 {
		t.Errorf("%d connections to the last choice", n)
	}
}

// launch runs a Source outside of any bubble, until the test ends.
func launch(t *testing.T, cfg Config) *rig {
	t.Helper()
	r := &rig{t: t, reg: &record{}, log: &lockedBuffer{}, done: make(chan struct{})}
	cfg.Registry, cfg.Logger = r.reg, slog.New(slog.NewTextHandler(r.log, nil))
	r.Source = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		_ = r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
		if t.Failed() {
			t.Logf("log:\n%s", r.log.b.String())
		}
	})
	return r
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestNothingIsLeft(t *testing.T) {
	dir := shortDir(t)
	f := newFake(machinesNamed(9)...)
	for _, d := range f.domains[:5] {
		d.stuck = make(chan struct{})
	}
	listen(t, f, filepath.Join(dir, "libvirt-sock-ro"))
	before := 0
	for i := range 30 {
		r := &rig{reg: &record{}}
		s := New(Config{RunDir: dir, Registry: r.reg, MonitorTimeout: time.Millisecond})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Run(ctx)
		}()
		if i%3 > 0 { // One in three is stopped while it connects.
			eventually(t, "stuck calls", func() bool { return s.Health().Quarantined >= 4 })
		}
		cancel()
		<-done
		eventually(t, "the fake's ends closed", func() bool { return f.connections() == 0 })
		goleak.VerifyNone(t, goleak.IgnoreAnyFunction("net.(*UnixListener).Accept"), goleak.IgnoreTopFunction("testing.(*T).Run"))
		if i == 0 {
			before = descriptors(t)
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// drill libvirt: libvirt is not installed; then it is; then it goes away
// shows: one line in the log and no other; it is found within 75 s; then it is down
func TestNoLibvirt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ""
		r := start(t, newFake(machineNamed(1)), func(c *Config) {
			dir = filepath.Join(c.RunDir, "empty")
			c.RunDir = dir
		})
		r.after(10 * time.Minute)
		r.wantReports(false)
		if n := r.log.count("level="); n != 1 || r.log.count("libvirt not found") != 1 {
			t.Errorf("%d lines of log", n)
		}
		// It is installed later.
		if err := os.Mkdir(dir, fs.ModePerm); err != nil {
			t.Fatal(err)
		}
		socket := filepath.Join(dir, "virtqemud-sock-ro")
		if err := os.WriteFile(socket, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		r.after(75 * time.Second)
		r.wantReports(false, true)
		// And once it was seen, its absence is a failure.
		if err := os.Remove(socket); err != nil {
			t.Fatal(err)
		}
		r.fake.drop()
		r.after(2 * time.Minute)
		r.wantReports(false, true, false)
		if n := r.log.count("libvirt not found"); n != 1 {
			t.Errorf("told %d times that there is none", n)
		}
		r.stop()
	})
}

func TestConfiguredSocketIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, newFake(), func(c *Config) { c.Socket = filepath.Join(c.RunDir, "none") })
		r.after(time.Minute)
		r.wantReports(false)
		if n := r.log.count("does not answer"); n != 1 {
			t.Errorf("told %d times", n)
		}
		r.stop()
	})
}
