package libvirt

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// drill libvirt: the handshake hangs, at either of its two calls
// shows: `workload_source_up` 0 after 5 s, one line in the log, one attempt at a time; 1 when it is answered
func TestHandshakeHangs(t *testing.T) {
	for _, proc := range []uint32{wireAuthList, wireOpen} {
		t.Run(fmt.Sprint(proc), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(machineNamed(1))
				f.override = func(_ *fakeConn, r request) bool { return r.proc == proc }
				r := start(t, f, nil)
				r.after(4 * time.Second)
				r.wantReports()
				r.after(2 * time.Minute)
				r.wantReports(false)
				if n := f.connections(); n > 1 {
					t.Errorf("%d attempts in flight", n)
				}
				if n := r.log.count("does not answer"); n != 1 {
					t.Errorf("told %d times", n)
				}
				f.set(func() { f.override = nil })
				r.after(90 * time.Second)
				r.wantReports(false, true)
				r.stop()
			})
		})
	}
}

// Nothing is read and nothing written: the client's first write already hangs.
func TestStopInTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		release := make(chan struct{})
		f.override = func(*fakeConn, request) bool { <-release; return true }
		r := start(t, f, nil)
		r.cancel()
		<-r.done
		close(release)
		r.stop()
	})
}

// drill libvirt: one QEMU of five is stuck
// shows: its guest numbers grow old, all others stay fresh; it is left alone until its monitor is in order, and is back then
func TestStuckMachineIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(5)...)
		bad := f.domains[2]
		bad.stuck = make(chan struct{})
		r := start(t, f, nil)
		r.after(2 * time.Minute)
		for _, name := range []string{"vm1", "vm2", "vm4", "vm5"} {
			if age := r.age(name); age > 12*time.Second {
				t.Errorf("%s is %v old", name, age)
			}
		}
		if n := f.called("vm3"); n != 1 {
			t.Errorf("the stuck one was called %d times", n)
		}
		if h := r.Health(); h.Quarantined != 1 || h.Pending != 1 {
			t.Errorf("%d quarantined, %d pending", h.Quarantined, h.Pending)
		}
		if n := r.log.count("quarantined"); n != 1 {
			t.Errorf("told %d times", n)
		}
		r.wantReports(true)

		// It answers, but its monitor is not yet in order.
		f.seen()
		f.set(func() {
			f.control["vm3"] = 2
			close(bad.stuck)
			bad.stuck = nil
		})
		time.Sleep(planGap / 2)
		synctest.Wait()
		if !slices.Contains(f.seen(), "control vm3") {
			t.Error("nobody asked about it when it answered")
		}
		r.after(30 * time.Second)
		if n := f.called("vm3"); n != 1 || r.Health().Quarantined != 1 {
			t.Errorf("called %d times while its monitor is occupied", n)
		}
		if age := r.age("vm3"); age > 31*time.Second {
			t.Errorf("the late answer was not used: %v old", age)
		}
		f.set(func() { f.control["vm3"] = 0 })
		r.after(13 * time.Second)
		if age := r.age("vm3"); age > 12*time.Second || r.Health().Quarantined != 0 {
			t.Errorf("not back: %v old, %d quarantined", age, r.Health().Quarantined)
		}
		if n := r.log.count("answers again"); n != 1 {
			t.Errorf("told %d times", n)
		}
		r.stop()
	})
}

// drill libvirt: many QEMUs are stuck at once
// shows: up to seven cost the others nothing; from eight on all guest numbers grow old, and no more than eight calls wait
func TestManyStuckMachines(t *testing.T) {
	for stuck, healthy := range map[int]bool{4: true, 7: true, 8: false, 10: false} {
		t.Run(fmt.Sprint(stuck), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(machinesNamed(20)...)
				for _, d := range f.domains[:stuck] {
					d.stuck = make(chan struct{})
				}
				r := start(t, f, nil)
				r.after(2 * time.Minute)
				if fresh := r.age("vm20") < 13*time.Second; fresh != healthy {
					t.Errorf("vm20 is %v old", r.age("vm20"))
				}
				if n := r.Health().Pending; n != min(stuck, laneSlots*lanesMax) {
					t.Errorf("%d calls pending", n)
				}
				r.wantReports(true)
				r.stop()
			})
		})
	}
}

func TestSecondLaneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(6)...)
		for _, d := range f.domains {
			d.stuck = make(chan struct{})
		}
		r := start(t, f, nil)
		f.set(func() { f.down = true })
		r.after(time.Minute)
		if n := r.Health().Calls[procConnect].Count; n > 10 {
			t.Errorf("%d connections tried in a minute", n)
		}
		r.stop()
	})
}

