package runtimes

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

func captured(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/lab", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sameNames(t *testing.T, what string, got, want map[string]told) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(told{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestCapturedLists has what Docker 26, Podman 5 and Incus 6 answered.
func TestCapturedLists(t *testing.T) {
	labels := []workload.Label{{Key: "a.b", Value: "c"}}
	bb := func(labels ...workload.Label) workload.Metadata {
		return workload.Metadata{Image: "localhost/bb:1", Labels: labels}
	}
	for file, want := range map[string]map[string]told{
		"docker-containers.json": {
			"ba664e863466d8bf4f094f6c2227331e4cdf13349f14f3e126f7e7b860029e51": {name: "lab", metadata: workload.Metadata{Image: "bb:1", Labels: labels}},
			"40e9458be04f55f3dd384ef42f74031d01e685bc5bd3f4c0fbe35e28c65a1cff": {name: "web", metadata: workload.Metadata{Image: "bb:1"}},
		},
		"podman-containers.json": {
			"9d83d9ca464e16249a342d7d9a652a4796e394b81cfb5bf2a1c693ab26237df5": {name: "pweb", metadata: bb()},
			"36892b7d3b41b52406dc726fa10e2c082a9a781ef4cb1ffb61318b56f814c52c": {name: "f87851aa412d-infra", metadata: bb()},
			"4ffed0847054e89638c6fe6605325a0bf9c3eb902a61bd40f376cca408095c5b": {name: "pp-app", metadata: bb()},
			"f87851aa412d73f284d3017b27f44d9f838503a923730dacf026ea5595e2c5e6": {name: "pp", metadata: workload.Metadata{}},
			"450f734497c1416efe101dc53d9fcb4db2d9da9c49a2c7447873b2c42336bbbb": {name: "bc2b594a8b61-infra", metadata: bb()},
			"6d38ed6498dd2c502effadcbf4511974cc7d3c0489ee6bc2d63d88ff55028990": {name: "pq-app", metadata: bb(labels...)},
			"bc2b594a8b61715870303aa711604376a29d60c90dede7687642b6949ccd59e7": {name: "pq", metadata: workload.Metadata{}},
			"d24cc7082798c40feecdecd8ace880606bb47b432d2d2d9f975f38fe62dcfb95": {name: "plab", metadata: bb(labels...)},
		},
	} {
		got, err := parseList(bytes.NewReader(captured(t, file)), []string{"a.b"})
		if err != nil {
			t.Error(file, err)
		}
		sameNames(t, file, got, want)
	}
	got, err := parseInstances(bytes.NewReader(captured(t, "incus-instances.json")), nil)
	if err != nil {
		t.Error(err)
	}
	sameNames(t, "incus", got, map[string]told{"c1": {name: "c1", metadata: workload.Metadata{Image: "busybox", Project: "default"}}})
}

// TestCapturedEvents has what they told when containers and a pod were made, and
// one was renamed and removed.
func TestCapturedEvents(t *testing.T) {
	for runtime, want := range map[string]map[string]string{
		"docker": {},
		"podman": {
			"450f734497c1416efe101dc53d9fcb4db2d9da9c49a2c7447873b2c42336bbbb": "bc2b594a8b61-infra",
			"6d38ed6498dd2c502effadcbf4511974cc7d3c0489ee6bc2d63d88ff55028990": "pq-app",
			"bc2b594a8b61715870303aa711604376a29d60c90dede7687642b6949ccd59e7": "pq",
			"d24cc7082798c40feecdecd8ace880606bb47b432d2d2d9f975f38fe62dcfb95": "plab",
		},
	} {
		e := NewEngine(EngineConfig{Runtime: runtime, Labels: []string{"a.b"}})
		seen := map[string]bool{}
		for line := range bytes.Lines(captured(t, runtime+"-events.jsonl")) {
			m, err := decode(line)
			if err != nil {
				t.Fatal(err)
			}
			e.learn(&m)
			for _, told := range e.book.known {
				seen[told.name] = true
			}
		}
		got := map[string]string{}
		for id, told := range e.book.known {
			got[id] = told.name
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", runtime, diff)
		}
		if runtime == "docker" && (!seen["lab2"] || !seen["lab3"]) {
			t.Errorf("a name before and after it was changed: %v", seen)
		}
	}
}
