package runtimes

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// named asks until there is an answer, as scrapes do.
func named(t *testing.T, p *Proxmox, c *workload.Candidate) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); p.Name(c) == workload.Wait; {
		if time.Now().After(deadline) {
			t.Fatalf("%s: no answer", c.ID)
		}
		time.Sleep(time.Millisecond)
	}
	return c.Name
}

func guest(runtime, id, name string) *workload.Candidate {
	return &workload.Candidate{Identity: container(runtime, id, name)}
}

func TestProxmox(t *testing.T) {
	dir := t.TempDir()
	write := func(file, text string) {
		t.Helper()
		makeDir(t, dir, filepath.Dir(file))
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("lxc/101.conf", "arch: amd64\ncores: 2\nhostname: web\nmemory: 512\n\n[before]\nhostname: old\n")
	write("lxc/102.conf", "arch: amd64\n\n[before]\nhostname: old\n")
	write("qemu-server/100.conf", "#a note\nboot: order=scsi0\nname: db\n")
	p := NewProxmox(dir, nil)
	for _, tt := range []struct {
		c    *workload.Candidate
		want string
	}{
		{guest("lxc", "101", "101"), "web"},
		{guest("lxc", "102", "102"), "102"},
		{guest("lxc", "103", "103"), "103"},
		{guest("proxmox", "100", "100"), "db"},
		{guest("proxmox", "100", "told"), "told"},
		{guest("lxc", "web", "web"), "web"},
		{guest("incus", "101", "101"), "101"},
	} {
		p.Expect(tt.c)
		if got := named(t, p, tt.c); got != tt.want {
			t.Errorf("%s %s is %q, want %q", tt.c.Runtime, tt.c.ID, got, tt.want)
		}
	}
	write("lxc/101.conf", "hostname: renamed\n")
	if got := named(t, p, guest("lxc", "101", "101")); got != "web" {
		t.Errorf("the file is read again, and the container is %q", got)
	}
	next := guest("lxc", "101", "101")
	p.Expect(next)
	if got := named(t, p, next); got != "renamed" {
		t.Errorf("the next run is %q", got)
	}
}

// TestProxmoxHangs has a file that does not come: a pipe that nobody writes to.
func TestProxmoxHangs(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(makeDir(t, dir, "lxc"), "101.conf")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p := NewProxmox(dir, nil)
	for range 3 {
		for _, id := range []string{"101", "102"} {
			if c := guest("lxc", id, id); p.Name(c) != workload.Wait || c.Name != id {
				t.Errorf("%s is %q before anything was read", id, c.Name)
			}
		}
	}
	if len(p.queue) != 2 {
		t.Errorf("%d files to read, want the two", len(p.queue))
	}
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("hostname: late\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got := named(t, p, guest("lxc", "101", "101")); got != "late" {
		t.Errorf("it came late and is %q", got)
	}
	if got := named(t, p, guest("lxc", "102", "102")); got != "102" {
		t.Errorf("the one behind it is %q", got)
	}
}

func TestProxmoxDenied(t *testing.T) {
	var log strings.Builder
	p := NewProxmox(t.TempDir(), slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		p.tell(&os.PathError{Op: "open", Path: "100.conf", Err: unix.EACCES})
		p.tell(&os.PathError{Op: "open", Path: "100.conf", Err: unix.ENOENT})
	}
	if n := strings.Count(log.String(), "may not be read"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

func FuzzParseGuest(f *testing.F) {
	f.Add([]byte("hostname: web\n"))
	f.Add([]byte("name:\n[x]\nname: y"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if name := parseGuest(b); strings.ContainsAny(name, "\n") || strings.TrimSpace(name) != name {
			t.Errorf("%q names %q", b, name)
		}
	})
}
