package runtimes

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/retry"
	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// systemdSource is how durations name who told, and the name of the source.
	systemdSource = "systemd"
	// processSource is who tells when a unit's stamp is not to be had.
	processSource = "process"

	// systemdPoll is how often a unit that is starting is asked for: its stamps
	// are exact, so it may be told late.
	systemdPoll = time.Second
	// systemdPatience is for how long.
	systemdPatience = 10 * time.Minute
	// maxAsked is how many runs may wait to be asked for.
	maxAsked = 16384
)

// SystemdConfig is what a Systemd needs to know. Oldest, Events and Reporter are required.
type SystemdConfig struct {
	// Socket is that of the system bus. Nobody is asked if it is empty, and
	// there are only processes to go by.
	Socket string
	// Oldest is when the oldest process in a group started, on CLOCK_BOOTTIME.
	Oldest func(cgroup string) (time.Duration, bool)
	Events workload.Events
	// Reporter is told whether systemd answers.
	Reporter interface{ Report(source string, up bool) }
	Logger   *slog.Logger
}

// Systemd tells when runs began that were there before anybody looked, and when
// units of Type=notify are ready. It is told of runs as workload.Events, and asks
// for them in the background.
type Systemd struct {
	cfg   SystemdConfig
	clock stampClock

	mu sync.Mutex
	// asked is the runs that are to be asked for, by their cgroup, and ended
	// those that have ended.
	asked map[string]*asked
	ended []workload.Event
	wake  chan struct{}

	// The rest is Run's alone.
	bus       *bus
	connected time.Duration
	wait      retry.Backoff
	// again is when to connect, pinged when it was last heard.
	again, pinged time.Duration
	link          systemdLink
	timeout       time.Duration
}

// asked is a run that is to be asked for.
type asked struct {
	event workload.Event
	// due is when it is to be asked for next, until how long.
	due, until time.Duration
	// began is set once its beginning was told, starting once it was seen not to be ready.
	began, starting bool
}

// systemdLink is what was last said of the bus, so that each change is told once.
type systemdLink int

const (
	systemdUnknown systemdLink = iota
	systemdDown
	systemdUp
)

// NewSystemd returns a Systemd that asks nobody until Run is called.
func NewSystemd(cfg SystemdConfig) *Systemd {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Systemd{
		cfg: cfg, clock: newStampClock(), timeout: busTimeout,
		asked: map[string]*asked{}, wake: make(chan struct{}, 1),
	}
}

// Happened implements workload.Events. Of what starts before its eyes only a
// service may tell when it is ready; of the rest the start was seen.
func (s *Systemd) Happened(e workload.Event) {
	if e.Cgroup == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case workload.EventPopulated:
		if e.Witness == workload.Witnessed && !strings.HasSuffix(e.Cgroup, ".service") || len(s.asked) >= maxAsked {
			return
		}
		s.asked[e.Cgroup] = &asked{event: e, until: e.When + systemdPatience}
		s.nudge()
	case workload.EventEmpty, workload.EventRemoved:
		delete(s.asked, e.Cgroup)
		if e.Kind == workload.EventEmpty && e.Witness == workload.Witnessed && strings.HasSuffix(e.Cgroup, ".service") && len(s.ended) < maxAsked {
			s.ended = append(s.ended, e)
			s.nudge()
		}
	}
}

func (s *Systemd) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run asks until ctx ends. It leaves nothing running.
func (s *Systemd) Run(ctx context.Context) error {
	defer func() { s.hangUp() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		s.step(ctx)
		timer.Reset(s.next() - s.clock.boot())
	}
}

// step does what is due.
func (s *Systemd) step(ctx context.Context) {
	now := s.clock.boot()
	switch {
	case s.cfg.Socket == "":
	case s.bus == nil && now >= s.again:
		s.connect(ctx)
	case s.bus != nil && now-s.pinged >= pingAfter:
		// One that hangs is as silent as one that has nothing to say.
		s.heard(ctx, s.bus.ping(ctx, s.timeout))
	}
	// First the ends: systemd soon forgets a unit that has stopped.
	for _, e := range s.stopped() {
		if s.bus == nil || ctx.Err() != nil {
			break
		}
		s.askEnd(ctx, e)
	}
	for _, a := range s.due(now) {
		if ctx.Err() != nil {
			return
		}
		s.ask(ctx, a)
	}
}

// due is the runs that are to be asked for by now.
func (s *Systemd) due(now time.Duration) []*asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*asked
	for cgroup, a := range s.asked {
		if now > a.until {
			delete(s.asked, cgroup)
		} else if a.due <= now {
			list = append(list, a)
		}
	}
	return list
}

// stopped is the runs that have ended since.
func (s *Systemd) stopped() []workload.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.ended
	s.ended = nil
	return list
}

// next is when there is something to do again.
func (s *Systemd) next() time.Duration {
	next := s.clock.boot() + time.Hour
	switch {
	case s.cfg.Socket == "":
	case s.bus == nil:
		next = s.again
	default:
		next = s.pinged + pingAfter
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		next = min(next, a.due)
	}
	return next
}

// done is told of a run that is not to be asked for any more.
func (s *Systemd) done(a *asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked[a.event.Cgroup] == a {
		delete(s.asked, a.event.Cgroup)
	}
}

func (s *Systemd) connect(ctx context.Context) {
	b, err := dialBus(ctx, s.cfg.Socket, s.timeout)
	if err == nil {
		err = b.ping(ctx, s.timeout)
		s.bus = b
	}
	s.connected = s.clock.boot()
	s.heard(ctx, err)
}

// heard takes what came of asking systemd.
func (s *Systemd) heard(ctx context.Context, err error) {
	now := s.clock.boot()
	s.pinged = now
	switch {
	case ctx.Err() != nil:
	case err == nil:
		s.cfg.Reporter.Report(systemdSource, true)
		if s.link != systemdUp {
			s.cfg.Logger.Info("Asking systemd for the starts of units", "socket", s.cfg.Socket)
		}
		s.link = systemdUp
	default:
		s.cfg.Reporter.Report(systemdSource, false)
		switch {
		case s.link == systemdDown:
		case s.link == systemdUnknown && errors.Is(err, fs.ErrNotExist):
			s.cfg.Logger.Info("System bus not found; starts from before are from processes", "socket", s.cfg.Socket)
		default:
			s.cfg.Logger.Warn("Systemd does not answer; starts from before are from processes", "err", err)
		}
		s.link = systemdDown
		s.hangUp()
		if now-s.connected > retry.Longest {
			s.wait = retry.Backoff{}
		}
		s.again = now + s.wait.Next()
	}
}

func (s *Systemd) hangUp() {
	if s.bus != nil {
		s.bus.close()
		s.bus = nil
	}
}
