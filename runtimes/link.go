package runtimes

import (
	"errors"
	"io/fs"
	"log/slog"
)

// Reporter is told whether a source answers.
type Reporter interface{ Report(source string, up bool) }

// link is what was last said of a runtime, so that each change is told once.
type link struct {
	source string
	// named is set where the socket was asked for by name.
	named    bool
	reporter Reporter
	logger   *slog.Logger

	last linkState
	// answered is set once the runtime was heard.
	answered bool
}

type linkState int

const (
	linkUnknown linkState = iota
	linkAbsent
	linkForbidden
	linkDown
	linkUp
)

func (l *link) up(socket string) {
	l.reporter.Report(l.source, true)
	if l.last != linkUp {
		l.logger.Info("Following the runtime", "socket", socket)
	}
	l.last, l.answered = linkUp, true
}

// down tells of a runtime that is not heard, and whether it is worth while to
// wait for it. A usual socket that is not there, or not for this user, is no
// source that fails: most hosts have few of the runtimes, and an exporter without
// privileges may use none. One that was asked for by name, or was heard before, is.
func (l *link) down(socket string, err error) (hope bool) {
	state := linkDown
	switch {
	case errors.Is(err, fs.ErrNotExist):
		state = linkAbsent
	case errors.Is(err, fs.ErrPermission):
		state = linkForbidden
	}
	optional := !l.named && !l.answered
	if state == linkDown || !optional {
		l.reporter.Report(l.source, false)
	}
	if state != l.last {
		l.last = state
		switch {
		case state == linkAbsent && optional:
			l.logger.Debug("Runtime not found", "socket", socket)
		case state == linkForbidden && optional:
			l.logger.Info("Runtime is not for this user; what only it knows is unknown", "socket", socket)
		default:
			l.logger.Warn("Runtime does not answer", "err", err)
		}
	}
	return state == linkDown
}
