// Package helm has the tests of packaging/helm: Helm's own linter and engine, and Kubernetes' schemas.
package helm

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	chart      = "../../packaging/helm/workload-exporter"
	kubernetes = "1.30" // the newest whose schemas kubectl-validate has
)

// each runs a test with the values of each file in ci/.
func each(t *testing.T, test func(t *testing.T, values common.Values)) {
	t.Helper()
	files, err := filepath.Glob(chart + "/ci/*-values.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d values in ci/: %v", len(files), err)
	}
	for _, file := range files {
		values, err := common.ReadValuesFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) { test(t, values) })
	}
}

// render is the chart's manifests, of which each begins with its API version.
func render(t *testing.T, values common.Values) []string {
	t.Helper()
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "test", Namespace: "monitoring", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Render(c, all)
	if err != nil {
		t.Fatal(err)
	}
	var manifests []string
	for name, content := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		documents := yaml.NewYAMLReader(bufio.NewReader(strings.NewReader(content)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if text := strings.TrimSpace(string(document)); text != "" {
				manifests = append(manifests, text+"\n")
			}
		}
	}
	slices.Sort(manifests)
	return manifests
}

func TestLint(t *testing.T) {
	each(t, func(t *testing.T, values common.Values) {
		linter := lint.RunAll(chart, values, "monitoring")
		for _, m := range linter.Messages {
			if m.Severity > support.InfoSev {
				t.Error(m)
			}
		}
	})
}

// TestSchemas holds the manifests to Kubernetes' own schemas, and those of the Prometheus operator to its types.
func TestSchemas(t *testing.T) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	validate := filepath.Join(t.TempDir(), "kubectl-validate")
	build := exec.Command("go", "build", "-o", validate, "sigs.k8s.io/kubectl-validate")
	build.Dir = "../kubectl-validate"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	each(t, func(t *testing.T, values common.Values) {
		dir := t.TempDir()
		kinds := map[string]int{}
		for _, manifest := range render(t, values) {
			_, kind, err := strict.Decode([]byte(manifest), nil, nil)
			if err != nil {
				t.Errorf("%v in\n%s", err, manifest)
				continue
			}
			kinds[kind.Kind]++
			if kind.Group == "monitoring.coreos.com" {
				continue
			}
			name := filepath.Join(dir, kind.Kind+"-"+string(rune('a'+kinds[kind.Kind]))+".yaml")
			if err := os.WriteFile(name, []byte(manifest), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(kinds)
		if out, err := exec.Command(validate, "--version", kubernetes, dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// TestWhole has everything in the chart that it says it has.
func TestWhole(t *testing.T) {
	values, err := common.ReadValuesFile(chart + "/ci/operator-values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(render(t, values), "---\n")
	for _, want := range []string{
		"kind: DaemonSet", "kind: Service\n", "kind: ServiceAccount", "kind: ServiceMonitor", "kind: NetworkPolicy",
		"hostPID: true", "runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false",
		"--web.config.file=/etc/workload_exporter/web.yml", "registry.example/team/workload_exporter@sha256:0000",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not there", want)
		}
	}
	for kind, pattern := range map[string]string{"PrometheusRule": "../../dashboards/rules/*.yaml", "ConfigMap": "../../dashboards/grafana/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		if n := strings.Count(all, "\nkind: "+kind+"\n"); n != len(files) {
			t.Errorf("%d of kind %s for %d files", n, kind, len(files))
		}
	}
}

// TestValuesSchema has the chart refuse what it does not know.
func TestValuesSchema(t *testing.T) {
	c, err := loader.Load(chart)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string]common.Values{
		"misspelt":    {"serviceMonitors": map[string]any{"enabled": true}},
		"no port":     {"port": 0},
		"no interval": {"serviceMonitor": map[string]any{"interval": "often"}},
		"no path":     {"hostPaths": map[string]any{"cgroup": ""}},
		"tag":         {"image": map[string]any{"digest": "latest"}},
	} {
		if _, err := util.ToRenderValues(c, values, common.ReleaseOptions{Name: "test"}, common.DefaultCapabilities); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
