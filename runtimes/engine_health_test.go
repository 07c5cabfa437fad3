package runtimes

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestEngineHealth(t *testing.T) {
	const actor = `"Actor":{"ID":"` + fullID + `","Attributes":{"health_status":"healthy","name":"h"}},"timeNano":1}`
	for _, tt := range []struct {
		line string
		want workload.EventKind
	}{
		{`{"Type":"container","Action":"health_status: healthy",` + actor, workload.EventReady},
		{`{"Type":"container","Action":"health_status: unhealthy",` + actor, workload.EventUnready},
		{`{"Type":"container","Action":"health_status: starting",` + actor, workload.EventUnready},
		{`{"Type":"container","Action":"health_status","HealthStatus":"healthy",` + actor, workload.EventReady},
		{`{"Type":"container","Action":"health_status","HealthStatus":"starting",` + actor, workload.EventUnready},
		{`{"Type":"container","Action":"health_status","HealthStatus":"unhealthy",` + actor, workload.EventUnready},
		// A label of the container is not its health.
		{`{"Type":"container","Action":"health_status",` + actor, ""},
		{`{"Type":"container","Action":"health_status: none",` + actor, ""},
		{`{"Type":"container","Action":"exec_create: healthy",` + actor, ""},
	} {
		m, err := decode([]byte(tt.line))
		if err != nil {
			t.Fatal(err)
		}
		w, ok := m.signal("podman")
		if ok != (tt.want != "") || ok && (w.Kind != tt.want || w.Source != "podman") {
			t.Errorf("%s: %+v %v", tt.line, w, ok)
		}
	}
}

// TestEngineHealthOfTheLab has what Podman really sends of a container that is
// healthy after a while.
func TestEngineHealthOfTheLab(t *testing.T) {
	b, err := os.ReadFile("testdata/health_podman.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []workload.EventKind
	for line := range bytes.Lines(b) {
		m, err := decode(line)
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := m.signal("podman"); ok {
			kinds = append(kinds, w.Kind)
		}
	}
	want := []workload.EventKind{workload.EventAskedCreate, workload.EventRan, workload.EventReady, workload.EventReady}
	if !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
}
