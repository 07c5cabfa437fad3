package runtimes

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fullID = "8cb009319ac0aa11bb22cc33dd44ee55ff66aa77bb88cc99dd00ee11ff22aa33"

// fakeEngine answers on a unix socket what a test feeds it.
type fakeEngine struct {
	path string
	// streams has a function for each stream of events, which ends it by returning.
	streams chan func(w io.Writer, gone <-chan struct{})
	queries chan string
	// list answers what is asked for the containers; nil is none of them.
	list atomic.Pointer[http.HandlerFunc]
	// asked counts the requests by path.
	mu    sync.Mutex
	asked map[string]int
	// hang keeps the answer to a ping back while it is locked.
	hang sync.RWMutex
}

func startEngine(t *testing.T, path string) *fakeEngine {
	t.Helper()
	f := &fakeEngine{path: path, streams: make(chan func(io.Writer, <-chan struct{}), 8), queries: make(chan string, 8), asked: map[string]int{}}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) {
		f.hang.RLock()
		defer f.hang.RUnlock()
		_, _ = io.WriteString(w, "OK")
	})
	list := func(w http.ResponseWriter, r *http.Request) {
		if h := f.list.Load(); h != nil {
			(*h)(w, r)
			return
		}
		_, _ = io.WriteString(w, "[]\n")
	}
	mux.HandleFunc("/containers/json", list)
	mux.HandleFunc("/v4.0.0/libpod/containers/json", list)
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		f.queries <- r.URL.RawQuery
		select {
		case stream := <-f.streams:
			stream(flushed{w}, r.Context().Done())
		case <-r.Context().Done():
		}
	})
	count := func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.asked[r.URL.Path]++
		f.mu.Unlock()
		mux.ServeHTTP(w, r)
	}
	s := &http.Server{Handler: http.HandlerFunc(count), ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-served })
	return f
}

// flushed sends at once.
type flushed struct{ w http.ResponseWriter }

func (f flushed) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	f.w.(http.Flusher).Flush()
	return n, err
}

// rig is an Engine that runs, with all that it tells.
type rig struct {
	t       *testing.T
	engine  *Engine
	events  chan workload.Event
	reports chan string
	pauses  chan time.Duration
	log     bytes.Buffer
	stop    func()
}

func (r *rig) Happened(e workload.Event) { r.events <- e }

func (r *rig) Report(source string, up bool) { r.reports <- fmt.Sprint(source, " ", up) }

func run(t *testing.T, cfg EngineConfig, change func(*Engine)) *rig {
	r := &rig{t: t, events: make(chan workload.Event, 100), reports: make(chan string, 100), pauses: make(chan time.Duration)}
	cfg.Runtime, cfg.Events, cfg.Reporter = cmp.Or(cfg.Runtime, "docker"), r, r
	cfg.Logger = slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e := NewEngine(cfg)
	e.pause = func(ctx context.Context, d time.Duration) {
		select {
		case r.pauses <- d:
		case <-ctx.Done():
		}
	}
	if change != nil {
		change(e)
	}
	r.engine = e
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *rig) want(kinds ...workload.EventKind) (last workload.Event) {
	r.t.Helper()
	for _, kind := range kinds {
		if last = <-r.events; last.Kind != kind {
			r.t.Fatalf("told %+v, and not %s", last, kind)
		}
	}
	return last
}

func event(action, attributes string, stamp int64) string {
	return fmt.Sprintf(`{"status":"x","Type":"container","Action":%q,"Actor":{"ID":%q,"Attributes":{"name":"n"%s}},"scope":"local","time":1,"timeNano":%d}`+"\n",
		action, fullID, attributes, stamp)
}

