//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// onlyOne is the families that the service and the container cannot have the same.
var onlyOne = []struct{ prefix, reason string }{
	{"workload_exporter_", "what the exporter itself costs"},
	{"workload_scrape_", "how long its own scrape took"},
	{"workload_source_age_", "when it has asked"},
	{"workload_source_failures_", "what failed before the other was there"},
	{"workload_libvirt_rpc_", "how long it waited for answers"},
	{"workload_lifecycle_", "what happened before the other was there"},
	{"workload_phase_", "the same, by workload"},
	{"workload_restarts_", "the same"},
	{"workload_exits_", "the same"},
	{"workload_footprint_", "when it has looked"},
}

// hidden is what the container cannot see: the trees of files that containers of these runtimes run on.
func hidden(name string, l labels) bool {
	return (l["runtime"] == "nspawn" || l["runtime"] == "lxc") && (strings.Contains(name, "_image_") || strings.HasPrefix(name, "workload_disk_"))
}

// TestImage has the image of the tree, made by the lab's Docker and run as
// README.md has it, beside the service: both see the same workloads, under the
// same labels, with the same counters.
func TestImage(t *testing.T) {
	runImage(t)
	var before, image, after scrape
	var missing, off []string
	var counters int
	// libvirt and systemd have to answer the new one first, and a number that was polled can be some seconds older in one of them.
	eventually(t, "the same from both", 2*time.Minute, func() bool {
		parts := strings.Split(inLab(t, "for port in 10075 10076 10075; do curl -sf localhost:$port/metrics; echo =====; done"), "=====\n")
		before, image, after = parseScrape(t, strings.NewReader(parts[0])), parseScrape(t, strings.NewReader(parts[1])), parseScrape(t, strings.NewReader(parts[2]))
		missing, off, counters = differences(before, image, after)
		if len(missing)+len(off) != 0 {
			t.Logf("not in both: %q; off: %q", missing, off)
		}
		return len(missing)+len(off) == 0 && slices.Equal(image.workloads(), after.workloads())
	})
	t.Logf("%d counters within 2 %%", counters)
	if counters < 200 {
		t.Errorf("only %d counters were compared", counters)
	}
	if budget := image.must(t, "workload_exporter_descriptors_budget", nil); budget != after.must(t, "workload_exporter_descriptors_budget", nil) {
		t.Errorf("may keep %v files open, which is not what the service may", budget)
	}
	inLab(t, "test -s /srv/state/lifecycle.json")
}

// runImage builds the image by the Makefile's own command and runs it by
// README.md's, with a directory for its state and on a port that is free.
func runImage(t *testing.T) {
	t.Helper()
	target := regexp.MustCompile("`make (image [^`]+)` builds").FindStringSubmatch(readme(t, "As a container, "))
	if target == nil {
		t.Fatal("README.md does not build the image")
	}
	commands, err := exec.Command("make", append([]string{"-C", "..", "-s", "-n"}, strings.Fields(target[1])...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, build, ok := strings.Cut(string(commands), "\ndocker build")
	if !ok {
		t.Fatalf("make image: %s", commands)
	}
	context := filepath.Join(t.TempDir(), "context.tar.gz")
	for _, args := range [][]string{
		{"make", "-C", "..", "dist/workload_exporter-linux-amd64"},
		{"tar", "-C", "..", "-czf", context, ".dockerignore", "LICENSE", "packaging/container", "dist/workload_exporter-linux-amd64"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	if _, err := script("put", context, "/srv/context.tar.gz"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		inLab(t, "docker rm -f workload_exporter >/dev/null; docker rmi -f workload_exporter >/dev/null; rm -rf /srv/context /srv/context.tar.gz /srv/state")
	})
	inLab(t, "mkdir /srv/context && cd /srv/context && tar -xzf ../context.tar.gz && docker build%s", build)
	run := readme(t, "docker run -d --name workload_exporter")
	for from, to := range map[string]string{
		"-p 10075:10075":           "-p 10076:10075",
		"-v /var/log:/var/log:ro":  "-v /var/log:/var/log:ro -v /srv/state:/state",
		":10075 workload_exporter": ":10075 workload_exporter --state.dir=/state",
	} {
		if !strings.Contains(run, from) {
			t.Fatalf("README.md's docker run has no %s", from)
		}
		run = strings.ReplaceAll(run, from, to)
	}
	inLab(t, "install -d -o 65534 -g 65534 /srv/state && %s && until curl -sf localhost:10076/-/ready >/dev/null; do sleep 0.2; done", run)
}

// differences is the series that are not in both, and the counters of the image
// that are not within 2 % of what the service had just before and just after.
func differences(before, image, after scrape) (missing, off []string, counters int) {
	own := func(name string) bool {
		return !strings.HasPrefix(name, "workload_") ||
			slices.ContainsFunc(onlyOne, func(f struct{ prefix, reason string }) bool { return strings.HasPrefix(name, f.prefix) })
	}
	was, has, is := before.flat(own), image.flat(own), after.flat(own)
	for key, m := range is {
		if _, ok := has[key]; !ok && !hidden(key, labelsOf(m.Metric)) {
			missing = append(missing, key)
		}
	}
	for key, m := range has {
		low, high := was[key], is[key]
		if low.Metric == nil || high.Metric == nil {
			missing = append(missing, key)
			continue
		}
		if m.kind != dto.MetricType_COUNTER {
			continue
		}
		counters++
		if v := number(m.Metric); v < 0.98*number(low.Metric) || v > 1.02*number(high.Metric) {
			off = append(off, key)
		}
	}
	return missing, off, counters
}

type sample struct {
	*dto.Metric
	kind dto.MetricType
}

// flat is all series by name and labels, but for families that are left out.
func (s scrape) flat(out func(name string) bool) map[string]sample {
	list := map[string]sample{}
	for name, family := range s {
		if out(name) {
			continue
		}
		for _, m := range family.Metric {
			var key strings.Builder
			key.WriteString(name)
			for _, l := range m.Label {
				key.WriteString("," + l.GetName() + "=" + l.GetValue())
			}
			list[key.String()] = sample{m, family.GetType()}
		}
	}
	return list
}
