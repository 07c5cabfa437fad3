package runtimes

import (
	"bytes"
	"cmp"
	"strings"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// guestMessage is what a guest's systemd says at once: lines of KEY=VALUE, as
// for sd_notify. What is not known here is left out.
type guestMessage struct {
	ready bool
	// speaks is set if it told anything of its units: systemd 256 and later do.
	speaks bool
	// active and inactive are the units that have just become so.
	active, inactive []string
	// shutdown is what it goes down for: "poweroff", "reboot", "halt", "kexec".
	shutdown string
}

// maxUnits is how many units one message may name; systemd names one.
const maxUnits = 8

func parseGuestMessage(b []byte) guestMessage {
	var m guestMessage
	for line := range bytes.Lines(b) {
		key, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte("="))
		if !ok {
			continue
		}
		if bytes.HasPrefix(key, []byte("X_SYSTEMD_")) {
			m.speaks = true
		}
		switch string(key) {
		case "READY":
			m.ready = m.ready || string(value) == "1"
		case "X_SYSTEMD_UNIT_ACTIVE":
			m.active = oneMore(m.active, value)
		case "X_SYSTEMD_UNIT_INACTIVE":
			m.inactive = oneMore(m.inactive, value)
		case "X_SYSTEMD_SHUTDOWN":
			switch string(value) {
			case "poweroff", "reboot", "halt", "kexec":
				m.shutdown = string(value)
			}
		}
	}
	return m
}

func oneMore(list []string, name []byte) []string {
	if len(list) < maxUnits {
		list = append(list, string(name))
	}
	return list
}

// The targets that tell how far a guest is.
const (
	targetFirst = "sysinit.target"
	targetUp    = "basic.target"
	targetReady = "multi-user.target"
)

// goingDown is what a target is for in which a guest ends. The word for it,
// X_SYSTEMD_SHUTDOWN, comes later and not always.
func goingDown(target string) string {
	switch target {
	case "poweroff.target", "reboot.target", "halt.target", "kexec.target":
		return strings.TrimSuffix(target, ".target")
	}
	return ""
}

// guestBoot is how far one boot of a guest is, as far as it has told.
type guestBoot struct {
	speaks, finished, multiUser, told bool
	// ended is set once it has told that it goes down, which may be told twice.
	ended bool
	// left is when it began to leave what it is there for.
	left time.Duration
}

// heard takes a message that came at a time, and returns what it amounts to.
func (g *guestBoot) heard(m guestMessage, when time.Duration) []workload.Event {
	var events []workload.Event
	tell := func(kind workload.EventKind, when time.Duration, detail string) {
		events = append(events, workload.Event{Kind: kind, When: when, Detail: detail})
	}
	g.speaks = g.speaks || m.speaks
	shutdown := m.shutdown
	for _, name := range m.active {
		shutdown = cmp.Or(shutdown, goingDown(name))
		switch name {
		case targetFirst:
			*g = guestBoot{speaks: true}
		case targetUp:
			tell(workload.EventGuestUp, when, "")
		case targetReady:
			g.multiUser, g.left = true, 0
		}
	}
	for _, name := range m.inactive {
		if name == targetReady {
			g.multiUser, g.left = false, when
		}
	}
	g.finished = g.finished || m.ready
	// A boot that ended in the emergency shell is finished as well. Before
	// version 256 that is all that is told.
	if g.finished && (g.multiUser || !g.speaks) && !g.told {
		g.told = true
		tell(workload.EventReady, when, "")
	}
	if m.ready {
		g.ended = false
	}
	if shutdown != "" && !g.ended {
		since := when
		if g.left > 0 {
			since = g.left
		}
		*g = guestBoot{speaks: g.speaks, ended: true}
		tell(workload.EventGuestStops, since, shutdown)
	}
	return events
}
