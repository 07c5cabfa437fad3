//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// expected is what the runtimes themselves say is running, as far as an exporter
// knows without their sockets.
func expected(t *testing.T) []string {
	t.Helper()
	return listed(t, func(id, _ string) string { return id })
}

// listed is what the runtimes themselves say; secret is for a name that only
// they tell.
func listed(t *testing.T, secret func(id, name string) string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(inLab(t, "workloads list")) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 4 {
			t.Fatalf("workloads list: %q", line)
		}
		if name, ok := strings.CutPrefix(f[3], "="); ok {
			f[3] = secret(f[2], name)
		}
		list = append(list, strings.Join(f, "\t"))
	}
	slices.Sort(list)
	return list
}

// TestEachWorkloadOnce has every runtime's workload in one scrape, and nothing else.
func TestEachWorkloadOnce(t *testing.T) {
	want := expected(t)
	if len(want) < 14 {
		t.Errorf("only %d workloads run: %q", len(want), want)
	}
	s := takeScrape(t)
	if diff := cmp.Diff(want, s.workloads()); diff != "" {
		t.Errorf("workloads (-runtimes +exporter):\n%s", diff)
	}
	if got := len(s["workload_info"].GetMetric()); got != len(want) {
		t.Errorf("%d series of workload_info for %d workloads", got, len(want))
	}
	if got := int(s.sum("workload_host_workloads", labels{"state": "running"})); got != len(want) {
		t.Errorf("workload_host_workloads adds up to %d, want %d", got, len(want))
	}
}

// TestSeriesBudget counts what a workload costs in series.
func TestSeriesBudget(t *testing.T) {
	s := takeScrape(t)
	count := map[string]int{}
	for name, family := range s {
		if !strings.HasPrefix(name, "workload_") {
			continue
		}
		for _, m := range family.GetMetric() {
			if l := labelsOf(m); l["id"] != "" {
				count[l["kind"]+" "+l["runtime"]+" "+l["id"]]++
			}
		}
	}
	for workload, n := range count {
		budget := 48
		if strings.HasPrefix(workload, "vm ") {
			budget = 64
		}
		if n > budget {
			t.Errorf("%s: %d series, budget %d", workload, n, budget)
		}
	}
	t.Logf("series: %v", count)
}

// TestFirstScrape sees a workload in the first scrape after its start, and no
// longer in the first after its end.
func TestFirstScrape(t *testing.T) {
	id := strings.TrimSpace(inLab(t, "docker run -d bb:1 /bin/sleep 1000"))[:12]
	if _, ok := takeScrape(t).value(t, "workload_cpu_usage_seconds_total", labels{"id": id}); !ok {
		t.Error("docker: not there in the first scrape after the start")
	}
	inLab(t, "docker rm -f %s", id)
	if _, ok := takeScrape(t).value(t, "workload_cpu_usage_seconds_total", labels{"id": id}); ok {
		t.Error("docker: still there in the first scrape after the end")
	}

	vm := labels{"runtime": "libvirt", "name": "vm-tcg"}
	inLab(t, "workloads down vm-tcg")
	if _, ok := takeScrape(t).value(t, "workload_info", vm); ok {
		t.Error("libvirt: still there in the first scrape after the end")
	}
	inLab(t, "workloads up vm-tcg")
	s := takeScrape(t)
	if _, ok := s.value(t, "workload_info", vm); !ok {
		t.Errorf("libvirt: not there in the first scrape after the start: %q", s.workloads())
	}
	uuid := strings.TrimSpace(inLab(t, "virsh -q domuuid vm-tcg"))
	if _, ok := s.value(t, "workload_cpu_usage_seconds_total", labels{"id": uuid, "name": "vm-tcg"}); !ok {
		t.Errorf("libvirt: not under its UUID %s", uuid)
	}
}

// TestPromtool has Prometheus' own checker look at a scrape.
func TestPromtool(t *testing.T) {
	if out := inLab(t, "curl -sf localhost:10075/metrics | promtool check metrics 2>&1"); strings.TrimSpace(out) != "" {
		t.Errorf("promtool check metrics:\n%s", out)
	}
}

// TestUnprivileged looks at the process: no root, no capability, no group.
func TestUnprivileged(t *testing.T) {
	status := inLab(t, "cat /proc/$(systemctl show -P MainPID workload_exporter)/status")
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		f := strings.Fields(value)
		switch key {
		case "Uid", "Gid":
			if slices.Contains(f, "0") {
				t.Errorf("%s: %s", key, value)
			}
		case "CapEff", "CapPrm", "CapBnd", "CapAmb":
			if strings.Trim(f[0], "0") != "" {
				t.Errorf("%s: %s", key, value)
			}
		}
	}
}

// TestHealthy asks the two health endpoints, from inside.
func TestHealthy(t *testing.T) {
	for _, path := range []string{"/-/healthy", "/-/ready", "/"} {
		if code := inLab(t, "curl -s -o /dev/null -w '%%{http_code}' localhost:10075%s", path); code != "200" {
			t.Errorf("%s: %s", path, code)
		}
	}
}

// TestSourcesUp waits for libvirt's first answer: its capability probe is slow here.
func TestSourcesUp(t *testing.T) {
	eventually(t, "all sources up", 5*time.Minute, func() bool {
		s := takeScrape(t)
		return s.sum("workload_source_up", nil) == 4 && len(s["workload_source_up"].GetMetric()) == 4
	})
}
