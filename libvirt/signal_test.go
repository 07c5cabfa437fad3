package libvirt

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestSignal(t *testing.T) {
	for _, tt := range []struct {
		kind   EventKind
		detail string
		want   workload.EventKind
	}{
		{EventStarted, "booted", workload.EventStarted},
		{EventShutdown, "guest", workload.EventShutdown},
		{EventStopped, "destroyed", workload.EventStopped},
		{EventReboot, "", workload.EventReboot},
		{EventAgentConnected, "channel", workload.EventAgent},
		{EventAgentConnected, "domain started", ""},
		{EventAgentConnected, "found", workload.EventAgent},
		{EventAgentDisconnected, "channel", ""},
		{EventResumed, "unpaused", ""},
		{EventSuspended, "paused", ""},
		{EventDefined, "added", ""},
		{EventCrashed, "panicked", ""},
		{EventUnknown, "", ""},
	} {
		e := Event{UUID: "u", Name: "n", DomainID: 7, Kind: tt.kind, Detail: tt.detail}
		want := workload.Event{
			Kind: tt.want, When: time.Minute, Source: "libvirt", Detail: tt.detail,
			Identity: workload.Identity{Kind: workload.KindVM, Runtime: "libvirt", ID: "u", Name: "n"},
			Domain:   workload.Domain{Driver: "qemu", ID: 7},
		}
		if tt.detail == "found" {
			want.Witness = workload.Adopted
		}
		if tt.want == "" {
			want = workload.Event{}
		}
		got, ok := e.Signal(time.Minute)
		if diff := cmp.Diff(want, got); diff != "" || ok != (tt.want != "") {
			t.Errorf("%s %s: %v (-want +got):\n%s", tt.kind, tt.detail, ok, diff)
		}
	}
	got, ok := (&Event{Kind: EventResynced}).Signal(time.Minute)
	if want := (workload.Event{Kind: workload.EventResynced, When: time.Minute, Source: "libvirt"}); !ok || got != want {
		t.Errorf("resynced: %+v", got)
	}
}
