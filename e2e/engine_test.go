//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// mayUseSockets runs the exporter as somebody who may use the engines' sockets,
// until the test ends.
func mayUseSockets(t *testing.T, as string, engines ...string) {
	t.Helper()
	inLab(t, `mkdir -p /run/systemd/system/workload_exporter.service.d
		printf '[Service]\n%s\n' >/run/systemd/system/workload_exporter.service.d/sockets.conf
		systemctl start podman.socket; systemctl daemon-reload && systemctl restart workload_exporter`, as)
	t.Cleanup(func() {
		inLab(t, `rm -r /run/systemd/system/workload_exporter.service.d; systemctl stop podman.socket podman.service
			systemctl daemon-reload && systemctl restart workload_exporter`)
	})
	for _, engine := range engines {
		eventually(t, engine+" to be listened to", time.Minute, func() bool {
			return takeScrape(t).sum("workload_source_up", labels{"source": engine}) == 1
		})
	}
}

const (
	inDockerGroup = "SupplementaryGroups=docker"
	// Podman's socket is in a directory that only root may enter.
	asRoot = `DynamicUser=no\nSupplementaryGroups=docker`
)

// TestDockerTells has an exporter that may use Docker's socket: it is told how
// containers end, which their cgroups do not show.
func TestDockerTells(t *testing.T) {
	mayUseSockets(t, inDockerGroup, "docker")
	for name, tc := range map[string]struct {
		do, reason       string
		graceful, forced uint64
	}{
		"exit 0":                {"docker run --rm bb:1 /bin/sh -c 'sleep 1'", "clean", 0, 0},
		"exit 1":                {"docker run --rm bb:1 /bin/sh -c 'sleep 1; exit 1' || true", "error", 0, 0},
		"docker kill":           {"docker kill $(docker run -d --rm bb:1 /bin/sleep 1000)", "killed", 0, 1},
		"docker stop, and well": {`c=$(docker run -d --rm bb:1 /bin/sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done') && sleep 1 && docker stop -t 60 $c`, "clean", 1, 0},
		"docker stop, in vain":  {"docker stop -t 1 $(docker run -d --rm bb:1 /bin/sleep 1000)", "killed", 0, 1},
		"out of memory":         {"docker run --rm --memory 8m --memory-swap 8m bb:1 /bin/sh -c 'tail /dev/zero' || true", "oom", 0, 0},
	} {
		c := engineEnds(t, "docker", name, tc.do, tc.reason)
		stop := func(outcome string) labels { return labels{"runtime": "docker", "phase": "stop", "outcome": outcome} }
		c.durations(tc.graceful, stop("graceful"))
		c.durations(tc.forced, stop("forced"))
	}
}

// TestPodmanTells is the same with Podman's API service, which tells of no request to stop.
func TestPodmanTells(t *testing.T) {
	mayUseSockets(t, asRoot, "podman")
	for name, tc := range map[string]struct{ do, reason string }{
		"exit 0":                {"podman run --rm bb:1 /bin/sh -c 'sleep 1'", "clean"},
		"exit 1":                {"podman run --rm bb:1 /bin/sh -c 'sleep 1; exit 1' || true", "error"},
		"podman kill":           {"podman kill $(podman run -d --rm bb:1 /bin/sleep 1000)", "killed"},
		"podman stop, and well": {`c=$(podman run -d --rm bb:1 /bin/sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done') && sleep 1 && podman stop -t 60 $c`, "clean"},
		"podman stop, in vain":  {"podman stop -t 1 $(podman run -d --rm bb:1 /bin/sleep 1000)", "killed"},
		"out of memory":         {"podman run --rm --memory 8m --memory-swap 8m bb:1 /bin/sh -c 'tail /dev/zero' || true", "oom"},
	} {
		c := engineEnds(t, "podman", name, tc.do, tc.reason)
		c.durations(0, labels{"runtime": "podman", "phase": "stop"})
	}
}

// engineEnds has one container end, for one reason.
func engineEnds(t *testing.T, runtime, name, do, reason string) *change {
	t.Helper()
	c := changing(t)
	inLab(t, "(%s) >/dev/null 2>&1", do)
	// An end is counted once both the cgroup and the engine have told of it.
	eventually(t, name, 2*time.Minute, func() bool {
		c.now()
		return c.after.sum("workload_exits_total", labels{"runtime": runtime}) > c.before.sum("workload_exits_total", labels{"runtime": runtime})
	})
	c.want("workload_exits_total", 1, labels{"runtime": runtime, "reason": reason})
	c.want("workload_exits_total", 1, labels{"runtime": runtime})
	return c
}
