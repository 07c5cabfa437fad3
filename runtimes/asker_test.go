package runtimes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/retry"
	"github.com/workload-exporter/workload_exporter/workload"
)

// fakeAPI tells what a test has it tell.
type fakeAPI struct {
	mu   sync.Mutex
	all  map[string]told
	err  error
	asks int
	// listed has a token for each time that it was asked.
	listed chan struct{}
}

func (f *fakeAPI) list(context.Context, net.Conn, []string) (map[string]told, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asks++
	f.listed <- struct{}{}
	return maps.Clone(f.all), f.err
}

func (f *fakeAPI) set(err error, names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.all = err, map[string]told{}
	for _, n := range names {
		f.all[n] = told{name: "the " + n}
	}
}

func (*fakeAPI) key(c *workload.Candidate) string {
	if c.Runtime != "incus" {
		return ""
	}
	return c.ID
}

func (*fakeAPI) early(c *workload.Candidate) string {
	if c.Runtime != "lxc" {
		return ""
	}
	return c.ID
}

// askRig is an Asker that runs.
type askRig struct {
	*Asker
	t       *testing.T
	api     *fakeAPI
	reports chan string
	log     bytes.Buffer
	stop    func()
}

func (r *askRig) Report(source string, up bool) { r.reports <- fmt.Sprint(source, " ", up) }

// accept has somebody at a socket who takes connections and says nothing.
func accept(t *testing.T, path string) net.Listener {
	t.Helper()
	// A socket is there before it listens, and refuses until then.
	early := path + ".early"
	l, err := net.Listen("unix", early)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(early, path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func ask(t *testing.T, cfg AskerConfig, names ...string) *askRig {
	r := &askRig{t: t, api: &fakeAPI{listed: make(chan struct{}, 1000)}, reports: make(chan string, 1000)}
	r.api.set(nil, names...)
	cfg.Source, cfg.Reporter = "incus", r
	cfg.Logger = slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.Asker = newAsker(cfg, r.api)
	r.every = time.Hour
	r.pause = func(ctx context.Context, _ time.Duration) { retry.Pause(ctx, time.Millisecond) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *askRig) name(runtime, id string) (string, workload.Opinion) {
	c := workload.Candidate{Identity: container(runtime, id, id)}
	opinion := r.Name(&c)
	return c.Name, opinion
}

// until waits for the Asker to say so of itself.
func (r *askRig) until(report string) {
	r.t.Helper()
	for got := range r.reports {
		if got == report {
			return
		}
	}
}

func TestAskerNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	accept(t, path)
	r := ask(t, AskerConfig{Usual: []string{path + "-absent", path}}, "c1")
	r.until("incus true")
	if name, opinion := r.name("incus", "c1"); name != "the c1" || opinion != workload.Settled {
		t.Error(name, opinion)
	}
	if _, opinion := r.name("docker", "c1"); opinion != workload.NoOpinion {
		t.Error(opinion)
	}
	// Nobody is expected, and nobody is asked for.
	<-r.api.listed
	if r.Expect(&workload.Candidate{Identity: container("docker", "c2", "c2")}); len(r.wake) != 0 {
		t.Error("asks for another's container")
	}
	// A newcomer is, and again until the API knows of it.
	r.Expect(&workload.Candidate{Identity: container("lxc", "c2", "c2")})
	<-r.api.listed
	<-r.api.listed
	if name, opinion := r.name("incus", "c2"); name != "c2" || opinion != workload.Wait {
		t.Error(name, opinion)
	}
	r.api.set(nil, "c1", "c2")
	for {
		name, opinion := r.name("incus", "c2")
		if opinion == workload.Settled {
			if name != "the c2" {
				t.Error(name)
			}
			break
		}
		time.Sleep(time.Millisecond)
	}
	// One after the other: most of them come when it waits for nobody.
	for i := range 20 {
		id := fmt.Sprint("n", i)
		r.api.set(nil, "c1", "c2", id)
		time.Sleep(2 * time.Millisecond)
		for opinion := workload.Wait; opinion != workload.Settled; _, opinion = r.name("incus", id) {
			time.Sleep(time.Millisecond)
		}
	}
	r.stop()
	if log := r.log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "socket="+path) {
		t.Error(log)
	}
}

func TestAskerFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	accept(t, path)
	r := ask(t, AskerConfig{Usual: []string{path}}, "c1")
	r.until("incus true")
	r.api.set(errors.New("no"))
	r.Expect(&workload.Candidate{Identity: container("incus", "c2", "c2")})
	r.until("incus false")
	// What it told before is as true as ever.
	if name, opinion := r.name("incus", "c1"); name != "the c1" || opinion != workload.Settled {
		t.Error(name, opinion)
	}
	if _, opinion := r.name("incus", "c2"); opinion != workload.Wait {
		t.Error(opinion)
	}
	r.api.set(nil, "c1", "c2")
	r.until("incus true")
	if name, _ := r.name("incus", "c2"); name != "the c2" {
		t.Error(name)
	}
	r.stop()
	if log := r.log.String(); strings.Count(log, "level=WARN") != 1 || strings.Count(log, "level=INFO") != 2 {
		t.Error(log)
	}
}

