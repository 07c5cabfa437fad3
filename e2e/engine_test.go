//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// TestDockerTells has an exporter that may use Docker's socket: it is told how
// containers end, which their cgroups do not show.
func TestDockerTells(t *testing.T) {
	inLab(t, `mkdir -p /run/systemd/system/workload_exporter.service.d
		printf '[Service]\nSupplementaryGroups=docker\n' >/run/systemd/system/workload_exporter.service.d/docker.conf
		systemctl daemon-reload && systemctl restart workload_exporter`)
	defer inLab(t, `rm -r /run/systemd/system/workload_exporter.service.d && systemctl daemon-reload && systemctl restart workload_exporter`)
	eventually(t, "Docker to be listened to", time.Minute, func() bool {
		return takeScrape(t).sum("workload_source_up", labels{"source": "docker"}) == 1
	})
	docker := func(k, v string) labels { return labels{"runtime": "docker", k: v} }
	stop := func(outcome string) labels { return labels{"runtime": "docker", "phase": "stop", "outcome": outcome} }
	for name, tc := range map[string]struct {
		do, reason       string
		graceful, forced uint64
	}{
		"exit 0":                {"docker run --rm bb:1 /bin/sh -c 'sleep 1'", "clean", 0, 0},
		"exit 1":                {"docker run --rm bb:1 /bin/sh -c 'sleep 1; exit 1' || true", "error", 0, 0},
		"docker kill":           {"docker run -d --rm --name end bb:1 /bin/sleep 1000 && docker kill end", "killed", 0, 1},
		"docker stop, and well": {`docker run -d --rm --name end bb:1 /bin/sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done' && sleep 1 && docker stop -t 60 end`, "clean", 1, 0},
		"docker stop, in vain":  {`docker run -d --rm --name end bb:1 /bin/sleep 1000 && docker stop -t 1 end`, "killed", 0, 1},
		"out of memory":         {"docker run --rm --memory 8m --memory-swap 8m bb:1 /bin/sh -c 'tail /dev/zero' || true", "oom", 0, 0},
	} {
		c := changing(t)
		inLab(t, "(%s) >/dev/null 2>&1", tc.do)
		// An end is counted once both the cgroup and the engine have told of it.
		eventually(t, name, 2*time.Minute, func() bool {
			c.now()
			return c.after.sum("workload_exits_total", labels{"runtime": "docker"}) > c.before.sum("workload_exits_total", labels{"runtime": "docker"})
		})
		c.want("workload_exits_total", 1, docker("reason", tc.reason))
		c.want("workload_exits_total", 1, labels{"runtime": "docker"})
		c.durations(tc.graceful, stop("graceful"))
		c.durations(tc.forced, stop("forced"))
	}
}
