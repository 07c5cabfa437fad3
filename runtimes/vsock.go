package runtimes

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/retry"
	"github.com/workload-exporter/workload_exporter/workload"
)

// vsockSource is how durations and source_up name who told.
const vsockSource = "vsock"

// GuestsConfig is what Guests needs to know. Find, Events and Reporter are required.
type GuestsConfig struct {
	Port uint32
	// Find is the UUID and the name of the machine with a number on AF_VSOCK.
	Find     func(cid uint32) (uuid, name string, ok bool)
	Events   workload.Events
	Reporter interface{ Report(source string, up bool) }
	Logger   *slog.Logger
}

// Guests listens on AF_VSOCK to what the systemd of guests tells of their boot.
// The kernel vouches for who speaks, and for nothing that is said.
type Guests struct {
	cfg  GuestsConfig
	down bool
	// boots is how far each guest is, and heard what is to be made of what came.
	boots map[string]*guestBoot
	heard chan talk

	mu sync.Mutex
	// talking is how many connections each number has open.
	talking map[uint32]int
	all     int

	// What tests put their own in for.
	listen  func(port uint32) (net.Listener, error)
	peer    func(net.Conn) (cid, port uint32, ok bool)
	clock   func() time.Duration
	pause   func(ctx context.Context, d time.Duration)
	patient time.Duration
}

// talk is what came from one connection.
type talk struct {
	cid, port uint32
	when      time.Duration
	text      []byte
	err       error
}

const (
	// maxMessage is what sd_notify takes.
	maxMessage = 4 << 10
	// patience is how long a guest may take to say what it has to. It waits
	// for us to close, and does nothing else until then.
	patience = time.Second
	// maxTalking is how many connections there may be at once, maxEach from one guest.
	maxTalking, maxEach = 256, 8
	// maxBoots is how many guests are remembered.
	maxBoots = 4096
	// privileged ports are for root: in a guest nobody else speaks for it.
	privileged = 1024
)

// NewGuests returns Guests that do nothing until Run is called.
func NewGuests(cfg GuestsConfig) *Guests {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Guests{
		cfg: cfg, boots: map[string]*guestBoot{}, heard: make(chan talk), talking: map[uint32]int{},
		listen: func(port uint32) (net.Listener, error) {
			// Not on the host's own number, which is there only while vhost_vsock is loaded.
			return vsock.ListenContextID(unix.VMADDR_CID_ANY, port, nil)
		},
		peer: vsockPeer, clock: workload.Boottime, pause: retry.Pause, patient: patience,
	}
}

func vsockPeer(c net.Conn) (cid, port uint32, ok bool) {
	a, ok := c.RemoteAddr().(*vsock.Addr)
	if !ok {
		return 0, 0, false
	}
	return a.ContextID, a.Port, true
}

// Run listens, and listens again, until ctx ends. It leaves nothing running.
func (g *Guests) Run(ctx context.Context) error {
	var wait retry.Backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := g.serve(ctx)
		if ctx.Err() != nil {
			break
		}
		g.cfg.Reporter.Report(vsockSource, false)
		if !g.down {
			g.cfg.Logger.Warn("Guests cannot be heard", "err", err)
		}
		g.down = true
		if time.Since(began) > retry.Longest {
			wait = retry.Backoff{}
		}
		g.pause(ctx, wait.Next())
	}
	return nil
}

func (g *Guests) serve(ctx context.Context) error {
	l, err := g.listen(g.cfg.Port)
	if err != nil {
		return fmt.Errorf("--vsock.listen: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var open sync.WaitGroup
	open.Go(func() { <-ctx.Done(); _ = l.Close() })
	open.Go(func() { g.take(ctx) })
	defer open.Wait()
	defer cancel()
	g.cfg.Reporter.Report(vsockSource, true)
	g.down = false
	g.cfg.Logger.Info("Listening to guests", "port", g.cfg.Port)
	for {
		c, err := l.Accept()
		if err != nil {
			return cmp.Or(ctx.Err(), fmt.Errorf("--vsock.listen: %w", err))
		}
		when := g.clock()
		cid, port, ok := g.peer(c)
		if !ok || !g.enter(cid) {
			_ = c.Close()
			continue
		}
		open.Go(func() {
			defer g.leave(cid)
			g.listenTo(ctx, c, talk{cid: cid, port: port, when: when})
		})
	}
}

// enter says whether there is room for one more connection.
func (g *Guests) enter(cid uint32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= maxTalking || g.talking[cid] >= maxEach {
		return false
	}
	g.all++
	g.talking[cid]++
	return true
}

func (g *Guests) leave(cid uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.talking[cid]--; g.talking[cid] == 0 {
		delete(g.talking, cid)
	}
}

// listenTo reads one message and closes. The guest says nothing more until then,
// so what it says stays in order.
func (g *Guests) listenTo(ctx context.Context, c net.Conn, t talk) {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer c.Close()
	t.err = c.SetDeadline(time.Now().Add(g.patient))
	if t.err == nil {
		t.text, t.err = io.ReadAll(io.LimitReader(c, maxMessage+1))
	}
	select {
	case g.heard <- t:
	case <-ctx.Done():
	}
}

// take makes something of what came, one after the other.
func (g *Guests) take(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-g.heard:
			uuid, name, known := g.cfg.Find(t.cid)
			switch {
			case !known || t.port >= privileged:
				g.missed(workload.MissedStranger)
			case t.err != nil, len(t.text) > maxMessage:
				g.missed(workload.MissedGarbled)
			default:
				g.tell(uuid, name, parseGuestMessage(t.text), t.when)
			}
		}
	}
}

func (g *Guests) missed(why string) {
	g.cfg.Events.Happened(workload.Event{Kind: workload.EventMissed, When: g.clock(), Source: vsockSource, Detail: why})
}

// tell says of a guest what its message means.
func (g *Guests) tell(uuid, name string, m guestMessage, when time.Duration) {
	boot := g.boots[uuid]
	if boot == nil {
		if len(g.boots) >= maxBoots {
			clear(g.boots)
		}
		boot = &guestBoot{}
		g.boots[uuid] = boot
	}
	for _, e := range boot.heard(m, when) {
		e.Source = vsockSource
		e.Identity = workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: uuid, Name: name}
		e.Domain = workload.Domain{Driver: "qemu"}
		g.cfg.Events.Happened(e)
	}
}
