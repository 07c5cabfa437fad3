package libvirt

import (
	"context"
	"time"

	"github.com/digitalocean/go-libvirt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// EventKind is what happened.
type EventKind string

// The kinds of events. The last is not libvirt's.
const (
	EventDefined           EventKind = "defined"
	EventUndefined         EventKind = "undefined"
	EventStarted           EventKind = "started"
	EventSuspended         EventKind = "suspended"
	EventResumed           EventKind = "resumed"
	EventStopped           EventKind = "stopped"
	EventShutdown          EventKind = "shutdown"
	EventPMSuspended       EventKind = "pmsuspended"
	EventCrashed           EventKind = "crashed"
	EventReboot            EventKind = "reboot"
	EventAgentConnected    EventKind = "agent_connected"
	EventAgentDisconnected EventKind = "agent_disconnected"
	EventUnknown           EventKind = "unknown"
	// EventResynced has no domain. It follows each (re)connection, when the
	// Registry has the new list: what happened before it may have been missed.
	EventResynced EventKind = "resynced"
)

// Event is something that libvirt told of a domain. Messages carry no time of
// their own: Received is all there is.
type Event struct {
	UUID string
	Name string
	// DomainID is -1 in the stop of a domain that was destroyed: go by UUID.
	DomainID int
	Kind     EventKind
	// Detail is libvirt's own word for the cause ("booted", "destroyed", "guest").
	Detail   string
	Received time.Time
}

// subscribe has events told to OnEvent, and changed nudged after each of them,
// for as long as the connection lasts.
func (s *Source) subscribe(ctx context.Context, c *conn, changed chan<- struct{}) error {
	for _, id := range []libvirt.DomainEventID{libvirt.DomainEventIDLifecycle, libvirt.DomainEventIDReboot, libvirt.DomainEventIDAgentLifecycle} {
		_, err := call(ctx, c, procSubscribe, s.cfg.CallTimeout, func(l *libvirt.Libvirt) (struct{}, error) {
			stream, err := l.SubscribeEvents(c.ctx, id, nil)
			if err != nil {
				return struct{}{}, err
			}
			// Here and not by the caller, who may have given up: the library's
			// goroutine ends only when the channel is read until it closes.
			c.work.Go(func() {
				for message := range stream {
					if e, ok := parseEvent(message); ok {
						s.heard(e)
						nudge(changed)
					}
				}
			})
			return struct{}{}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) heard(e Event) {
	e.Received = s.cfg.Now()
	s.health.event(e.Kind)
	if s.cfg.OnEvent != nil {
		s.telling.Lock()
		defer s.telling.Unlock()
		s.cfg.OnEvent(e)
	}
}

// resynced tells that the list is new.
func (s *Source) resynced() {
	s.health.session()
	s.heard(Event{Kind: EventResynced})
}

// parseEvent turns one of the library's messages into an Event.
func parseEvent(message any) (Event, bool) {
	switch m := message.(type) {
	case *libvirt.DomainEventCallbackLifecycleMsg:
		kind, detail := lifecycleEvent(m.Msg.Event, m.Msg.Detail)
		return newEvent(m.Msg.Dom, kind, detail), true
	case *libvirt.DomainEventCallbackRebootMsg:
		return newEvent(m.Msg.Dom, EventReboot, ""), true
	case *libvirt.DomainEventCallbackAgentLifecycleMsg:
		kind := EventUnknown
		switch m.State {
		case 1:
			kind = EventAgentConnected
		case 2:
			kind = EventAgentDisconnected
		}
		return newEvent(m.Dom, kind, word(m.Reason, "", "domain started", "channel")), true
	}
	return Event{}, false
}

func newEvent(d libvirt.Domain, kind EventKind, detail string) Event {
	return Event{UUID: formatUUID(d.UUID), Name: workload.Clean(d.Name), DomainID: int(d.ID), Kind: kind, Detail: detail}
}

// lifecycleEvent is virDomainEventType and the detail enumeration of each.
func lifecycleEvent(event, detail int32) (EventKind, string) {
	switch event {
	case 0:
		return EventDefined, word(detail, "added", "updated", "renamed", "snapshot")
	case 1:
		return EventUndefined, word(detail, "removed", "renamed")
	case 2:
		return EventStarted, word(detail, "booted", "migrated", "restored", "snapshot", "wakeup")
	case 3:
		return EventSuspended, word(detail, "paused", "migrated", "ioerror", "watchdog", "restored", "snapshot", "api_error", "postcopy", "postcopy_failed")
	case 4:
		return EventResumed, word(detail, "unpaused", "migrated", "snapshot", "postcopy", "postcopy_failed")
	case 5:
		return EventStopped, word(detail, "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot")
	case 6:
		return EventShutdown, word(detail, "finished", "guest", "host")
	case 7:
		return EventPMSuspended, word(detail, "memory", "disk")
	case 8:
		return EventCrashed, word(detail, "panicked", "crashloaded")
	}
	return EventUnknown, ""
}

func word(n int32, words ...string) string {
	if n < 0 || int(n) >= len(words) {
		return ""
	}
	return words[n]
}
