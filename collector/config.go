package collector

import (
	"log/slog"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Config is what a Gatherer needs to know. Every function may be nil: then its
// families are not there.
type Config struct {
	Registry *workload.Registry
	Enabled  Enabled
	// ProcRoot and SysRoot are where the host's procfs and sysfs are mounted.
	ProcRoot, SysRoot string
	// Runtime adds the Go and process collectors and promhttp's own numbers.
	Runtime bool
	// LibvirtCalls is how long calls to libvirt took, by call.
	LibvirtCalls func() map[string]Histogram
	// Unreadable counts, by file, what a source could not read or understand.
	Unreadable func() map[string]uint64
	// Descriptors is how many a source keeps open, and how many it may.
	Descriptors func() (used, limit int64)
	// FilesRead is how many cgroup files were read so far.
	FilesRead func() uint64
	// Lifecycle counts what happened to workloads, and History says what did to
	// those that run. Both are nil when nobody follows them.
	Lifecycle *Lifecycle
	History   History
	// Footprint is what the workloads take of the host's storage; nil when nobody looks.
	Footprint Footprint
	// Now is the clock.
	Now    func() time.Time
	Logger *slog.Logger
}

// Histogram is durations in seconds that a source has counted.
type Histogram struct {
	Count uint64
	Sum   float64
	// Buckets is how many were at most as long as the key.
	Buckets map[float64]uint64
}

func (c *Config) setDefaults() {
	if c.Enabled == nil {
		c.Enabled = All()
	}
	if c.ProcRoot == "" {
		c.ProcRoot = "/proc"
	}
	if c.SysRoot == "" {
		c.SysRoot = "/sys"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}