func TestEngineTells(t *testing.T) {
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	r := run(t, EngineConfig{Usual: f.path}, nil)
	f.streams <- func(w io.Writer, gone <-chan struct{}) {
		now := time.Now().UnixNano()
		_, _ = io.WriteString(w, event("create", "", now)+event("start", "", now)+"\n"+event("exec_start: sh", "", now)+
			event("kill", `,"signal":"15","SIGNAL":"9"`, now)+event("die", `,"exitCode":"143","ExitCode":"0"`, now)+
			event("oom", "", now)+event("stop", "", now)+event("restart", "", now)+event("die", "", 0))
		<-gone
	}
	up := r.want(workload.EventResynced)
	if up.Source != "engine" || up.Identity.Runtime != "docker" {
		t.Errorf("%+v", up)
	}
	if q := <-f.queries; !strings.Contains(q, "filters=%7B%22type%22%3A%5B%22container%22%5D%7D") || !strings.Contains(q, "since=") {
		t.Error(q)
	}
	r.want(workload.EventAskedCreate, workload.EventRan)
	if e := r.want(workload.EventKilled); e.Code != 15 {
		t.Error(e.Code)
	}
	e := r.want(workload.EventDied)
	if e.Code != 143 || e.Identity != container("docker", fullID[:12], fullID[:12]) || e.Witness != workload.Witnessed {
		t.Errorf("%+v", e)
	}
	if ago := workload.Boottime() - e.When; ago < 0 || ago > time.Minute {
		t.Errorf("%v ago", ago)
	}
	r.want(workload.EventOOM, workload.EventHalted)
	if e := r.want(workload.EventDied); e.Code != workload.CodeUnknown || e.Witness != workload.Late {
		t.Errorf("%+v", e)
	}
	if got := <-r.reports; got != "docker true" {
		t.Error(got)
	}
	r.stop()
	r.want(workload.EventSilent)
	if n := strings.Count(r.log.String(), "\n"); n != 1 {
		t.Errorf("%d lines:\n%s", n, r.log.String())
	}
}

// TestEngineFaults has it come back, later each time, whatever is sent.
func TestEngineFaults(t *testing.T) {
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	r := run(t, EngineConfig{Usual: f.path}, nil)
	var last time.Duration
	for _, fault := range []struct{ what, sent string }{
		{"ended", ""},
		{"invalid character", "<html>\n"},
		{"cannot unmarshal", `{"Actor":[]}` + "\n"},
		{"ended", event("die", `,"exitCode":"0"`, 1)},
	} {
		r.want(workload.EventResynced)
		f.streams <- func(w io.Writer, _ <-chan struct{}) { _, _ = io.WriteString(w, fault.sent) }
		if strings.Contains(fault.sent, "die") {
			r.want(workload.EventDied)
		}
		r.want(workload.EventSilent)
		d := <-r.pauses
		if d <= last {
			t.Errorf("%s: waits for %v after %v", fault.what, d, last)
		}
		last = d
	}
	r.want(workload.EventResynced)
	// A line without an end is given up after 1 MiB of 100.
	sent := make(chan int, 1)
	f.streams <- func(w io.Writer, _ <-chan struct{}) {
		n, chunk := 0, bytes.Repeat([]byte("x"), 1<<16)
		for n < 100<<20 {
			if _, err := w.Write(chunk); err != nil {
				break
			}
			n += len(chunk)
		}
		sent <- n
	}
	r.want(workload.EventSilent)
	<-r.pauses
	if n := <-sent; n > 20<<20 {
		t.Errorf("%d MiB were taken", n>>20)
	}
	r.stop()
	for _, what := range []string{"ended", "invalid character", "cannot unmarshal", bufio.ErrTooLong.Error()} {
		if !strings.Contains(r.log.String(), what) {
			t.Errorf("%s is not said:\n%s", what, r.log.String())
		}
	}
}

// TestEngineHangs has a daemon that takes connections, and answers nobody.
func TestEngineHangs(t *testing.T) {
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	f.hang.Lock()
	r := run(t, EngineConfig{Usual: f.path}, func(e *Engine) { e.pingAfter, e.pingWait = time.Millisecond, 50*time.Millisecond })
	<-r.pauses
	if got := <-r.reports; got != "docker false" {
		t.Error(got)
	}
	f.hang.Unlock()
	for (<-r.events).Kind != workload.EventResynced {
		// A slow machine may need more than one attempt.
		select {
		case <-r.pauses:
		default:
		}
	}
	f.hang.Lock()
	r.want(workload.EventSilent)
	<-r.pauses
	f.hang.Unlock()
	r.stop()
	if !strings.Contains(r.log.String(), "deadline exceeded") {
		t.Error(r.log.String())
	}
}

// TestEngineStopsWhileItHangs holds nobody up.
func TestEngineStopsWhileItHangs(t *testing.T) {
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	r := run(t, EngineConfig{Usual: f.path}, nil)
	r.want(workload.EventResynced)
	<-f.queries
	r.stop()
	r.want(workload.EventSilent)
}

func TestEngineAbsentThenThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	again := make(chan struct{})
	r := run(t, EngineConfig{Usual: path}, func(e *Engine) {
		announce := e.pause
		e.pause = func(ctx context.Context, d time.Duration) {
			announce(ctx, d)
			select {
			case <-again:
			case <-ctx.Done():
			}
		}
	})
	<-r.pauses
	again <- struct{}{}
	<-r.pauses
	startEngine(t, path)
	again <- struct{}{}
	r.want(workload.EventResynced)
	if got := <-r.reports; got != "docker true" {
		t.Error(got)
	}
	r.stop()
	if log := r.log.String(); strings.Count(log, "level=INFO") != 1 || strings.Count(log, "not found") != 1 || strings.Contains(log, "WARN") {
		t.Error(log)
	}
}

func TestEngineAskedForByName(t *testing.T) {
	r := run(t, EngineConfig{Socket: filepath.Join(t.TempDir(), "s")}, nil)
	<-r.pauses
	<-r.pauses
	r.stop()
	if got := <-r.reports; got != "docker false" {
		t.Error(got)
	}
	if log := r.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Contains(log, "INFO") {
		t.Error(log)
	}
}

func TestEngineForbidden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	refuse := func(e *Engine) {
		if os.Geteuid() != 0 {
			return
		}
		// Root may read all: have the dial say what the kernel would.
		e.client.Transport.(*http.Transport).DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: fs.ErrPermission}
		}
	}
	startEngine(t, path)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	r := run(t, EngineConfig{Usual: path}, refuse)
	<-r.pauses
	<-r.pauses
	r.stop()
	if len(r.reports) != 0 || len(r.events) != 0 {
		t.Errorf("%d reports, %d events", len(r.reports), len(r.events))
	}
	if log := r.log.String(); strings.Count(log, "not for this user") != 1 || strings.Contains(log, "WARN") {
		t.Error(log)
	}
}

func TestEngineRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	r := run(t, EngineConfig{Usual: path}, nil)
	<-r.pauses
	r.stop()
	if got := <-r.reports; got != "docker false" {
		t.Error(got)
	}
}

func TestEngineClock(t *testing.T) {
	wall, boot := time.Unix(1_700_000_000, 0), time.Hour
	c := clock{wall: func() time.Time { return wall }, boot: func() time.Duration { return boot }}
	c.reset()
	tick := func(w, b time.Duration) { wall, boot = wall.Add(w), boot+b }
	for _, step := range []struct {
		what       string
		wall, boot time.Duration
		stamp      time.Duration
		want       time.Duration
		sure       bool
	}{
		{"just now", 0, 0, -time.Millisecond, time.Hour - time.Millisecond, true},
		{"slewed", time.Second + time.Millisecond, time.Second, -time.Second, time.Hour, true},
		{"a little ahead is now", 0, 0, 10 * time.Millisecond, time.Hour + time.Second, true},
		{"from the future", 0, 0, time.Second, time.Hour + time.Second, false},
		{"from before the boot", 0, 0, -2 * time.Hour, time.Hour + time.Second, false},
		{"after a step", time.Minute, 0, 0, time.Hour + time.Second, false},
		{"soon after a step", time.Second, time.Second, 0, time.Hour + 2*time.Second, false},
		{"long after a step", 10 * time.Second, 10 * time.Second, 0, time.Hour + 12*time.Second, true},
	} {
		tick(step.wall, step.boot)
		got, sure := c.boottime(wall.Add(step.stamp).UnixNano())
		if got != step.want || sure != step.sure {
			t.Errorf("%s: %v %v, want %v %v", step.what, got, sure, step.want, step.sure)
		}
	}
}

func FuzzEngineEvent(f *testing.F) {
	for _, seed := range []string{
		event("die", `,"exitCode":"137"`, 1), event("kill", `,"signal":"SIGKILL"`, 1), `{"Type":"container","Action":"die","Actor":{"ID":"é"}}`, "null", "{}", "[",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := decode(line)
		if err != nil {
			return
		}
		if e, ok := m.signal("docker"); ok && (len(e.Identity.ID) != shortID || e.Code < workload.CodeUnknown || e.Code > 255) {
			t.Errorf("%+v", e)
		}
	})
}
