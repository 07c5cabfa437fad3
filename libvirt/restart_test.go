package libvirt

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRealDaemonFrozenBeforeConnect stops a real daemon before anybody asks, and
// then, dead, has it come back without one of its machines.
//
//	drill libvirt: libvirtd is stopped (SIGSTOP) before the first connection
//	shows: `workload_source_up{source="libvirt"}` 0 within 5 s, 1 when it is continued; no scrape waits
//	drill libvirt: libvirtd is killed, and is restarted with one machine gone
//	shows: 0 at once, then 1; that machine's guest numbers end, the others' go on under the same id
func TestRealDaemonFrozenBeforeConnect(t *testing.T) {
	d := startDaemon(t)
	d.create("one", 1)
	d.create("two", 1)
	d.signal(syscall.SIGSTOP)
	r := launch(t, Config{Socket: d.socket, URI: "qemu:///session", PIDDir: d.pidDir(), Interval: 500 * time.Millisecond, GuestInterval: time.Second})
	atOnce := func() {
		t.Helper()
		began := time.Now()
		_ = r.Sync()
		if took := time.Since(began); took > time.Second {
			t.Errorf("a scrape waits for %v", took)
		}
	}
	eventually(t, "the frozen daemon is told of", func() bool { atOnce(); return fmt.Sprint(r.reg.changes()) == "[false]" })
	d.signal(syscall.SIGCONT)
	eventually(t, "both machines", func() bool { atOnce(); return len(r.reg.names()) == 2 })
	before, gone := r.reg.machine("one"), r.reg.machine("two")

	d.kill()
	signal(t, gone.PID, syscall.SIGKILL)
	eventually(t, "the dead daemon is told of", func() bool { atOnce(); return !r.Health().Connected })
	if n := len(r.reg.names()); n != 2 {
		t.Errorf("%d machines are known while there is no daemon", n)
	}
	d.start()
	eventually(t, "one machine", func() bool { atOnce(); return strings.Join(r.reg.names(), " ") == "one" })
	if after := r.reg.machine("one"); after.UUID != before.UUID || after.DomainID != before.DomainID || after.PID != before.PID {
		t.Errorf("another machine after the restart: %+v, was %+v", after, before)
	}
	if got := fmt.Sprint(r.reg.changes()); got != "[false true false true]" {
		t.Errorf("reports %v", got)
	}
}

// TestRealDaemonOfThousands has a real daemon with 3000 domains of its test driver.
//
//	drill libvirt: 3000 domains
//	shows: all of them in one list; a scrape waits for none
func TestRealDaemonOfThousands(t *testing.T) {
	const domains = 3000
	d := startDaemon(t)
	var xml strings.Builder
	xml.WriteString("<node>\n")
	for i := range domains {
		fmt.Fprintf(&xml, "<domain type='test'><name>vm%d</name><memory>8192</memory><os><type>hvm</type></os></domain>\n", i)
	}
	xml.WriteString("</node>\n")
	d.write("node.xml", xml.String())
	r := launch(t, Config{Socket: d.socket, URI: "test://" + filepath.Join(d.dir, "node.xml"), ConnectTimeout: time.Minute, CallTimeout: time.Minute})
	slowest := time.Duration(0)
	eventually(t, "all of them", func() bool {
		began := time.Now()
		_ = r.Sync()
		slowest = max(slowest, time.Since(began))
		return len(r.reg.names()) == domains
	})
	c := r.Health().Calls
	t.Logf("connected in %.2f s, a list takes %.3f s; a scrape waits for %v", c[procConnect].Sum/float64(c[procConnect].Count),
		c[procInventory].Sum/float64(c[procInventory].Count), slowest)
	if slowest > time.Second {
		t.Errorf("a scrape waits for %v", slowest)
	}
}

// TestSocketReplaced has another daemon make its socket under the same path,
// while the first one still serves those who were connected.
//
//	drill libvirt: the socket is replaced by another daemon's
//	shows: the old connection serves for as long as it lasts; then the new daemon's machines, and only those
func TestSocketReplaced(t *testing.T) {
	path := filepath.Join(shortDir(t), "libvirt-sock")
	first, second := newFake(machineNamed(1)), newFake(machineNamed(2))
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			first.serve(c)
		}
	}()
	t.Cleanup(first.drop)
	r := launch(t, Config{Socket: path, Interval: 100 * time.Millisecond})
	machines := func() string { return strings.Join(r.reg.names(), " ") }
	eventually(t, "the first daemon's machine", func() bool { return machines() == "vm1" })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.Close()
	<-accepted
	listen(t, second, path)
	first.set(func() { first.domains = append(first.domains, machineNamed(3)) })
	eventually(t, "news of the first daemon", func() bool { return machines() == "vm1 vm3" })
	first.drop()
	eventually(t, "the second daemon's machine", func() bool { return machines() == "vm2" })
}
