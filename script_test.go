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
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"
)

// TestScripts runs the binary as its users do; see testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"get": cmdGet, "notified": cmdNotified, "terminate": cmdTerminate, "holds": cmdHolds,
		},
	})
}

// notifications is the key of the socket that a script's binary notifies.
type notifications struct{}

// setup gives a script a free port in ADDR, the tree that was captured in the
// lab in CAPTURED, certificates of the server, a client and a stranger, a
// password file's hash in HASH, and a systemd that listens.
func setup(env *testscript.Env) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("ADDR", l.Addr().String())
	if err := l.Close(); err != nil {
		return err
	}
	captured, err := filepath.Abs("cgroupfs/testdata/lab")
	if err != nil {
		return err
	}
	env.Setenv("CAPTURED", captured)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		return err
	}
	// A web.config.file cannot have variables: a script's @HASH@ stands for it.
	for _, path := range []string{"auth.yml", "mutual.yml"} {
		content, err := os.ReadFile(filepath.Join(env.WorkDir, path))
		if err != nil {
			continue
		}
		content = bytes.ReplaceAll(content, []byte("@HASH@"), hash)
		if err := os.WriteFile(filepath.Join(env.WorkDir, path), content, 0o600); err != nil {
			return err
		}
	}
	for _, who := range []string{"", "client-", "stranger-"} {
		if err := writeCertificate(env.WorkDir, who); err != nil {
			return err
		}
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

// writeCertificate makes a certificate that is its own authority, and its key.
func writeCertificate(dir, who string) error {
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
		os.WriteFile(filepath.Join(dir, who+"cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, who+"key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
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

// cmdGet is "get STATUS URL [USER PASSWORD]": the body goes to stdout. With WHO
// in the environment it shows that certificate; the status "refused" is none.
func cmdGet(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, args[1], nil)
	ts.Check(err)
	if len(args) == 4 {
		r.SetBasicAuth(args[2], args[3])
	}
	config := &tls.Config{InsecureSkipVerify: true}
	if who := ts.Getenv("WHO"); who != "" {
		pair, err := tls.LoadX509KeyPair(ts.MkAbs(who+"-cert.pem"), ts.MkAbs(who+"-key.pem"))
		ts.Check(err)
		// Shown whether or not the server would like it.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}}
	resp, err := client.Do(r)
	if args[0] == "refused" {
		if err == nil {
			resp.Body.Close()
			ts.Fatalf("%s: %s", args[1], resp.Status)
		}
		return
	}
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

// cmdHolds is "holds FILE TEXT": it waits until the text is in the file.
func cmdHolds(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && bytes.Contains(b, []byte(args[1])) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: %v: %s", args[0], err, b)
		}
	}
}

// cmdTerminate sends SIGTERM to what runs in the background; testscript's kill knows no such signal.
func cmdTerminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
