package libvirt

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// run is one start of a domain: a new start has a new number.
type run struct {
	uuid string
	id   int
}

// domain is one line of the list of what runs.
type domain struct {
	run
	handle libvirt.Domain
	state  int32
	reason int32
}

// listing is what came of asking for the list.
type listing struct {
	domains []domain
	err     error
}

// list asks for the list of what runs. It costs the daemon well under a
// millisecond for tens of domains and waits for no QEMU's answer.
func (s *Source) list(c *conn) <-chan listing {
	done := make(chan listing, 1)
	c.work.Go(func() {
		records, err := wait(c, procInventory, func(l *libvirt.Libvirt) ([]libvirt.DomainStatsRecord, error) {
			return l.ConnectGetAllDomainStats(nil, uint32(libvirt.DomainStatsState), uint32(libvirt.ConnectGetAllDomainsStatsActive))
		})
		done <- listing{parseInventory(records), err}
	})
	return done
}

// ping asks what any daemon can answer at once, of itself and with a worker
// that it keeps for such questions.
func (s *Source) ping(c *conn) <-chan struct{} {
	done := make(chan struct{}, 1)
	c.work.Go(func() {
		_, _ = wait(c, procPing, func(l *libvirt.Libvirt) ([]libvirt.AuthType, error) { return l.AuthList() })
		done <- struct{}{}
	})
	return done
}

// update takes a new list and tells the Registry.
func (s *Source) update(socket string, list []domain) {
	s.listed = list
	s.guests.list(list, time.Now())
	s.findProcesses()
	s.publish()
	s.up(socket)
	nudge(s.wake)
}

// parseInventory takes what runs from a reply to a STATE request.
func parseInventory(records []libvirt.DomainStatsRecord) []domain {
	list := make([]domain, 0, len(records))
	for _, r := range records {
		if r.Dom.ID < 0 {
			continue // It ended while the list was made.
		}
		d := domain{run: run{formatUUID(r.Dom.UUID), int(r.Dom.ID)}, handle: r.Dom}
		for _, p := range r.Params {
			n, ok := number(p.Value.I).Get()
			if !ok || n > 1<<31-1 {
				continue
			}
			switch p.Field {
			case "state.state":
				d.state = int32(n)
			case "state.reason":
				d.reason = int32(n)
			}
		}
		list = append(list, d)
	}
	return list
}

// starting says that libvirt is still building the machine: QEMU may not yet be
// in its own cgroup.
func (d *domain) starting() bool {
	return d.state == int32(libvirt.DomainPaused) && d.reason == int32(libvirt.DomainPausedStartingUp)
}

// paused says that the guest's CPUs stand still at somebody's wish.
func (d *domain) paused() bool {
	return d.state == int32(libvirt.DomainPaused) && !d.starting() || d.state == int32(libvirt.DomainPmsuspended)
}

// publish tells the Registry what runs and what was last heard of it.
func (s *Source) publish() {
	machines := make([]workload.Machine, len(s.listed))
	oldest := s.cfg.Now().Add(-s.cfg.StatsMaxAge)
	for i := range s.listed {
		d := &s.listed[i]
		m := &machines[i]
		m.UUID, m.Name, m.DomainID, m.Paused = d.uuid, workload.Clean(d.handle.Name), d.id, d.paused()
		if p := s.process[d.run]; p != nil {
			m.PID, m.Cgroup = p.pid, p.cgroup
		}
		m.Stats, m.OpenStack = s.guests.heard(d.run)
		if m.Stats.Updated.Before(oldest) {
			m.Stats = configured(m.Stats)
		}
	}
	s.cfg.Registry.SetMachines(machines)
}

// configured is what does not grow old: a guest that has been silent for long
// still has its size.
func configured(s workload.MachineStats) workload.MachineStats {
	return workload.MachineStats{Updated: s.Updated, VCPUs: s.VCPUs, Maximum: s.Maximum}
}

func formatUUID(u libvirt.UUID) string {
	h := hex.EncodeToString(u[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
