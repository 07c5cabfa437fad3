//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withSockets runs the exporter as somebody who may use the runtimes' sockets.
func withSockets(t *testing.T, flags string, sources ...string) {
	t.Helper()
	inLab(t, `mkdir -p /run/systemd/system/workload_exporter.service.d
		printf '[Service]\nDynamicUser=no\n' >/run/systemd/system/workload_exporter.service.d/root.conf
		systemctl daemon-reload`)
	arguments(t, flags)
	for _, source := range sources {
		eventually(t, source+" to be asked", time.Minute, func() bool { return up(t, source) == 1 })
	}
}

// withoutSockets puts the service back.
func withoutSockets(t *testing.T) {
	inLab(t, `rm -rf /run/systemd/system/workload_exporter.service.d && systemctl daemon-reload && systemctl restart workload_exporter`)
}

func up(t *testing.T, source string) float64 {
	return takeScrape(t).sum("workload_source_up", labels{"source": source})
}

// infoOf is the labels of the only workload_info with these.
func infoOf(t *testing.T, want labels) labels {
	t.Helper()
	list := takeScrape(t).series("workload_info", want)
	if len(list) != 1 {
		t.Fatalf("workload_info%v: %d series", want, len(list))
	}
	return labelsOf(list[0])
}

// helper puts the program into the lab that does what nothing there does.
func helper(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "helper")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./helper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := script("put", binary, "/usr/local/bin/helper"); err != nil {
		t.Fatal(err)
	}
}

// TestNames has each workload under the name that its runtime's own command line shows.
func TestNames(t *testing.T) {
	inLab(t, "systemctl start podman.socket")
	defer inLab(t, "systemctl stop podman.socket podman")
	inLab(t, "docker run -d --name labelled --label a.b=c bb:1 /bin/sleep 1000 >/dev/null")
	defer inLab(t, "docker rm -f labelled renamed newcomer >/dev/null 2>&1 || true")
	withSockets(t, "--runtime.labels=a.b", "docker", "podman", "containerd", "incus")
	defer withoutSockets(t)

	want := listed(t, func(_, name string) string { return name })
	s := takeScrape(t)
	if diff := cmp.Diff(want, s.workloads()); diff != "" {
		t.Errorf("workloads (-runtimes +exporter):\n%s", diff)
	}
	if got := len(s["workload_info"].GetMetric()); got != len(want) {
		t.Errorf("%d series of workload_info for %d workloads", got, len(want))
	}
	for _, c := range []struct {
		who         labels
		label, want string
	}{
		{labels{"runtime": "docker", "name": "web"}, "image", "bb:1"},
		{labels{"runtime": "docker", "name": "labelled"}, "label_a_b", "c"},
		{labels{"runtime": "podman", "name": "pweb"}, "image", "localhost/bb:1"},
		{labels{"runtime": "containerd", "name": "ctr1"}, "image", "docker.io/library/bb:1"},
		{labels{"runtime": "containerd", "name": "ctr1"}, "namespace", "default"},
		{labels{"runtime": "incus", "name": "c1"}, "project", "default"},
	} {
		if got := infoOf(t, c.who)[c.label]; got != c.want {
			t.Errorf("%v: %s is %q, want %q", c.who, c.label, got, c.want)
		}
	}
	if infoOf(t, labels{"runtime": "incus", "name": "c1"})["image"] == "" {
		t.Error("the Incus container has no image")
	}

	// A newcomer has its name from the first scrape on that shows it.
	inLab(t, "docker run -d --name newcomer bb:1 /bin/sleep 1000 >/dev/null")
	id := dockerID(t, "newcomer")
	eventually(t, "the newcomer", time.Minute, func() bool {
		list := takeScrape(t).series("workload_info", labels{"id": id})
		if len(list) == 1 && labelsOf(list[0])["name"] != "newcomer" {
			t.Fatalf("it is called %s", labelsOf(list[0])["name"])
		}
		return len(list) == 1
	})

	// A name stays for as long as the container runs.
	id = dockerID(t, "labelled")
	inLab(t, "docker rename labelled renamed")
	for range 3 {
		if got := infoOf(t, labels{"id": id})["name"]; got != "labelled" {
			t.Errorf("renamed to %s while it runs", got)
		}
	}
	inLab(t, "docker restart -t 0 renamed >/dev/null")
	eventually(t, "the new name", time.Minute, func() bool {
		return len(takeScrape(t).series("workload_info", labels{"id": id, "name": "renamed"})) == 1
	})
}