// TestAskerAbsent waits for nobody, and is no source.
func TestAskerAbsent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	r := ask(t, AskerConfig{Usual: []string{path}}, "c1")
	for {
		if _, opinion := r.name("incus", "c1"); opinion == workload.NoOpinion {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if len(r.reports) != 0 {
		t.Error(<-r.reports)
	}
	accept(t, path)
	r.until("incus true")
	r.stop()
	if log := r.log.String(); strings.Count(log, "level=DEBUG") != 1 || strings.Count(log, "\n") != 2 {
		t.Error(log)
	}
}

func TestAskerAskedForByName(t *testing.T) {
	r := ask(t, AskerConfig{Socket: filepath.Join(t.TempDir(), "s")})
	r.until("incus false")
	r.stop()
	if log := r.log.String(); strings.Count(log, "level=WARN") != 1 || !strings.Contains(log, fs.ErrNotExist.Error()) && !strings.Contains(log, "no such file") {
		t.Error(log)
	}
}

// startIncus answers on a unix socket as Incus does.
func startIncus(t *testing.T, path string, h http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-served })
}

func TestIncus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	var answer atomic.Pointer[string]
	set := func(s string) { answer.Store(&s) }
	set(`{"type":"sync","status":"Success","operation":"","error_code":0,"metadata":[
		{"name":"c1","project":"default","config":{"image.description":"Debian trixie","image.os":"Debian","user.team":"a"}},
		{"name":"v1","project":"my_lab","config":{"image.os":"Debian","image.release":"trixie"}},{"name":"old"}]}`)
	startIncus(t, path, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != incusPath {
			t.Error(r.URL)
		}
		_, _ = io.WriteString(w, *answer.Load())
	})
	a := NewIncus(AskerConfig{Source: "incus", Usual: []string{path}, Labels: []string{"user.team"}})
	_, got, err := a.ask(t.Context())
	want := map[string]told{
		"c1":        {name: "c1", metadata: workload.Metadata{Image: "Debian trixie", Project: "default", Labels: []workload.Label{{Key: "user.team", Value: "a"}}}},
		"my_lab_v1": {name: "v1", metadata: workload.Metadata{Image: "Debian trixie", Project: "my_lab"}},
		"old":       {name: "old", metadata: workload.Metadata{Project: "default"}},
	}
	if err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(told{})) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got, cmp.AllowUnexported(told{})))
	}
	for _, bad := range []string{"", "{}", "[]", `{"metadata":{}}`, `{"metadata":[{]}`, `{"metadata":[{}`, `{"x":"` + strings.Repeat("x", 2<<20) + `"}`} {
		set(bad)
		if _, _, err := a.ask(t.Context()); err == nil || !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func FuzzIncus(f *testing.F) {
	for _, seed := range []string{"{}", `{"metadata":[{"name":"c1","project":"p_q","config":{"user.team":""}}]}`, `{"metadata":[null]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		all, _ := parseInstances(bytes.NewReader(list), []string{"user.team"})
		for key, told := range all {
			if len(key) > workload.MaxLabel || len(told.name) > workload.MaxLabel || told.metadata.Project == "" {
				t.Errorf("%q: %+v", key, told)
			}
		}
	})
}
