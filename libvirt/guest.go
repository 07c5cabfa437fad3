package libvirt

import (
	"log/slog"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// call asks QEMU for one guest's numbers. NOWAIT only means not to wait for
// somebody else's call: the first one to a stuck QEMU waits for ever.
func (p *poller) call(l *lane, r run) {
	s := p.s
	handle, ok := s.guests.begin(r, time.Now())
	if !ok {
		return
	}
	l.busy++
	s.health.pend(1)
	l.conn.work.Go(func() {
		defer func() { p.done <- l }()
		defer s.health.pend(-1)
		patience := time.AfterFunc(s.cfg.MonitorTimeout, func() {
			s.guests.expire(r)
			nudge(s.wake)
		})
		defer patience.Stop()
		records, err := wait(l.conn, procGuest, func(client *libvirt.Libvirt) ([]libvirt.DomainStatsRecord, error) {
			return client.ConnectGetAllDomainStats([]libvirt.Domain{handle},
				uint32(libvirt.DomainStatsVCPU|libvirt.DomainStatsBalloon|libvirt.DomainStatsCPUTotal),
				uint32(libvirt.ConnectGetAllDomainsStatsActive|libvirt.ConnectGetAllDomainsStatsNowait))
		})
		stats := s.statsOf(handle, records, err)
		if stats != nil && s.guests.unknown(r) && patience.Stop() {
			patience.Reset(s.cfg.MonitorTimeout)
			s.describe(l.conn, handle, r)
		}
		if stats != nil && s.guests.wanted(r) && patience.Stop() {
			// A second call has its own time, and the same quarantine.
			patience.Reset(s.cfg.MonitorTimeout)
			if disks, err := s.disks(l.conn, handle); err == nil {
				s.guests.grant(r, disks)
			}
		}
		if s.guests.answer(r, stats, time.Now()) {
			nudge(s.wake)
		}
	})
}

// definition is a domain's XML, without secrets. It waits for the domain's lock.
func definition(c *conn, handle libvirt.Domain) (string, error) {
	return wait(c, procXML, func(l *libvirt.Libvirt) (string, error) { return l.DomainGetXMLDesc(handle, 0) })
}

// describe reads a domain's definition, once a run: what Nova notes there is of
// its making.
func (s *Source) describe(c *conn, handle libvirt.Domain, r run) {
	text, err := definition(c, handle)
	if err != nil {
		// It is asked for again with the next numbers.
		return
	}
	if len(text) > definitionMax {
		s.cfg.Logger.Warn("libvirt domain has too long a definition", slog.String("uuid", r.uuid), slog.Int("bytes", len(text)))
	}
	s.guests.describe(r, parseOpenStack(text))
}

// statsOf is the numbers in a reply, nil if there are none: the daemon leaves
// out a domain that ended, and one that came back meanwhile is another run.
func (s *Source) statsOf(handle libvirt.Domain, records []libvirt.DomainStatsRecord, err error) *workload.MachineStats {
	if err != nil {
		return nil
	}
	for i := range records {
		if d := &records[i].Dom; d.UUID == handle.UUID && d.ID == handle.ID {
			stats := parseStats(records[i].Params)
			stats.Updated = s.cfg.Now()
			return &stats
		}
	}
	return nil
}

// ask has the daemon say whether a suspect's monitor is in order. It answers
// without asking QEMU.
func (p *poller) ask(r run, now time.Time) {
	s := p.s
	handle, ok := s.guests.question(r, now)
	if !ok {
		return
	}
	p.asking = true
	c := p.lanes[0].conn
	c.work.Go(func() {
		defer func() { p.asked <- struct{}{} }()
		state, err := wait(c, procControl, func(client *libvirt.Libvirt) (uint32, error) {
			state, _, _, err := client.DomainGetControlInfo(handle, 0)
			return state, err
		})
		if err == nil && state == uint32(libvirt.DomainControlOk) {
			s.guests.clear(r, time.Now())
		}
	})
}