// TestPods has two pods made as a kubelet has them made: each is one workload,
// with its pause container inside.
func TestPods(t *testing.T) {
	helper(t)
	withSockets(t, "--runtime.labels=app", "containerd")
	defer withoutSockets(t)
	inLab(t, "helper pods up")
	defer inLab(t, "helper pods down")
	type pod struct{ cgroup, uid string }
	for name, want := range map[string]pod{
		"guaranteed": {"/kubepods.slice/kubepods-podaaaaaaaa_0000_4000_8000_000000000001.slice", "aaaaaaaa-0000-4000-8000-000000000001"},
		"besteffort": {
			"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podbbbbbbbb_0000_4000_8000_000000000002.slice",
			"bbbbbbbb-0000-4000-8000-000000000002",
		},
	} {
		eventually(t, name, time.Minute, func() bool {
			return len(takeScrape(t).series("workload_info", labels{"id": want.uid})) == 1
		})
		who := labels{"kind": "container", "runtime": "kubernetes", "id": want.uid, "name": name}
		l := infoOf(t, who)
		if l["cgroup"] != want.cgroup || l["label_app"] != name {
			t.Errorf("%s: %v", name, l)
		}
		who["namespace"], who["pod"], who["uid"] = "lab", name, want.uid
		takeScrape(t).must(t, "workload_kubernetes_info", who)
		inside := labels{"id": want.uid, "container": "app", "image": "localhost/bb:1"}
		// What is inside is listed once a minute.
		eventually(t, name+"'s container", 3*time.Minute, func() bool {
			return len(takeScrape(t).series("workload_kubernetes_container_info", inside)) == 1
		})
		tasks := strings.Fields(inLab(t, "cat /sys/fs/cgroup%s/pids.current; find /sys/fs/cgroup%s -name 'cri-containerd-*.scope' | wc -l", want.cgroup, want.cgroup))
		if got := takeScrape(t).must(t, "workload_tasks", labels{"id": want.uid}); tasks[0] != "2" || tasks[1] != "2" || got != 2 {
			t.Errorf("%s has %v tasks, the kernel says %s in %s groups", name, got, tasks[0], tasks[1])
		}
	}
	if list := takeScrape(t).series("workload_info", labels{"runtime": "kubernetes"}); len(list) != 3 {
		t.Errorf("%d pods, want these two and the lab's own", len(list))
	}
}

// TestDockerFaults has Docker frozen, restarted, and in its place somebody who
// answers rubbish: no number is missing, no scrape waits, and names come back.
func TestDockerFaults(t *testing.T) {
	helper(t)
	inLab(t, `printf '{"live-restore": true}' >/etc/docker/daemon.json && systemctl reload docker`)
	defer inLab(t, "rm /etc/docker/daemon.json && systemctl reload docker")
	withSockets(t, "", "docker")
	defer withoutSockets(t)
	before := takeScrape(t).workloads()
	usage := map[string]float64{}
	unbroken := func(what string) {
		t.Helper()
		s := takeScrape(t)
		if diff := cmp.Diff(before, s.workloads()); diff != "" {
			t.Errorf("%s: workloads (-before +now):\n%s", what, diff)
		}
		for _, m := range s["workload_cpu_usage_seconds_total"].GetMetric() {
			id := labelsOf(m)["id"]
			if number(m) < usage[id] {
				t.Errorf("%s: %s fell from %v to %v", what, id, usage[id], number(m))
			}
			usage[id] = number(m)
		}
		took := strings.TrimSpace(inLab(t, "curl -s -o /dev/null -w '%%{time_total}' localhost:10075/metrics"))
		seconds, err := strconv.ParseFloat(took, 64)
		t.Logf("%s: a scrape takes %s s", what, took)
		if err != nil || seconds > 1 {
			t.Errorf("%s: a scrape takes %s s", what, took)
		}
	}
	unbroken("healthy")

	inLab(t, "kill -STOP $(pidof dockerd)")
	thawed := false
	thaw := func() {
		if !thawed {
			inLab(t, "kill -CONT $(pidof dockerd)")
		}
		thawed = true
	}
	defer thaw()
	unbroken("frozen")
	eventually(t, "Docker seen as down", 2*time.Minute, func() bool { return up(t, "docker") == 0 })
	unbroken("frozen for long")
	thaw()
	eventually(t, "Docker up again", 2*time.Minute, func() bool { return up(t, "docker") == 1 })
	unbroken("thawed")

	inLab(t, "systemctl stop docker docker.socket")
	eventually(t, "Docker seen as gone", 2*time.Minute, func() bool { return up(t, "docker") == 0 })
	unbroken("stopped")
	inLab(t, "systemctl start docker.socket docker")
	eventually(t, "Docker started again", 2*time.Minute, func() bool { return up(t, "docker") == 1 })
	unbroken("restarted")
	inLab(t, "docker run -d --name newcomer bb:1 /bin/sleep 1000 >/dev/null")
	defer inLab(t, "docker rm -f newcomer >/dev/null")
	eventually(t, "a newcomer's name", time.Minute, func() bool {
		return len(takeScrape(t).series("workload_info", labels{"name": "newcomer"})) == 1
	})

	ids := listed(t, func(id, _ string) string { return id })
	for _, what := range []string{"garbage", "huge"} {
		socket := fmt.Sprintf("/run/lab/%s.sock", what)
		inLab(t, "systemd-run -q --unit=engine-%s /usr/local/bin/helper engine %s %s", what, what, socket)
		defer inLab(t, "systemctl stop engine-%s", what)
		withSockets(t, "--runtime.docker.socket="+socket)
		eventually(t, what+" seen as down", time.Minute, func() bool {
			s := takeScrape(t)
			got, there := s.value(t, "workload_source_up", labels{"source": "docker"})
			return there && got == 0
		})
		eventually(t, "everybody, by id", time.Minute, func() bool {
			return len(takeScrape(t).series("workload_info", labels{"runtime": "docker"})) == strings.Count(strings.Join(ids, "\n"), "\tdocker\t")
		})
		for _, m := range takeScrape(t).series("workload_info", labels{"runtime": "docker"}) {
			if l := labelsOf(m); l["name"] != l["id"] {
				t.Errorf("%s: %s is called %s", what, l["id"], l["name"])
			}
		}
		resident := takeScrape(t).must(t, "process_resident_memory_bytes", nil)
		t.Logf("%s: %.1f MiB resident", what, resident/(1<<20))
		if resident > 100<<20 {
			t.Errorf("%s: %.0f bytes resident", what, resident)
		}
	}
}