// A stuck machine stays in quarantine over a reconnect: the daemon may still
// hold the call that was abandoned.
func TestQuarantineOutlivesTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(2)...)
		f.domains[0].stuck = make(chan struct{})
		f.control["vm1"] = 2
		r := start(t, f, nil)
		r.after(15 * time.Second)
		f.drop()
		r.after(time.Minute)
		if n := f.called("vm1"); n != 1 {
			t.Errorf("called %d times", n)
		}
		if r.age("vm2") > 12*time.Second || r.Health().Reconnects != 1 || r.Health().Quarantined != 1 {
			t.Errorf("vm2 %v old, %+v", r.age("vm2"), r.Health())
		}
		r.stop()
	})
}

// drill libvirt: libvirtd goes away and comes back, with a machine gone of which nobody told
// shows: `workload_source_up` 0, then 1; meanwhile all stays as it was known, then the machine is gone
func TestDaemonRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resynced := 0
		f := newFake(machinesNamed(2)...)
		r := start(t, f, func(c *Config) {
			c.OnEvent = func(e Event) {
				if e.Kind == EventResynced {
					resynced++
				}
			}
		})
		f.set(func() { f.down = true })
		f.drop()
		r.after(time.Second)
		r.wantReports(true, false)
		if len(r.reg.names()) != 2 || r.Health().Connected {
			t.Errorf("what was known is gone: %v", r.reg.names())
		}
		// A stop that nobody will ever tell of.
		f.set(func() { f.down, f.domains = false, f.domains[:1] })
		r.after(time.Minute)
		r.wantReports(true, false, true)
		if diff := cmp.Diff([]string{"vm1"}, r.reg.names()); diff != "" {
			t.Errorf("machines (-want +got):\n%s", diff)
		}
		if resynced != 2 || r.Health().Reconnects != 1 || !r.Health().Connected {
			t.Errorf("resynced %d times, health %+v", resynced, r.Health())
		}
		r.stop()
	})
}

// A daemon that accepts everything and answers nothing.
//
//	drill libvirt: libvirtd is stopped with calls in flight
//	shows: `workload_source_up` 0 after 8 s; one connection at most to it; all is back within 90 s of its going on
func TestDaemonFreezes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(3)...)
		r := start(t, f, nil)
		f.set(func() { f.override = func(*fakeConn, request) bool { return true } })
		r.after(8 * time.Second)
		r.wantReports(true, false)
		r.after(5 * time.Minute)
		if n := f.connections(); n > 1 {
			t.Errorf("%d connections to a frozen daemon", n)
		}
		f.set(func() { f.override = nil })
		r.after(90 * time.Second)
		r.wantReports(true, false, true)
		if h := r.Health(); h.Quarantined != 0 || h.Pending != 0 {
			t.Errorf("health %+v", h)
		}
		r.stop()
	})
}

// A domain that is being started keeps its lock, and the list waits for it: the
// daemon lives, its events are heard, and nothing is gained by a new connection.
//
//	drill libvirt: one domain, being started, holds up the list of all
//	shows: events are heard and guest numbers stay fresh; after 30 s `workload_source_up` is 0 and one line in the log says why
func TestListIsHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(2)...)
		starts := 0
		r := start(t, f, func(c *Config) {
			c.OnEvent = func(e Event) {
				if e.Kind == EventStarted {
					starts++
				}
			}
		})
		held := make(chan struct{})
		lists := 0
		f.set(func() {
			f.override = func(c *fakeConn, q request) bool {
				if q.proc != wireStats || q.body[3] != 0 {
					return false
				}
				f.set(func() { lists++ })
				go func() {
					select {
					case <-held:
						c.answer(q)
					case <-c.closed:
					}
				}()
				return true
			}
		})
		r.after(25 * time.Second)
		f.tell(0, wireLifecycle, f.domains[1], 2, 0)
		synctest.Wait()
		r.wantReports(true)
		if starts != 1 || lists != 1 || r.age("vm1") > 12*time.Second {
			t.Errorf("%d starts heard, %d lists waiting, numbers %v old", starts, lists, r.age("vm1"))
		}
		r.after(30 * time.Second)
		r.wantReports(true, false)
		if n := r.log.count("holds up"); n != 1 || lists != 1 || r.Health().Reconnects != 0 {
			t.Errorf("told %d times, %d lists waiting, %+v", n, lists, r.Health())
		}
		f.set(func() { f.domains = f.domains[:1] })
		close(held)
		time.Sleep(eventGap)
		synctest.Wait()
		r.wantReports(true, false, true)
		if lists != 2 {
			t.Errorf("%d lists: one more was due since the event", lists)
		}
		if diff := cmp.Diff([]string{"vm1"}, r.reg.names()); diff != "" {
			t.Errorf("machines (-want +got):\n%s", diff)
		}
		r.stop()
	})
}

