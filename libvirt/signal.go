package libvirt

import (
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Signal is the event in the words that all sources share, heard at a time on
// CLOCK_BOOTTIME. False: it says nothing of a start or an end. RESUMED is such:
// libvirt sends it before each STARTED, and after each pause.
func (e Event) Signal(heard time.Duration) (workload.Event, bool) {
	w := workload.Event{
		When: heard, Source: SourceName, Detail: e.Detail,
		Identity: workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: e.UUID, Name: e.Name},
		Domain:   workload.Domain{Driver: "qemu", ID: e.DomainID},
	}
	switch e.Kind {
	case EventStarted:
		w.Kind = workload.EventStarted
	case EventShutdown:
		w.Kind = workload.EventShutdown
	case EventStopped:
		w.Kind = workload.EventStopped
	case EventReboot:
		w.Kind = workload.EventReboot
	case EventAgentConnected:
		w.Kind = workload.EventAgent
		switch e.Detail {
		case "domain started":
			// The channel is there; nobody in the guest has opened it.
			return workload.Event{}, false
		case foundAgent:
			w.Witness = workload.Adopted
		}
	case EventResynced:
		return workload.Event{Kind: workload.EventResynced, When: heard, Source: SourceName}, true
	default:
		return workload.Event{}, false
	}
	return w, true
}
