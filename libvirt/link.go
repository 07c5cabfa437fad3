package libvirt

import (
	"errors"
	"log/slog"
)

// link is what was last said of the daemon, so that each change is told once.
type link int

const (
	linkUnknown link = iota
	linkAbsent
	linkDown
	linkUp
)

// up tells of a daemon that answers.
func (s *Source) up(socket string) {
	s.cfg.Registry.Report(SourceName, true)
	if s.link != linkUp {
		s.cfg.Logger.Info("libvirt connected", slog.String("socket", socket), slog.Int("domains", len(s.listed)))
	}
	s.link = linkUp
	s.health.connected(true)
}

// down tells of a daemon that does not answer. A host without a socket may well
// have no libvirt at all: that is no reason for a warning, but it is said, and
// whoever knows that there is none switches the source off.
func (s *Source) down(err error) {
	s.health.connected(false)
	s.cfg.Registry.Report(SourceName, false)
	if errors.Is(err, errNoSocket) && !s.seen && s.cfg.Socket == "" {
		if s.link != linkAbsent {
			s.cfg.Logger.Info("libvirt not found", slog.String("run_dir", s.cfg.RunDir))
		}
		s.link = linkAbsent
		return
	}
	if s.link != linkDown {
		s.cfg.Logger.Warn("libvirt does not answer", slog.Any("err", err))
	}
	s.link = linkDown
}