// drill libvirt: SIGTERM while libvirtd is frozen
// shows: the exporter ends within 2 s
func TestStopWhileFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(3)...)
		r := start(t, f, nil)
		f.set(func() { f.override = func(*fakeConn, request) bool { return true } })
		r.after(6 * time.Second) // A list and its domains' calls are in flight.
		r.stop()
	})
}

func TestStopWhileStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(9)...)
		for _, d := range f.domains {
			d.stuck = make(chan struct{})
		}
		r := start(t, f, nil)
		r.after(time.Minute)
		f.seen()
		r.cancel()
		<-r.done
		// The farewell is heard: the daemon's log has no broken connection.
		if diff := cmp.Diff([]string{"close", "close"}, f.seen()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		r.stop()
	})
}

// drill libvirt: a frame that is truncated, too short, too long, or no frame
// shows: the connection is cut: `workload_source_up` 0, then 1 with a new one
func TestBadFrames(t *testing.T) {
	for name, bad := range map[string][]byte{
		"short":     words(27),
		"zero":      words(0),
		"huge":      words(0xfffffff0),
		"too large": words(frameMax + 1),
		"truncated": frame(wireStats, 1, 1, 0, make([]byte, 100))[:60],
		"garbage":   []byte("HTTP/1.1 400 Bad Request\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(machineNamed(1))
				r := start(t, f, nil)
				f.set(func() {
					f.override = func(c *fakeConn, q request) bool {
						if q.proc != wireStats {
							return false
						}
						c.out <- bad
						go func() {
							time.Sleep(100 * time.Millisecond)
							c.close()
						}()
						return true
					}
				})
				r.after(6 * time.Second)
				r.wantReports(true, false)
				f.set(func() { f.override = nil })
				r.after(2 * time.Minute)
				r.wantReports(true, false, true)
				r.stop()
			})
		})
	}
}

// One domain's reply that cannot be decoded takes nobody else along.
//
//	drill libvirt: a parameter of an unknown type in one machine's reply
//	shows: that machine has no guest numbers, all others do
func TestUnknownTypes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(3)...)
		d := f.domains[1]
		d.params = appendParam(d.params, "cpu.novel", 99, words(1)...)
		d.count++
		f.domains[2].params = appendParam(f.domains[2].params, "balloon.current", 7, appendString(nil, "much")...)
		f.domains[2].count++
		r := start(t, f, nil)
		r.after(15 * time.Second)
		if !r.reg.machine("vm2").Stats.Updated.IsZero() || r.age("vm1") > 12*time.Second {
			t.Errorf("vm1 %v old", r.age("vm1"))
		}
		if s := r.reg.machine("vm3").Stats; s.Balloon != workload.Unreadable() || s.CPUTime != workload.Known(5000) {
			t.Errorf("vm3 %+v", s)
		}
		if h := r.Health(); h.Calls[procGuest].Errors == 0 || h.Reconnects != 0 || h.Quarantined != 0 {
			t.Errorf("health %+v", h)
		}
		r.wantReports(true)
		r.stop()
	})
}

