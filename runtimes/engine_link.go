package runtimes

import (
	"errors"
	"io/fs"
)

// engineLink is what was last said of an engine, so that each change is told once.
type engineLink int

const (
	engineUnknown engineLink = iota
	engineAbsent
	engineForbidden
	engineDown
	engineUp
)

func (e *Engine) up() {
	e.cfg.Reporter.Report(e.cfg.Runtime, true)
	if e.link != engineUp {
		e.cfg.Logger.Info("Following the container engine", "socket", e.socket())
	}
	e.link, e.answered = engineUp, true
}

// down tells of an engine that is not heard. A usual socket that is not there,
// or not for this user, is no source that fails: most hosts have one engine, and
// an exporter without privileges may use none. One that was asked for by name,
// or was heard before, is.
func (e *Engine) down(err error) {
	link := engineDown
	switch {
	case errors.Is(err, fs.ErrNotExist):
		link = engineAbsent
	case errors.Is(err, fs.ErrPermission):
		link = engineForbidden
	}
	optional := e.cfg.Socket == "" && !e.answered
	if link == engineDown || !optional {
		e.cfg.Reporter.Report(e.cfg.Runtime, false)
	}
	if link == e.link {
		return
	}
	e.link = link
	switch {
	case link == engineAbsent && optional:
		e.cfg.Logger.Info("Container engine not found", "socket", e.socket())
	case link == engineForbidden && optional:
		e.cfg.Logger.Info("Container engine is not for this user; exit codes and stops are unknown", "socket", e.socket())
	default:
		e.cfg.Logger.Warn("Container engine does not answer", "err", err)
	}
}
