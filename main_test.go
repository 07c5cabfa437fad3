package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"

	"github.com/workload-exporter/workload_exporter/collector"
	"github.com/workload-exporter/workload_exporter/workload"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){name: main})
}

// TestScripts runs the binary as its users do; see testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"get": cmdGet, "notified": cmdNotified, "terminate": cmdTerminate,
		},
	})
}

// notifications is the key of the socket that a script's binary notifies.
type notifications struct{}

// setup gives a script a free port in ADDR, a certificate, a password file's
// hash in HASH, and a systemd that listens.
func setup(env *testscript.Env) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("ADDR", l.Addr().String())
	if err := l.Close(); err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		return err
	}
	// A web.config.file cannot have variables: a script's @HASH@ stands for it.
	for _, path := range []string{"auth.yml"} {
		content, err := os.ReadFile(filepath.Join(env.WorkDir, path))
		if err != nil {
			continue
		}
		content = bytes.ReplaceAll(content, []byte("@HASH@"), hash)
		if err := os.WriteFile(filepath.Join(env.WorkDir, path), content, 0o600); err != nil {
			return err
		}
	}
	if err := writeCertificate(env.WorkDir); err != nil {
		return err
	}
	socket := filepath.Join(env.WorkDir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	env.Defer(func() { _ = conn.Close() })
	env.Setenv("NOTIFY_SOCKET", socket)
	env.Values[notifications{}] = conn
	return nil
}

func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

// cmdNotified waits for one notification to systemd, and says what it has to be.
func cmdNotified(ts *testscript.TestScript, _ bool, args []string) {
	conn := ts.Value(notifications{}).(*net.UnixConn)
	ts.Check(conn.SetReadDeadline(time.Now().Add(30 * time.Second)))
	b := make([]byte, 256)
	n, err := conn.Read(b)
	ts.Check(err)
	if got := string(b[:n]); got != args[0] {
		ts.Fatalf("systemd was told %q", got)
	}
}

// cmdGet is "get STATUS URL [USER PASSWORD]": the body goes to stdout.
func cmdGet(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1], nil)
	ts.Check(err)
	if len(args) == 4 {
		r.SetBasicAuth(args[2], args[3])
	}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("%s: %s\n%s", args[1], resp.Status, body)
	}
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// cmdTerminate sends SIGTERM to what runs in the background; testscript's kill knows no such signal.
func cmdTerminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

func fetch(t *testing.T, url string) (*http.Response, error) {
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
	h, err := routes(opts, collector.New(collector.Config{Registry: workload.NewRegistry(workload.Config{})}), func() bool { return ready })
	if err != nil {
		t.Fatal(err)
	}
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
