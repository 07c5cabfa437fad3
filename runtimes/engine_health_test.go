package runtimes

import (
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
