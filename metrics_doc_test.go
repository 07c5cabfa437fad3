package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const metricsHead = `# Metrics
Written by ` + "`make golden`" + ` from what the program exposes. The field in parentheses is where a number is from: a file of the
workload's cgroup, a file in /proc, or libvirt's name in ` + "`virsh domstats`" + `. "Linux" is the first kernel with that file or line;
nothing depends on the kernel's version, and what it does not offer is absent. Nothing stands there where no file of a cgroup or of
/proc/pressure is read. *workload* is the four labels ` + "`kind`, `runtime`, `id` and `name`" + `.

| metric | type | unit | labels | what it is | Linux |
|---|---|---|---|---|---|
`

// since are the kernels that fields came with, the newest first, by what the help text says.
var since = []struct{ field, kernel string }{
	{"memory.peak", "5.19"},
	{"cpu.pressure full", "5.13"},
	{"/proc/pressure/cpu full", "5.13"},
	{".pressure ", "4.20"},
	{"/proc/pressure/", "4.20"},
	{"cpu.stat", "4.15"},
	{"cpu.max", "4.15"},
	{"(memory.events)", "4.13"},
	{"cgroup.events", "4.5"},
	{"memory.", "4.5"},
	{"io.stat", "4.5"},
	{"pids.current", "4.5"},
}

// TestMetricsDocument has docs/metrics.md say what the program exposes, with the labels that the golden expositions have.
func TestMetricsDocument(t *testing.T) {
	const path = "docs/metrics.md"
	names := labelNames(t)
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, f := range everything(t) {
		if len(f.Metric) == 0 {
			t.Fatalf("%s has no series", f.GetName())
		}
		kernel := ""
		for _, s := range since {
			if strings.Contains(f.GetHelp(), s.field) {
				kernel = s.kernel
				break
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), unitOf(f.GetName()),
			labelList(names[f.GetName()]), strings.ReplaceAll(f.GetHelp(), "|", `\|`), kernel)
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if document(t, path) != b.String() {
		t.Errorf("%s is not current: make golden", path)
	}
}

// labelNames is what labels each family can have.
func labelNames(t *testing.T) map[string]map[string]bool {
	t.Helper()
	names := map[string]map[string]bool{}
	add := func(f *dto.MetricFamily) {
		if names[f.GetName()] == nil {
			names[f.GetName()] = map[string]bool{}
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				label := "`" + l.GetName() + "`"
				if strings.HasPrefix(l.GetName(), "label_") {
					label = "`label_*`"
				}
				names[f.GetName()][label] = true
			}
		}
	}
	for _, f := range everything(t) {
		add(f)
	}
	goldens, err := filepath.Glob("collector/testdata/*.prom")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden expositions: %v", err)
	}
	for _, path := range goldens {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		// Values that change with the host are cut in them.
		list, err := parser.TextToMetricFamilies(strings.NewReader(strings.ReplaceAll(document(t, path), "}\n", "} 0\n")))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, f := range list {
			add(f)
		}
	}
	return names
}

// labelList puts the four labels of a workload's series first, as one.
func labelList(names map[string]bool) string {
	list := slices.Sorted(maps.Keys(names))
	own := slices.DeleteFunc(slices.Clone(list), func(l string) bool {
		return slices.Contains([]string{"`kind`", "`runtime`", "`id`", "`name`"}, l)
	})
	if len(list)-len(own) == 4 {
		list = append([]string{"*workload*"}, own...)
	}
	return strings.Join(list, ", ")
}

// unitOf is the unit that a metric's name ends in.
func unitOf(name string) string {
	unit := regexp.MustCompile(`_(seconds|bytes|cores)(?:_total)?$`).FindStringSubmatch(name)
	if unit == nil {
		return ""
	}
	return unit[1]
}
