// Package compose has the tests of packaging/compose: it is what Compose takes, and its parts fit each other.
package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

const dir = "../../packaging/compose"

func load(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{dir + "/compose.yaml"}, cli.WithEnv(env), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

// parse reads a YAML file into what has every field that it may have.
func parse(t *testing.T, path string, into any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestCompose(t *testing.T) {
	if _, err := load(t); err == nil || !strings.Contains(err.Error(), "GRAFANA_PASSWORD") {
		t.Errorf("taken without a password: %v", err)
	}
	project, err := load(t, "GRAFANA_PASSWORD=secret")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"exporter", "prometheus", "grafana"} {
		service, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if service.Privileged || len(service.CapDrop) != 1 || service.CapDrop[0] != "ALL" {
			t.Errorf("%s has more rights than it needs", name)
		}
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, p := range service.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to everybody on port %s", name, p.Published)
			}
		}
	}
	exporter := project.Services["exporter"]
	if exporter.Pid != "host" || exporter.Cgroup != "host" || !exporter.ReadOnly {
		t.Errorf("pid %q, cgroup %q, read-only %t", exporter.Pid, exporter.Cgroup, exporter.ReadOnly)
	}
}

// mounted is where on the host a path of a service's container is.
func mounted(t *testing.T, project *types.Project, service, path string) string {
	t.Helper()
	for _, v := range project.Services[service].Volumes {
		if rest, ok := strings.CutPrefix(path, v.Target); ok && v.Type == types.VolumeTypeBind {
			return v.Source + rest
		}
	}
	t.Fatalf("%s has no %s", service, path)
	return ""
}

// TestProvisioning has what Prometheus and Grafana are told to read be there, and who is named be a service.
func TestProvisioning(t *testing.T) {
	project, err := load(t, "GRAFANA_PASSWORD=secret")
	if err != nil {
		t.Fatal(err)
	}
	var prometheus struct {
		Global        map[string]string `yaml:"global"`
		RuleFiles     []string          `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			StaticConfigs []struct {
				Targets []string          `yaml:"targets"`
				Labels  map[string]string `yaml:"labels"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	parse(t, mounted(t, project, "prometheus", "/etc/prometheus/prometheus.yml"), &prometheus)
	for _, pattern := range prometheus.RuleFiles {
		if files, err := filepath.Glob(mounted(t, project, "prometheus", pattern)); err != nil || len(files) == 0 {
			t.Errorf("%s: no rules: %v", pattern, err)
		}
	}
	if target := prometheus.ScrapeConfigs[0].StaticConfigs[0].Targets[0]; target != "exporter:10075" {
		t.Errorf("scrapes %s", target)
	}
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name      string         `yaml:"name"`
			UID       string         `yaml:"uid"`
			Type      string         `yaml:"type"`
			Access    string         `yaml:"access"`
			URL       string         `yaml:"url"`
			IsDefault bool           `yaml:"isDefault"`
			JSONData  map[string]any `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	parse(t, mounted(t, project, "grafana", "/etc/grafana/provisioning/datasources/workload.yaml"), &sources)
	if len(sources.Datasources) != 1 || sources.Datasources[0].URL != "http://prometheus:9090" || sources.Datasources[0].Type != "prometheus" {
		t.Errorf("data sources %v", sources.Datasources)
	}
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name            string            `yaml:"name"`
			Folder          string            `yaml:"folder"`
			Type            string            `yaml:"type"`
			DisableDeletion bool              `yaml:"disableDeletion"`
			AllowUIUpdates  bool              `yaml:"allowUiUpdates"`
			Options         map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	parse(t, mounted(t, project, "grafana", "/etc/grafana/provisioning/dashboards/workload.yaml"), &providers)
	for _, p := range providers.Providers {
		dashboards := mounted(t, project, "grafana", p.Options["path"]) + "/*.json"
		if files, err := filepath.Glob(dashboards); err != nil || len(files) == 0 {
			t.Errorf("%s: no dashboards: %v", dashboards, err)
		}
	}
}
