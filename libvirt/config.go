package libvirt

import (
	"log/slog"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// SourceName is how this source calls itself when it reports.
const SourceName = "libvirt"

// Registry is the part of workload.Registry that is written to.
type Registry interface {
	SetMachines(machines []workload.Machine)
	Report(source string, up bool)
}

// Config is what a Source needs to know. Registry is required; everything else
// has a default.
type Config struct {
	// Socket is libvirt's socket. Empty: the first of virtqemud-sock-ro,
	// libvirt-sock-ro, virtqemud-sock and libvirt-sock in RunDir that answers.
	Socket string
	// RunDir is where sockets are looked for: /run/libvirt.
	RunDir string
	// URI names the driver to the daemon: qemu:///system.
	URI string

	// Interval is the time between two lists of what runs, events aside: 5 s.
	Interval time.Duration
	// GuestInterval is the least time between two monitor calls to one domain: 10 s.
	GuestInterval time.Duration
	// ConnectTimeout ends a connection attempt, handshake included: 5 s.
	ConnectTimeout time.Duration
	// CallTimeout is how long the daemon may take to answer what it can answer
	// by itself, before it counts as frozen and the connection is cut: 2 s.
	CallTimeout time.Duration
	// MonitorTimeout is when a domain that has not answered is quarantined: 2 s.
	// Its call is left pending, since the daemon cannot be made to give it up.
	MonitorTimeout time.Duration
	// IdleAfter is how long nobody need scrape for guests to be left alone: 5 min.
	IdleAfter time.Duration
	// StatsMaxAge is when a machine's counters are no longer passed on: 5 min.
	// Its configured sizes stay.
	StatsMaxAge time.Duration

	Registry Registry
	// CgroupOf maps QEMU's PID to a cgroup path. Nil: no machine has one.
	CgroupOf func(pid int) (string, error)
	// PIDDir holds QEMU's NAME.pid files: /run/libvirt/qemu.
	PIDDir string
	// OnEvent is told of each event, one at a time and in the order in which
	// libvirt sent those of one kind, before the Registry has the list that
	// the event brings about. It must not block. May be nil.
	OnEvent func(Event)
	// Booting says whether somebody waits for a machine's agent. Of those it is
	// found out, after each (re)connection, whether it came in the meantime. May be nil.
	Booting func(uuid string) bool

	Logger *slog.Logger
	// Now is the clock that stamps events and numbers.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	setDefault(&c.RunDir, "/run/libvirt")
	setDefault(&c.URI, "qemu:///system")
	setDefault(&c.PIDDir, "/run/libvirt/qemu")
	setDefault(&c.Interval, 5*time.Second)
	setDefault(&c.GuestInterval, 10*time.Second)
	setDefault(&c.ConnectTimeout, 5*time.Second)
	setDefault(&c.CallTimeout, 2*time.Second)
	setDefault(&c.MonitorTimeout, 2*time.Second)
	setDefault(&c.IdleAfter, 5*time.Minute)
	setDefault(&c.StatsMaxAge, 5*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}
