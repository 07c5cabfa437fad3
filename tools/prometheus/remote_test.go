package prometheus

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestRemoteWrite has two exporters on captured trees, a Prometheus that
// scrapes both, and a second one that is only written to and has the rules: the
// fleet dashboard's queries are answered there.
func TestRemoteWrite(t *testing.T) {
	bin := t.TempDir()
	build(t, "../..", filepath.Join(bin, "workload_exporter"), ".")
	build(t, ".", filepath.Join(bin, "prometheus"), "github.com/prometheus/prometheus/cmd/prometheus")
	tree, rules := absolute(t, "../../cgroupfs/testdata/lab"), absolute(t, "../../dashboards/rules")

	hosts := []string{address(t), address(t)}
	for _, host := range hosts {
		start(t, filepath.Join(bin, "workload_exporter"), "--web.listen-address="+host, "--path.cgroupfs="+tree,
			"--path.rundir="+t.TempDir(), "--no-libvirt", "--log.level=error")
	}
	engine := address(t)
	startPrometheus(t, bin, engine, fmt.Sprintf("global: {evaluation_interval: 1s}\nrule_files: ['%s/*.yaml']\n", rules), "--web.enable-remote-write-receiver")
	startPrometheus(t, bin, address(t), fmt.Sprintf(`
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: workload
    static_configs: [{targets: ['%s']}]
remote_write: [{url: 'http://%s/api/v1/write'}]
`, strings.Join(hosts, "', '"), engine))

	deadline := time.Now().Add(2 * time.Minute)
	until := func(query string) {
		t.Helper()
		for results(t, engine, query) == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%s: nothing", query)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	until("count(workload_host_cpu_cores) == 2")
	until("sum(workload_host_workloads{state='running'}) == 24")
	until("count(rate(workload_cpu_usage_seconds_total[10s])) == 24")
	until("count(host_kind:workloads_per_core:ratio{kind='vm'}) == 2")
	until("fleet_kind:workloads:sum{kind='container'} == 20")

	// The last of those that need each other, and of those that need two samples.
	until("count(host_kind:headroom_workloads:min) == 4")
	until("count(host_kind:cpu_per_workload_cores:max) == 4")

	queries := dashboardQueries(t, "../../dashboards/grafana/workload-density.json")
	for _, query := range queries {
		if results(t, engine, query) == 0 {
			t.Errorf("%s: nothing", query)
		}
	}
	t.Logf("%d queries of the fleet dashboard", len(queries))
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func build(t *testing.T, dir, to, what string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", to, what)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// address is one that nobody listens on.
func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program until the test ends.
func start(t *testing.T, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), output.String())
		}
	})
}

func startPrometheus(t *testing.T, bin, address, config string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start(t, filepath.Join(bin, "prometheus"), append(args, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")...)
}

// results is how many series a query has: none as long as nobody answers.
func results(t *testing.T, engine, query string) int {
	t.Helper()
	resp, err := http.Get("http://" + engine + "/api/v1/query?" + url.Values{"query": {query}}.Encode())
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		return 0
	}
	var answer struct {
		Status string
		Data   struct{ Result []any }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %s: %s", query, resp.Status, body)
	}
	return len(answer.Data.Result)
}

// dashboardQueries is a dashboard's queries, for all jobs and instances.
func dashboardQueries(t *testing.T, path string) []string {
	t.Helper()
	var queries []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, v := range v {
				if s, ok := v.(string); ok && k == "expr" {
					queries = append(queries, strings.NewReplacer("$job", ".+", "$instance", ".+", "$__rate_interval", "10s", "$__range", "1m").Replace(s))
				}
				walk(v)
			}
		case []any:
			for _, v := range v {
				walk(v)
			}
		}
	}
	var dashboard any
	if err := json.Unmarshal([]byte(read(t, path)[path]), &dashboard); err != nil {
		t.Fatal(err)
	}
	walk(dashboard)
	if len(queries) == 0 {
		t.Fatalf("%s has no queries", path)
	}
	return queries
}
