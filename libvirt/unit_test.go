package libvirt

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket"
	"github.com/digitalocean/go-libvirt/socket/dialers"
)

// chunks is a connection whose reads bring the given pieces.
type chunks struct {
	net.Conn
	list   [][]byte
	closed int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.list) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.list[0])
	c.list = c.list[1:]
	return n, nil
}

func (c *chunks) Close() error { c.closed++; return nil }

func (c *chunks) Write(p []byte) (int, error) { return len(p), nil }

// expecting is a guard whose client has asked these procedures, from serial 1 on.
func expecting(t *testing.T, c *chunks, procs ...uint32) *guard {
	t.Helper()
	g := newGuard(c)
	for i, proc := range procs {
		if _, err := g.Write(frame(proc, 0, uint32(i)+1, 0, words(7))); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func TestGuardFollowsFrames(t *testing.T) {
	good := append(frame(wireOpen, 1, 1, 0, nil), frame(wireClose, 1, 2, 0, make([]byte, 77))...)
	good = append(good, eventFrame(wireReboot, 3, machineNamed(1))...)
	good = append(good, frame(wireControl, 1, 3, 0, make([]byte, 4))...)
	for size := 1; size <= len(good); size++ {
		c := &chunks{}
		for rest := good; len(rest) > 0; {
			n := min(size, len(rest))
			c.list = append(c.list, rest[:n])
			rest = rest[n:]
		}
		c.list = append(c.list, words(5))
		g := expecting(t, c, wireOpen, wireClose, wireControl)
		close(g.settled)
		got, err := io.ReadAll(g)
		if !bytes.Equal(got, good) || !errors.Is(err, errFrame) {
			t.Fatalf("pieces of %d: %d bytes, %v", size, len(got), err)
		}
		if _, again := g.Read(make([]byte, 9)); !errors.Is(again, errFrame) || c.closed != 1 {
			t.Fatalf("pieces of %d: read on: %v, closed %d times", size, again, c.closed)
		}
	}
}

// A connection that the daemon drops right after it has accepted it.
func TestGuardHoldsBackTheLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			frame []byte
			held  bool
		}{
			"accepted": {frame(wireOpen, 1, 2, 0, nil), true},
			"refused":  {frame(wireOpen, 1, 2, 1, words(1, 2, 3, 0)), false},
			"another":  {frame(wireAuthList, 1, 1, 0, words(1, 0)), false},
		} {
			g := expecting(t, &chunks{list: [][]byte{tc.frame[:9], tc.frame[9:]}}, wireAuthList, wireOpen)
			told := make(chan struct{}, 1)
			go func() {
				_, _ = io.ReadAll(g)
				told <- struct{}{}
			}()
			synctest.Wait()
			if held := len(told) == 0; held != tc.held {
				t.Errorf("%s: held back: %v", name, held)
			}
			close(g.settled)
			<-told
		}
	})
}

