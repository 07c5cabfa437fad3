package runtimes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/vsock"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	guestUUID = "4a1c0d2e-0000-4000-8000-00000000000a"
	speaking  = "X_SYSTEMD_MACHINE_ID=x\nX_SYSTEMD_SIGNALS_LEVEL=2\n"
	finished  = "READY=1\nSTATUS=Ready.\n"
)

func active(unit string) string   { return "X_SYSTEMD_UNIT_ACTIVE=" + unit + "\n" }
func inactive(unit string) string { return "X_SYSTEMD_UNIT_INACTIVE=" + unit + "\n" }

// TestGuestBoot has what guests say, each a second after the one before.
func TestGuestBoot(t *testing.T) {
	boot := []string{speaking, active("sysinit.target"), active("basic.target"), active("multi-user.target")}
	for name, tc := range map[string]struct {
		says []string
		want string
	}{
		"a boot":                {slices.Concat(boot, []string{finished}), "guest_up 3s, ready 5s"},
		"finished first":        {[]string{active("basic.target"), finished, active("multi-user.target"), finished}, "guest_up 1s, ready 3s"},
		"all at once":           {[]string{speaking + active("basic.target") + active("multi-user.target") + finished}, "guest_up 1s, ready 1s"},
		"systemd 254":           {[]string{finished, finished}, "ready 1s"},
		"an emergency shell":    {[]string{speaking, active("sysinit.target"), active("emergency.target"), finished}, ""},
		"it was left after all": {[]string{speaking, active("emergency.target"), finished, active("basic.target"), active("multi-user.target")}, "guest_up 4s, ready 5s"},
		"never finished":        {boot, "guest_up 3s"},
		"no is no":              {[]string{"READY=0\n", "READY=11\n", "READY\n", "=1\n", "\n", ""}, ""},
		"it stops": {
			slices.Concat(boot, []string{finished, inactive("multi-user.target"), active("shutdown.target"), "EXIT_STATUS=0\nX_SYSTEMD_SHUTDOWN=poweroff\n"}),
			"guest_up 3s, ready 5s, guest_stops 6s poweroff",
		},
		"it reboots": {
			slices.Concat(boot, []string{finished, inactive("multi-user.target"), "X_SYSTEMD_SHUTDOWN=reboot\n"}, boot, []string{finished}),
			"guest_up 3s, ready 5s, guest_stops 6s reboot, guest_up 10s, ready 12s",
		},
		"it is reset, and says nothing of that": {slices.Concat(boot, []string{finished}, boot, []string{finished}), "guest_up 3s, ready 5s, guest_up 8s, ready 10s"},
		"a rescue shell, and a stop from there": {
			slices.Concat(boot, []string{finished, inactive("multi-user.target"), active("multi-user.target"), "X_SYSTEMD_SHUTDOWN=halt"}),
			"guest_up 3s, ready 5s, guest_stops 8s halt",
		},
		"it is cut off before the last word": {
			slices.Concat(boot, []string{finished, inactive("multi-user.target"), active("poweroff.target"), "X_SYSTEMD_SHUTDOWN=poweroff\n"}, boot, []string{active("reboot.target")}),
			"guest_up 3s, ready 5s, guest_stops 6s poweroff, guest_up 11s, guest_stops 13s reboot",
		},
		"a stop before multi-user.target":  {[]string{speaking, "X_SYSTEMD_SHUTDOWN=kexec\n"}, "guest_stops 2s kexec"},
		"a stop for nothing that is known": {[]string{"X_SYSTEMD_SHUTDOWN=\xff\n", "X_SYSTEMD_SHUTDOWN=\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var g guestBoot
			var got []string
			for i, text := range tc.says {
				for _, e := range g.heard(parseGuestMessage([]byte(text)), time.Duration(i+1)*time.Second) {
					got = append(got, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.When, " ", e.Detail)))
				}
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzGuestMessage(f *testing.F) {
	f.Add([]byte(speaking + active("basic.target") + inactive("multi-user.target") + finished + "X_SYSTEMD_SHUTDOWN=reboot"))
	f.Add([]byte("READY=1"))
	f.Add(bytes.Repeat([]byte(active("")), 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := parseGuestMessage(b)
		if len(m.active) > maxUnits || len(m.inactive) > maxUnits {
			t.Errorf("%d and %d units", len(m.active), len(m.inactive))
		}
		var g guestBoot
		for range 2 {
			for _, e := range g.heard(m, time.Second) {
				if e.Kind == "" || e.When != time.Second {
					t.Errorf("%+v", e)
				}
			}
		}
	})
}

// socket is a place on unix sockets that stands for AF_VSOCK: a client's own
// address is its number and port.
type socket struct {
	*rig
	dir    string
	guests *Guests
	serial atomic.Int64
}

func listenToGuests(t *testing.T, change func(*Guests)) *socket {
	s := &socket{rig: &rig{t: t, events: make(chan workload.Event, 1000), reports: make(chan string, 100), pauses: make(chan time.Duration)}, dir: t.TempDir()}
	s.guests = NewGuests(GuestsConfig{
		Port: 7, Events: s, Reporter: s, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
		Find: func(cid uint32) (uuid, name string, ok bool) { return guestUUID, "vm", cid == 3 },
	})
	s.guests.listen = func(port uint32) (net.Listener, error) {
		return new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(s.dir, fmt.Sprint(port)))
	}
	s.guests.peer = func(c net.Conn) (cid, port uint32, ok bool) {
		n, _ := fmt.Sscanf(filepath.Base(c.RemoteAddr().String()), "%d-%d-", &cid, &port)
		return cid, port, n == 2
	}
	s.guests.pause = func(ctx context.Context, d time.Duration) {
		select {
		case s.pauses <- d:
		case <-ctx.Done():
		}
	}
	if change != nil {
		change(s.guests)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.guests.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// connect is a connection from a number and a port in a guest.
func (s *socket) connect(cid, port int) net.Conn {
	s.t.Helper()
	own := filepath.Join(s.dir, fmt.Sprintf("%d-%d-%d", cid, port, s.serial.Add(1)))
	c, err := net.DialUnix("unix", &net.UnixAddr{Name: own, Net: "unix"}, &net.UnixAddr{Name: filepath.Join(s.dir, "7"), Net: "unix"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// say does as systemd does: it writes, and waits for the other side to close.
func (s *socket) say(cid, port int, text string) {
	s.t.Helper()
	c := s.connect(cid, port)
	_, _ = io.WriteString(c, text)
	_ = c.(*net.UnixConn).CloseWrite()
	s.closed(c)
}

// closed waits until the listener has closed.
func (s *socket) closed(c net.Conn) {
	s.t.Helper()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, context.DeadlineExceeded) {
		s.t.Error("not closed")
	}
}

func (s *socket) up() {
	s.t.Helper()
	if r := <-s.reports; r != "vsock true" {
		s.t.Fatal(r)
	}
}

func TestGuestsTell(t *testing.T) {
	s := listenToGuests(t, nil)
	s.up()
	before := workload.Boottime()
	for _, text := range []string{speaking, active("basic.target"), active("multi-user.target"), finished} {
		s.say(3, 1000, text)
	}
	want := workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: guestUUID, Name: "vm"}
	for _, kind := range []workload.EventKind{workload.EventGuestUp, workload.EventReady} {
		e := s.want(kind)
		if e.Identity != want || e.Source != "vsock" || e.Domain.Driver != "qemu" || e.When < before || e.When > workload.Boottime() {
			t.Errorf("%+v", e)
		}
		before = e.When
	}
	s.say(3, 1000, "X_SYSTEMD_SHUTDOWN=poweroff\n")
	if e := s.want(workload.EventGuestStops); e.Detail != "poweroff" {
		t.Errorf("%+v", e)
	}
}

// TestGuestsThatAreNone has who is unknown, or not root in its guest.
func TestGuestsThatAreNone(t *testing.T) {
	s := listenToGuests(t, nil)
	s.up()
	s.say(4, 1000, finished)
	s.say(3, 1024, finished)
	s.say(1, 1023, finished)
	for range 3 {
		if e := s.want(workload.EventMissed); e.Detail != workload.MissedStranger {
			t.Errorf("%+v", e)
		}
	}
}

// TestGuestsThatHold has guests that say too much, nothing, or do not end.
func TestGuestsThatHold(t *testing.T) {
	s := listenToGuests(t, func(g *Guests) { g.patient = 50 * time.Millisecond })
	s.up()
	garbled := func() {
		t.Helper()
		if e := s.want(workload.EventMissed); e.Detail != workload.MissedGarbled {
			t.Errorf("%+v", e)
		}
	}
	silent := s.connect(3, 1000)
	s.closed(silent)
	garbled()
	half := s.connect(3, 1000)
	_, _ = io.WriteString(half, finished)
	s.closed(half)
	garbled()
	large := s.connect(3, 1000)
	n, err := large.Write(bytes.Repeat([]byte("READY=1\n"), 10<<20/8))
	if err == nil || n > 1<<20 {
		t.Errorf("%d bytes of 10 MB were taken, %v", n, err)
	}
	garbled()
	s.say(3, 1000, "")
	s.say(3, 1000, strings.Repeat("\x00", maxMessage))
	s.say(3, 1000, finished)
	s.want(workload.EventReady)
}

// TestGuestsAreMany has one guest open more connections than it may: another is
// heard all the same.
func TestGuestsAreMany(t *testing.T) {
	s := listenToGuests(t, func(g *Guests) { g.patient = time.Hour })
	s.up()
	held := make([]net.Conn, 0, maxEach)
	for range maxEach {
		held = append(held, s.connect(4, 1000))
	}
	for range 100 {
		// Those beyond are closed at once.
		s.closed(s.connect(4, 1000))
	}
	s.say(3, 1000, finished)
	s.want(workload.EventReady)
	for _, c := range held {
		_ = c.Close()
		s.want(workload.EventMissed)
	}
	if len(s.guests.boots) != 1 {
		t.Errorf("%d guests", len(s.guests.boots))
	}
}

// TestGuestsCannotBeHeard has the port taken, and let go.
func TestGuestsCannotBeHeard(t *testing.T) {
	refused := make(chan bool, 1)
	refused <- true
	s := listenToGuests(t, func(g *Guests) {
		listen := g.listen
		g.listen = func(port uint32) (net.Listener, error) {
			select {
			case <-refused:
				return nil, errors.New("address already in use")
			default:
				return listen(port)
			}
		}
	})
	if r := <-s.reports; r != "vsock false" {
		t.Error(r)
	}
	<-s.pauses
	s.up()
	s.say(3, 1000, finished)
	s.want(workload.EventReady)
	if n := strings.Count(s.log.String(), "level=WARN"); n != 1 || !strings.Contains(s.log.String(), "--vsock.listen") {
		t.Errorf("%d warnings: %s", n, &s.log)
	}
}

// TestVsockPeer takes nothing but AF_VSOCK at its word.
func TestVsockPeer(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, _, ok := vsockPeer(a); ok {
		t.Error("a pipe has a number")
	}
	if cid, port, ok := vsockPeer(addressed{a, &vsock.Addr{ContextID: 3, Port: 1000}}); cid != 3 || port != 1000 || !ok {
		t.Error(cid, port, ok)
	}
}

type addressed struct {
	net.Conn
	remote net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.remote }
