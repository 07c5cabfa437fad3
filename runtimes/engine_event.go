package runtimes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// engineSource is how durations name who told.
const engineSource = "engine"

// shortID is how many digits of an id the engine's own CLI shows.
const shortID = 12

// message is one event of Docker's API, which Podman speaks too. The labels of the
// container are among the attributes, so those go by their exact names: a
// struct's would match in any case.
type message struct {
	Type, Action string
	Actor        struct {
		ID         string
		Attributes map[string]string
	}
	// HealthStatus is Podman's; Docker has it in the action.
	HealthStatus string
	TimeNano     int64 `json:"timeNano"`
}

func decode(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("event: %w", err)
	}
	return m, nil
}

// signal is the event in the words that all sources share, without its time.
// False: it says nothing of a start or an end.
func (m *message) signal(runtime string) (workload.Event, bool) {
	if m.Type != "container" || !isID(m.Actor.ID) {
		return workload.Event{}, false
	}
	id := m.Actor.ID[:shortID]
	w := workload.Event{
		Source:   engineSource,
		Identity: workload.Identity{Kind: workload.KindContainer, Runtime: runtime, ID: id, Name: id},
	}
	switch m.Action {
	case "create":
		w.Kind = workload.EventAskedCreate
	case "start":
		w.Kind = workload.EventRan
	case "kill":
		w.Kind, w.Code = workload.EventKilled, m.code("signal")
	case "stop":
		w.Kind = workload.EventHalted
	case "die":
		w.Kind, w.Code = workload.EventDied, m.code("exitCode")
	case "oom":
		w.Kind = workload.EventOOM
	default:
		// A restart comes last, after all that it consists of.
		return w, m.health(&w, runtime)
	}
	return w, true
}

// health is a check of the container: Docker tells of each change, Podman of each check.
func (m *message) health(w *workload.Event, runtime string) bool {
	status, ok := strings.CutPrefix(m.Action, "health_status")
	if !ok {
		return false
	}
	switch cmp.Or(strings.TrimPrefix(status, ": "), m.HealthStatus) {
	case "healthy":
		w.Kind = workload.EventReady
	case "starting", "unhealthy":
		w.Kind = workload.EventUnready
	default:
		return false
	}
	w.Source = runtime
	return true
}

func (m *message) code(attribute string) int {
	n, err := strconv.ParseUint(m.Actor.Attributes[attribute], 10, 8)
	if err != nil {
		return workload.CodeUnknown
	}
	return int(n)
}

// isID says whether an id is one that a cgroup is named by.
func isID(id string) bool {
	if len(id) < shortID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