func FuzzGuard(f *testing.F) {
	asked := []uint32{wireAuthList, wireOpen, wireStats, wireControl, wireXML, wireSubscribe, wireStats, wireStats}
	d := machineNamed(1)
	record := append(append(appendDomain(words(1), d), words(d.count)...), d.params...)
	f.Add(frame(wireStats, 1, 3, 0, record), uint8(3))
	f.Add(frame(wireStats, 1, 3, 1, appendString(words(42, 10, 1), "no domain")), uint8(200))
	f.Add(append(frame(wireAuthList, 1, 1, 0, words(2, 0, 1)), frame(wireXML, 1, 5, 0, appendString(nil, "<domain/>"))...), uint8(0))
	f.Add(append(eventFrame(wireLifecycle, 1, d, 2, 0), frame(400, 2, 0, 0, make([]byte, 9))...), uint8(99))
	f.Add(frame(wireStats, 1, 3, 0, words(0x7ffffff0)), uint8(255))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		c := &chunks{}
		for rest := stream; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			c.list = append(c.list, rest[:n])
			rest = rest[n:]
		}
		// What comes through must be a stream that the library survives.
		g := expecting(t, c, asked...)
		close(g.settled)
		got, _ := io.ReadAll(g)
		client := libvirt.NewWithDialer(dialers.NewAlreadyConnected(c))
		err := new(frames).add(got, func(m message) error {
			if _, isEvent := events[m.procedure()]; !isEvent && asked[m.serial()-1] != m.procedure() {
				t.Errorf("an answer of %d to %d came through", m.procedure(), asked[m.serial()-1])
			}
			// An event is decoded here, whatever it holds.
			client.Route(&socket.Header{Program: m.program(), Procedure: m.procedure(), Serial: int32(m.serial())}, m.body())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestQuarantine(t *testing.T) {
	g := newGuests(10*time.Second, slog.New(slog.DiscardHandler))
	now := time.Unix(1000, 0)
	a, b := run{"a", 1}, run{"b", 2}
	g.list([]domain{{run: a}, {run: b}}, now)
	due, suspect, _ := g.plan(now)
	if len(due) != 2 || suspect != (run{}) {
		t.Fatalf("due %v, suspect %v", due, suspect)
	}
	if _, ok := g.begin(a, now); !ok {
		t.Fatal("not begun")
	}
	if _, ok := g.begin(a, now); ok {
		t.Fatal("two calls to one domain")
	}
	g.expire(a)
	if !g.stuck(1) || g.stuck(2) {
		t.Fatal("one is stuck")
	}
	// The list may come and go; the quarantine stays.
	g.list([]domain{{run: a}, {run: b}}, now)
	if all, q := g.count(); all != 2 || q != 1 {
		t.Fatalf("%d of %d in quarantine", q, all)
	}
	if due, suspect, _ := g.plan(now.Add(time.Minute)); len(due) != 1 || suspect != (run{}) {
		t.Fatalf("while it hangs: due %v, suspect %v", due, suspect)
	}
	if !g.answer(a, nil, now) {
		t.Fatal("the answer was late")
	}
	if _, suspect, _ := g.plan(now); suspect != a {
		t.Fatalf("suspect %v", suspect)
	}
	if _, ok := g.question(a, now); !ok {
		t.Fatal("no question")
	}
	if _, suspect, next := g.plan(now); suspect != (run{}) || next != now.Add(10*time.Second) {
		t.Fatalf("asked again at once: %v, next %v", suspect, next)
	}
	g.clear(a, now)
	if due, _, _ := g.plan(now); len(due) != 2 {
		t.Fatalf("due %v", due)
	}
	// A new run of the same domain is a newcomer, and left alone for a while.
	g.list([]domain{{run: run{"a", 3}}, {run: b}}, now)
	if due, _, next := g.plan(now); len(due) != 1 || next != now.Add(5*time.Second) {
		t.Fatalf("due %v, next %v", due, next)
	}
	g.answer(a, nil, now) // Of a run that is gone.
	g.expire(a)
	g.clear(a, now)
}

func TestParseInventory(t *testing.T) {
	list := parseInventory([]libvirt.DomainStatsRecord{
		{Dom: libvirt.Domain{Name: "gone", ID: -1}},
		{Dom: libvirt.Domain{Name: "a", ID: 3, UUID: libvirt.UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255}}, Params: params("state.state", int32(3), "state.reason", int32(11))},
		{Dom: libvirt.Domain{Name: "b", ID: 4}, Params: params("state.state", "odd", "state.reason", int64(1)<<40, "novel", true)},
		{Dom: libvirt.Domain{Name: "c", ID: 5}, Params: params("state.state", uint64(7))},
	})
	if len(list) != 3 || list[0].uuid != "01020304-0506-0708-090a-0b0c0d0e0fff" || list[0].id != 3 {
		t.Fatalf("%+v", list)
	}
	if !list[0].starting() || list[0].paused() || list[1].paused() || !list[2].paused() {
		t.Errorf("%+v", list)
	}
}

func TestReadPID(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a b ü": "77\n", "empty": "", "zero": "0", "minus": "-5", "words": "12 13", "huge": "99999999999"} {
		if err := os.WriteFile(filepath.Join(dir, name+".pid"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pid, err := readPID(dir, "a b ü"); pid != 77 || err != nil {
		t.Errorf("%d, %v", pid, err)
	}
	for _, name := range []string{"empty", "zero", "minus", "words", "huge", "none", "../" + filepath.Base(dir) + "/a b ü", "nul\x00"} {
		if pid, err := readPID(dir, name); err == nil || pid != 0 {
			t.Errorf("%q: PID %d", name, pid)
		}
	}
}

func TestLifecycleEvent(t *testing.T) {
	for _, tc := range []struct {
		event, detail int32
		kind          EventKind
		word          string
	}{
		{0, 0, EventDefined, "added"},
		{1, 1, EventUndefined, "renamed"},
		{2, 0, EventStarted, "booted"},
		{2, 4, EventStarted, "wakeup"},
		{3, 2, EventSuspended, "ioerror"},
		{4, 0, EventResumed, "unpaused"},
		{5, 1, EventStopped, "destroyed"},
		{5, 5, EventStopped, "failed"},
		{6, 1, EventShutdown, "guest"},
		{7, 1, EventPMSuspended, "disk"},
		{8, 0, EventCrashed, "panicked"},
		{2, 99, EventStarted, ""},
		{2, -1, EventStarted, ""},
		{9, 0, EventUnknown, ""},
		{-1, 0, EventUnknown, ""},
	} {
		if kind, word := lifecycleEvent(tc.event, tc.detail); kind != tc.kind || word != tc.word {
			t.Errorf("%d,%d is %s %q, want %s %q", tc.event, tc.detail, kind, word, tc.kind, tc.word)
		}
	}
	if _, ok := parseEvent(&libvirt.DomainEventCallbackWatchdogMsg{}); ok {
		t.Error("an event that nobody subscribed to")
	}
}

func TestHealth(t *testing.T) {
	s := New(Config{Registry: &record{}})
	s.health.observe("x", time.Millisecond, nil)
	s.health.observe("x", 3*time.Millisecond, errors.New("no"))
	s.health.observe("x", time.Hour, nil)
	c := s.Health().Calls["x"]
	if c.Count != 3 || c.Errors != 1 || c.Buckets[.0005] != 0 || c.Buckets[.001] != 1 || c.Buckets[.005] != 2 || c.Buckets[30] != 2 {
		t.Errorf("%+v", c)
	}
}