// A length within a frame that the library would allocate, an answer to what was
// not asked, and one that comes twice: the connection is given up, not the process.
//
//	drill libvirt: a reply with lengths that are not there (2^31 records), of another call, unasked, twice
//	shows: the connection is cut, `workload_source_up` 0, then 1; memory stays small, and the process lives
func TestHostileReplies(t *testing.T) {
	const many = 0x7ffffff0
	d := machineNamed(1)
	for name, bad := range map[string]func(r request) []byte{
		"records":    func(r request) []byte { return frame(r.proc, 1, r.serial, 0, words(many)) },
		"a few more": func(r request) []byte { return frame(r.proc, 1, r.serial, 0, appendDomain(words(2), d)) },
		"parameters": func(r request) []byte {
			return frame(r.proc, 1, r.serial, 0, append(appendDomain(words(1), d), words(many)...))
		},
		"name":       func(r request) []byte { return frame(r.proc, 1, r.serial, 0, words(1, many, 0, 0, 0, 0, 0, 0, 0)) },
		"error text": func(r request) []byte { return frame(r.proc, 1, r.serial, 1, words(1, 2, 1, many)) },
		"event":      func(request) []byte { return frame(wireLifecycle, 2, 0, 0, words(100, many)) },
		"another":    func(r request) []byte { return frame(wireXML, 1, r.serial, 0, appendString(nil, "<domain/>")) },
		"unasked":    func(request) []byte { return frame(wireStats, 1, 9999, 0, words(0)) },
		"twice": func(r request) []byte {
			one := frame(r.proc, 1, r.serial, 0, words(0))
			return append(one, one...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(machineNamed(1))
				r := start(t, f, nil)
				f.set(func() {
					f.override = func(c *fakeConn, q request) bool {
						if q.proc == wireStats && q.body[3] == 0 {
							c.out <- bad(q)
							return true
						}
						return false
					}
				})
				r.after(6 * time.Second)
				r.wantReports(true, false)
				f.set(func() { f.override = nil })
				r.after(2 * time.Minute)
				r.wantReports(true, false, true)
				r.stop()
			})
		})
	}
}

// Events that nobody subscribed to are not looked at, whatever is in them.
//
//	drill libvirt: events that nobody subscribed to, another program's messages
//	shows: nothing: they are not decoded
func TestForeignEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tunable, keepalive = 346, 0x6b656570
		f := newFake(machineNamed(1))
		r := start(t, f, nil)
		f.set(func() {
			for _, c := range f.conns {
				c.out <- frame(tunable, 2, 0, 0, append(appendDomain(words(100), f.domains[0]), words(0x7ffffff0)...))
				other := frame(1, 2, 0, 0, nil)
				copy(other[4:], words(keepalive))
				c.out <- other
			}
		})
		r.after(15 * time.Second)
		r.wantReports(true)
		if r.age("vm1") > 12*time.Second || r.Health().Reconnects != 0 {
			t.Errorf("%v old, %+v", r.age("vm1"), r.Health())
		}
		r.stop()
	})
}

// A daemon that answers with an error is down, but its connection is good.
//
//	drill libvirt: libvirtd answers with an error (access denied)
//	shows: `workload_source_up` 0, one line in the log, the connection is kept
func TestListIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machineNamed(1))
		r := start(t, f, nil)
		f.set(func() {
			f.override = func(c *fakeConn, q request) bool {
				if q.proc == wireStats {
					c.fail(q, 88, "access denied")
				}
				return q.proc == wireStats
			}
		})
		r.after(20 * time.Second)
		r.wantReports(true, false)
		if n := r.log.count("access denied"); n != 1 {
			t.Errorf("told %d times", n)
		}
		f.set(func() { f.override = nil })
		r.after(10 * time.Second)
		r.wantReports(true, false, true)
		if r.Health().Reconnects != 0 {
			t.Error("reconnected")
		}
		r.stop()
	})
}

// A reply that says there are two thousand million domains, and has none.
//
//	drill libvirt: a reply that ends too early
//	shows: `workload_source_up` 0 until the next good one
func TestMalformedList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machineNamed(1))
		r := start(t, f, nil)
		f.set(func() {
			f.override = func(c *fakeConn, q request) bool {
				if q.proc == wireStats {
					c.reply(q, []byte{0, 0})
				}
				return q.proc == wireStats
			}
		})
		r.after(6 * time.Second)
		r.wantReports(true, false)
		f.set(func() { f.override = nil })
		r.after(10 * time.Second)
		r.wantReports(true, false, true)
		r.stop()
	})
}

// drill libvirt: a flood of events: 1000 a second
// shows: each is counted; the list is asked for at most 15 times in that second
func TestEventStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(machinesNamed(50)...)
		r := start(t, f, nil)
		f.seen()
		f.set(func() {
			f.override = func(_ *fakeConn, q request) bool {
				if q.proc == wireStats && q.body[3] == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				return false
			}
		})
		for range 1000 {
			f.tell(0, wireLifecycle, f.domains[0], 3, 0)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		lists := 0
		for _, call := range f.seen() {
			if call == "list" {
				lists++
			}
		}
		if lists > 15 { // A tenth of the time, and the first.
			t.Errorf("%d lists in a second", lists)
		}
		if n := r.Health().Events[EventSuspended]; n != 1000 {
			t.Errorf("%d events counted", n)
		}
		r.stop()
	})
}
