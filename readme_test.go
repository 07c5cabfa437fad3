package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/collector"
	"github.com/workload-exporter/workload_exporter/workload"
)

// The tests in this file hold the documents to what the program does.

func document(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// shell runs a command line with the program in its PATH.
func shell(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// found is the set of what a pattern's first group matches.
func found(text, pattern string) map[string]bool {
	set := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		set[m[1]] = true
	}
	return set
}

func TestReadmeFlags(t *testing.T) {
	flags := found(shell(t, name+" --help"), `(?m)^ +(?:-\w, )?--(?:\[no-\])?([a-z][a-z.-]+)`)
	if len(flags) < 20 {
		t.Fatalf("only %d flags in the help", len(flags))
	}
	// Docker's flags are its own.
	readme := regexp.MustCompile(`(?m)^docker run (?:.*\\\n)*.*`).ReplaceAllString(document(t, "README.md"), "")
	named := found(readme, `--(?:no-)?([a-z][a-z.-]+)`)
	for flag := range named {
		if !flags[flag] {
			t.Errorf("--%s is no flag", flag)
		}
	}
	ours := regexp.MustCompile(`^(collector|path|libvirt|runtime|footprint|workload)\b|^web\.(telemetry-path|max-requests|disable-exporter-metrics)$`)
	for flag := range flags {
		if ours.MatchString(flag) && !named[flag] {
			t.Errorf("--%s is not there", flag)
		}
	}
}

// all is a Group that knows every number.
type all struct{}

func (all) Running() bool     { return true }
func (all) Holds(string) bool { return false }

func (all) Read(u *workload.Usage) error {
	known(reflect.ValueOf(u).Elem())
	return nil
}

func known(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	if v.Type() == reflect.TypeFor[workload.Value]() {
		v.Set(reflect.ValueOf(workload.Known(1)))
		return
	}
	for _, field := range v.Fields() {
		known(field)
	}
}

// weighed is a Footprint of one population.
type weighed struct{}

func (weighed) Settle([]*workload.Workload) {}
func (weighed) Of(*workload.Workload) (f workload.Footprint) {
	known(reflect.ValueOf(&f).Elem())
	return f
}

func (weighed) Host() []workload.HostFootprint {
	return []workload.HostFootprint{{Kind: workload.KindVM}}
}

// families is the name of every metric that the exporter can have.
func families(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, f := range everything(t) {
		names[f.GetName()] = true
	}
	return names
}

// everything is one scrape with all of them.
func everything(t *testing.T) []*dto.MetricFamily {
	t.Helper()
	registry := workload.NewRegistry(workload.Config{})
	registry.Found("all", workload.Candidate{
		Identity: workload.Identity{Kind: workload.KindVM, Runtime: "firecracker", ID: "a", Name: "a"},
		Origin:   workload.OriginCgroup, Cgroup: "/a", Inode: 1, Group: all{},
		Metadata: workload.Metadata{Kubernetes: workload.Kubernetes{Pod: "a"}},
	})
	machine := workload.Machine{UUID: "a", OpenStack: &workload.OpenStack{}}
	known(reflect.ValueOf(&machine.Stats).Elem())
	registry.SetMachines([]workload.Machine{machine})
	registry.Contain("cri", map[string][]workload.Container{"a": {{Name: "a", Image: "a"}}})
	registry.Report("cgroup", true)
	who := workload.Identity{Kind: workload.KindVM, Runtime: "firecracker"}
	lifecycle := collector.NewLifecycle()
	lifecycle.Duration(who, "stop", "libvirt", "graceful", time.Second)
	lifecycle.Event(who, "stopped")
	lifecycle.Restarted(who)
	lifecycle.Exited(who, "clean")
	lifecycle.Missed("exit", "unknown")
	const host = "collector/testdata/host/"
	list, done, err := collector.New(collector.Config{
		Registry: registry, ProcRoot: host + "proc", SysRoot: host + "sys", Lifecycle: lifecycle, Footprint: weighed{},
		LibvirtCalls: func() map[string]collector.Histogram { return map[string]collector.Histogram{"list": {Count: 1}} },
		Unreadable:   func() map[string]uint64 { return map[string]uint64{"cpu.stat": 0} },
		Descriptors:  func() (used, limit int64) { return 0, 0 },
		FilesRead:    func() uint64 { return 0 },
	}).Gather()
	t.Cleanup(done)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// braces writes out the names that a pattern such as a_{b,c} stands for.
func braces(pattern string) []string {
	before, rest, ok := strings.Cut(pattern, "{")
	choice, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{pattern}
	}
	var names []string
	for one := range strings.SplitSeq(choice, ",") {
		names = append(names, braces(before+one+after)...)
	}
	return names
}

func TestReadmeMetrics(t *testing.T) {
	families := families(t)
	named := namedMetrics(t, "README.md", families)
	for metric := range families {
		if !named[metric] {
			t.Errorf("%s is not there", metric)
		}
	}
	for _, path := range []string{"docs/coming-from.md", "docs/troubleshooting.md", "docs/security.md", "docs/fleet.md"} {
		namedMetrics(t, path, families)
	}
}

// namedMetrics is the metrics that a document names, each of which has to be one.
func namedMetrics(t *testing.T, path string, families map[string]bool) map[string]bool {
	t.Helper()
	named := map[string]bool{}
	for pattern := range found(document(t, path), `(workload_(?:[a-z_]|\{[a-z_]+(?:,[a-z_]+)+\})+\*?)`) {
		if pattern == name {
			continue
		}
		for _, metric := range braces(pattern) {
			named[metric] = true
			prefix, many := strings.CutSuffix(metric, "*")
			if many && !slices.ContainsFunc(slices.Collect(maps.Keys(families)), func(f string) bool { return strings.HasPrefix(f, prefix) }) ||
				!many && !families[metric] {
				t.Errorf("%s: %s is no metric", path, metric)
			}
		}
	}
	return named
}

// TestDocumentedReasons has each reason for something missed in the table.
func TestDocumentedReasons(t *testing.T) {
	_, table, _ := strings.Cut(document(t, "docs/troubleshooting.md"), "| `reason` |")
	table, _, _ = strings.Cut(table, "\n\n")
	named := found(table, "`([a-z_]+)`")
	_, constants, _ := strings.Cut(document(t, "lifecycle/phase.go"), "// Why something was missed.")
	constants, _, _ = strings.Cut(constants, "\n)")
	reasons := found(constants, `= "([a-z_]+)"`)
	maps.Copy(reasons, found(document(t, "workload/event.go"), `Missed\w+ += "([a-z_]+)"`))
	if len(reasons) < 15 {
		t.Fatalf("only %d reasons", len(reasons))
	}
	for reason := range reasons {
		if !named[reason] {
			t.Errorf("%s is not there", reason)
		}
	}
}

// TestReadmeRuntimes has each runtime of the classifier, and of the paths that it is tested with, in the table.
func TestReadmeRuntimes(t *testing.T) {
	runtimes := found(document(t, "cgroupfs/testdata/cgroup-paths.csv"), `(?m)^[^,]+,(?:container|vm|service),([a-z-]+),`)
	rules, err := filepath.Glob("cgroupfs/rule_*.go")
	if err != nil || len(rules) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, path := range rules {
		maps.Copy(runtimes, found(document(t, path), `runtime: "([a-z-]+)"`))
	}
	if len(runtimes) < 20 {
		t.Fatalf("only %d runtimes", len(runtimes))
	}
	named := map[string]bool{}
	for row := range strings.SplitSeq(document(t, "README.md"), "\n") {
		if cells := strings.Split(row, "|"); len(cells) == 5 {
			maps.Copy(named, found(cells[2], "`([a-z-]+)`"))
		}
	}
	for runtime := range runtimes {
		if !named[runtime] {
			t.Errorf("%s is not there", runtime)
		}
	}
}

// TestReadmeClassify runs the example, and has its output.
func TestReadmeClassify(t *testing.T) {
	examples := regexp.MustCompile("(?m)^\\$ (workload_exporter classify .*)\n((?:[^`].*\n)+)```").FindAllStringSubmatch(document(t, "README.md"), -1)
	if len(examples) == 0 {
		t.Fatal("no example")
	}
	for _, e := range examples {
		if got := shell(t, e[1]); got != e[2] {
			t.Errorf("%s\ngives\n%s\nand not\n%s", e[1], got, e[2])
		}
	}
}

func TestDocumentedTargets(t *testing.T) {
	targets := found(document(t, "Makefile"), `(?m)^([a-z0-9]+):`)
	for _, path := range []string{"README.md", "CONTRIBUTING.md"} {
		named := found(document(t, path), "(?m)(?:^|`)make ([a-z0-9]+)")
		if len(named) == 0 {
			t.Errorf("%s names no target", path)
		}
		for target := range named {
			if !targets[target] {
				t.Errorf("%s: make %s is no target", path, target)
			}
		}
	}
}

// TestDocumentedFiles looks for the files that the documents name.
func TestDocumentedFiles(t *testing.T) {
	for _, path := range []string{"README.md", "CONTRIBUTING.md"} {
		files := found(document(t, path), "(?:`|\\]\\()([a-zA-Z0-9_.]+(?:/[a-zA-Z0-9_.*-]+)*\\.(?:go|md|csv|service|prom)|e2e/[a-z/]+)[`)]")
		maps.Copy(files, found(document(t, path), `\]\(([A-Z]+)\)`))
		if len(files) == 0 {
			t.Errorf("%s names no file", path)
		}
		for file := range files {
			if at, err := filepath.Glob(file); err != nil || len(at) == 0 {
				t.Errorf("%s: there is no %s", path, file)
			}
		}
	}
}

// TestDocumentedLinks follows the links of all documents to files and to their headings.
func TestDocumentedLinks(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil || len(documents) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	for _, path := range append(documents, "README.md", "CONTRIBUTING.md") {
		for link := range found(document(t, path), `\]\(([^)]+)\)`) {
			if strings.Contains(link, "://") {
				continue
			}
			file, heading, _ := strings.Cut(link, "#")
			target := filepath.Join(filepath.Dir(path), file)
			if file == "" {
				target = path
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", path, link, err)
			} else if heading != "" && !headings(document(t, target))[heading] {
				t.Errorf("%s: %s has no such heading", path, link)
			}
		}
	}
}

// headings is what GitHub calls the headings of a document.
func headings(text string) map[string]bool {
	set := map[string]bool{}
	for heading := range found(text, `(?m)^#+ (.+)$`) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
		set[strings.ReplaceAll(name, " ", "-")] = true
	}
	return set
}
