package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/workload-exporter/workload_exporter/collector"
	"github.com/workload-exporter/workload_exporter/workload"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){name: main})
}

func fetch(t testing.TB, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(r)
}

// TestSocketActivation passes a listener as systemd does.
func TestSocketActivation(t *testing.T) {
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
	tree := t.TempDir()
	if err := os.WriteFile(filepath.Join(tree, "cgroup.controllers"), []byte("cpu memory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Only a shell knows the process id that it will have: LISTEN_PID must be it.
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec "+name+" --web.systemd-socket --no-libvirt --path.cgroupfs="+tree)
	cmd.ExtraFiles = []*os.File{f}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// The socket is there already: the kernel holds the request until it is served.
	resp, err := fetch(t, "http://"+l.Addr().String()+"/-/healthy")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Error(resp.Status)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// TestShutdownLetsScrapesEnd has a scrape in flight when the stop comes.
//
//	drill client: SIGTERM during a scrape
//	shows: nobody new gets in, and that scrape gets its whole answer
func TestShutdownLetsScrapesEnd(t *testing.T) {
	app := kingpin.New(name, "")
	opts := addFlags(app)
	if _, err := app.Parse([]string{"--web.listen-address=127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	listeners, err := listen(t.Context(), opts.Web)
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = fmt.Fprint(w, "whole")
	})
	logger := slog.New(slog.DiscardHandler)
	servers, _ := start(listeners, h, opts, logger)
	body := make(chan string)
	go func() {
		resp, err := fetch(t, "http://"+listeners[0].Addr().String())
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		body <- string(b)
	}()
	<-entered
	stopped := make(chan struct{})
	go func() { defer close(stopped); shutdown(servers, logger) }()
	// Nobody new gets in once the listener is closed; the one inside goes on.
	for {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listeners[0].Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	select {
	case <-stopped:
		t.Fatal("stopped with a scrape in flight")
	default:
	}
	close(release)
	if got := <-body; got != "whole" {
		t.Errorf("the scrape in flight got %q", got)
	}
	<-stopped
}

// TestClassifyLines has paths on standard input, without a last newline.
func TestClassifyLines(t *testing.T) {
	var out strings.Builder
	if err := printClasses(&out, strings.NewReader("/a\n/b c"), nil, strings.ToUpper); err != nil {
		t.Fatal(err)
	}
	if out.String() != "/A\n/B C\n" {
		t.Errorf("%q", out.String())
	}
}

func TestNotReadyBeforeTheFirstWalk(t *testing.T) {
	ready := false
	opts := &Options{MetricsPath: "/metrics"}
	gatherer := collector.New(collector.Config{Registry: workload.NewRegistry(workload.Config{})})
	h := routes(opts, gatherer, http.NotFoundHandler(), func() bool { return ready })
	for _, want := range []struct {
		path   string
		ready  bool
		status int
	}{
		{"/-/ready", false, http.StatusServiceUnavailable},
		{"/-/healthy", false, http.StatusOK},
		{"/metrics", false, http.StatusOK},
		{"/-/ready", true, http.StatusOK},
	} {
		ready = want.ready
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, want.path, nil))
		if w.Code != want.status {
			t.Errorf("%s: %d, want %d", want.path, w.Code, want.status)
		}
	}
}
