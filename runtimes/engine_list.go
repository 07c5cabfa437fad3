package runtimes

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// listWait is how long an engine may take for its list: a thousand containers
// on a busy host are a matter of seconds.
const listWait = 30 * time.Second

// listed is one container of the list. Docker's and Podman's own API have the
// same words for it; only Podman's has pods.
type listed struct {
	ID     string `json:"Id"`
	Names  []string
	Image  string
	Labels map[string]string
	// Pod is the id of the Podman pod that the container is in.
	Pod, PodName string
}

// listPath is what is asked for, once for each connection: all containers, for
// one that is started later need not be asked about then. What Podman has in
// Docker's words leaves out the pods.
func listPath(runtime string) string {
	if runtime == "podman" {
		return "/v4.0.0/libpod/containers/json?all=true"
	}
	return "/containers/json?all=true"
}

// list learns what runs already.
func (e *Engine) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.listWait)
	defer cancel()
	return e.get(ctx, listPath(e.cfg.Runtime), func(body io.Reader) error {
		all, err := parseList(body, e.cfg.Labels)
		if err == nil {
			e.book.replace(all)
		}
		return err
	})
}

// parseList is by full id, that of the pods as well.
func parseList(body io.Reader, labels []string) (map[string]told, error) {
	all := map[string]told{}
	err := eachItem(body, "", func(c *listed) {
		if isFullID(c.ID) {
			all[c.ID] = told{name: workload.Clean(c.name()), metadata: workload.Metadata{Image: workload.Clean(c.Image), Labels: pick(labels, c.Labels)}}
		}
		if isFullID(c.Pod) && len(all) < 2*maxTold {
			all[c.Pod] = told{name: workload.Clean(c.PodName)}
		}
	})
	return all, err
}

// name is the container's own: a link makes it known as /OTHER/ALIAS too.
func (c *listed) name() string {
	for _, name := range c.Names {
		if name = strings.TrimPrefix(name, "/"); !strings.Contains(name, "/") {
			return name
		}
	}
	return ""
}

// learn takes names from an event, so that nobody has to ask for them.
func (e *Engine) learn(m *message) {
	id, of := m.Actor.ID, m.Actor.Attributes
	if !isFullID(id) {
		return
	}
	switch {
	case m.Type != "container" && m.Type != "pod":
	case m.Action == "destroy" || m.Action == "remove":
		e.book.forget(id)
	case m.Type == "pod" && m.Action == "create":
		e.book.add(id, told{name: workload.Clean(of["name"])})
	case m.Type == "container" && (m.Action == "create" || m.Action == "start" || m.Action == "rename"):
		e.book.add(id, told{
			name:     workload.Clean(strings.TrimPrefix(of["name"], "/")),
			metadata: workload.Metadata{Image: workload.Clean(of["image"]), Labels: pick(e.cfg.Labels, of)},
		})
	}
}

// Expect needs to do nothing: an engine tells of a container before it starts it.
func (e *Engine) Expect(*workload.Candidate) {}

// Name tells what the engine calls one of its containers. A bare id below
// somebody's own parent may be one of them.
func (e *Engine) Name(c *workload.Candidate) workload.Opinion {
	switch {
	case c.FullID == "":
		return workload.NoOpinion
	case c.Runtime == e.cfg.Runtime && e.serves(c.Cgroup):
		return e.book.name(c.FullID, c)
	case c.Runtime == "unknown" && e.book.knows(c.FullID):
		return e.book.name(c.FullID, c)
	}
	return workload.NoOpinion
}

// serves says whether a container can be this engine's: a user's own are in that
// user's slice, and no others are.
func (e *Engine) serves(cgroup string) bool {
	if e.cfg.User == "" {
		return !strings.HasPrefix(cgroup, "/user.slice/")
	}
	return strings.HasPrefix(cgroup, "/user.slice/user-"+e.cfg.User+".slice/")
}

func isFullID(id string) bool { return len(id) == 64 && isID(id) }
