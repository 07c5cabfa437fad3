package collector

import (
	"errors"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// host is one reading of the machine that everything runs on. What is nil is
// not known.
type host struct {
	proc string
	topo topology

	threads, cores *float64
	cpu            *float64
	total, free    *float64
	pressure       map[string]procfs.PSIStats
}

func newHost(procRoot, sysRoot string) *host {
	return &host{proc: procRoot, topo: topology{root: sysRoot}}
}

// read fills h anew. Each file fails for itself.
func (h *host) read() error {
	h.threads, h.cores, h.cpu, h.total, h.free, h.pressure = nil, nil, nil, nil, nil, map[string]procfs.PSIStats{}
	proc, err := procfs.NewFS(h.proc)
	if err != nil {
		return err
	}
	return errors.Join(h.readCPU(proc), h.readMemory(proc), h.readPressure(proc))
}

func (h *host) readCPU(proc procfs.FS) error {
	stat, err := proc.Stat()
	if err != nil {
		return err
	}
	c := stat.CPUTotal
	// The kernel counts guest time in user, and guest_nice in nice. Stolen time
	// is in, as it is in the usage of the root cgroup.
	used := c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal
	threads := float64(len(stat.CPU))
	h.cpu, h.threads = &used, &threads
	cores, err := h.topo.cores()
	if cores > 0 {
		n := float64(cores)
		h.cores = &n
	}
	return err
}

func (h *host) readMemory(proc procfs.FS) error {
	mem, err := proc.Meminfo()
	if err != nil {
		return err
	}
	h.total, h.free = float(mem.MemTotalBytes), float(mem.MemAvailableBytes)
	return nil
}

func (h *host) readPressure(proc procfs.FS) error {
	var errs []error
	for _, resource := range []string{"cpu", "memory", "io"} {
		stats, err := proc.PSIStatsForResource(resource)
		switch {
		case err == nil:
			h.pressure[resource] = stats
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EOPNOTSUPP):
			// Not built in, or psi=0: nothing is wrong.
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func float(n *uint64) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

// hostCollector exposes what the scrape read of the host, and how many
// workloads it met. It collects under the Gatherer's lock.
type hostCollector struct{ gatherer *Gatherer }

// Describe implements prometheus.Collector.
func (*hostCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		hostWorkloadsDesc, hostCoresDesc, hostThreadsDesc, hostCPUDesc, hostMemoryDesc, hostAvailableDesc,
	} {
		ch <- d
	}
	for _, d := range hostPressureDescs {
		ch <- d.waiting
		ch <- d.stalled
	}
}

// Collect implements prometheus.Collector.
func (c *hostCollector) Collect(ch chan<- prometheus.Metric) {
	p, h := c.gatherer.page, c.gatherer.host
	for who, t := range p.tallies {
		ch <- prometheus.MustNewConstMetric(hostWorkloadsDesc, prometheus.GaugeValue, float64(t.running), who.kind, who.runtime, "running")
		ch <- prometheus.MustNewConstMetric(hostWorkloadsDesc, prometheus.GaugeValue, float64(t.paused), who.kind, who.runtime, "paused")
	}
	known := func(d *prometheus.Desc, t prometheus.ValueType, v *float64) {
		if v != nil {
			ch <- prometheus.MustNewConstMetric(d, t, *v) //nolint:promlinter // It cannot follow d; TestLint does.
		}
	}
	known(hostCoresDesc, prometheus.GaugeValue, h.cores)
	known(hostThreadsDesc, prometheus.GaugeValue, h.threads)
	known(hostCPUDesc, prometheus.CounterValue, h.cpu)
	known(hostMemoryDesc, prometheus.GaugeValue, h.total)
	known(hostAvailableDesc, prometheus.GaugeValue, h.free)
	for resource, stats := range h.pressure {
		d := hostPressureDescs[resource]
		known(d.waiting, prometheus.CounterValue, stalled(stats.Some))
		known(d.stalled, prometheus.CounterValue, stalled(stats.Full))
	}
}

// stalled is a PSI line's total in seconds.
func stalled(line *procfs.PSILine) *float64 {
	if line == nil {
		return nil
	}
	seconds := float64(line.Total) / 1e6
	return &seconds
}
