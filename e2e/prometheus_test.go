//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// prometheus is one in the lab that scrapes the exporter and evaluates our rules.
// It is Debian's, 2.53: what it takes, those of today take (make rules asks the
// engine of one).
type prometheus struct {
	// fetch GETs a path of its API.
	fetch func(path string) ([]byte, error)
}

// startPrometheus starts it with rules by their file's name. It ends with the test.
func startPrometheus(t *testing.T, scrape, evaluate time.Duration, rules map[string]string) prometheus {
	t.Helper()
	const dir = "/run/lab/prometheus"
	inLab(t, "rm -rf %[1]s && mkdir -p %[1]s", dir)
	put := func(name, content string) {
		t.Helper()
		inLab(t, "cat >%s/%s <<'END-OF-FILE'\n%s\nEND-OF-FILE", dir, name, content)
	}
	for name, content := range rules {
		put(name, content)
	}
	put("prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: %s, evaluation_interval: %s}
rule_files: [%s/*.yaml]
scrape_configs: [{job_name: workload, static_configs: [{targets: ["127.0.0.1:10075"]}]}]
`, scrape, evaluate, dir))
	inLab(t, "promtool check config %s/prometheus.yml", dir)
	t.Cleanup(func() { inLab(t, "systemctl stop lab-prometheus; rm -rf %s", dir) })
	inLab(t, `systemd-run --quiet --collect --unit=lab-prometheus prometheus --config.file=%[1]s/prometheus.yml \
		--storage.tsdb.path=%[1]s/data --web.listen-address=127.0.0.1:9090`, dir)
	p := prometheus{fetch: func(path string) ([]byte, error) {
		out, err := lab("curl -sS 'http://127.0.0.1:9090/api/v1/" + path + "'")
		return []byte(out), err
	}}
	eventually(t, "Prometheus to have scraped", 2*time.Minute, func() bool {
		list, err := p.query("up == 1")
		return err == nil && len(list) == 1
	})
	return p
}

// forwarded is the same for many questions.
func (p prometheus) forwarded(t *testing.T) prometheus {
	t.Helper()
	port, err := script("forward", "9090")
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: time.Minute}
	return prometheus{fetch: func(path string) ([]byte, error) {
		resp, err := client.Get("http://127.0.0.1:" + strings.TrimSpace(port) + "/api/v1/" + path)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}}
}

// result is one series of an answer, with its last value.
type result struct {
	labels labels
	value  float64
}

// query asks for what is now, and leaves out what is no number.
func (p prometheus) query(expr string) ([]result, error) {
	return p.results("query", url.Values{"query": {expr}})
}

// over asks for the last while, as a graph does.
func (p prometheus) over(expr string, last, step time.Duration) ([]result, error) {
	end := time.Now()
	return p.results("query_range", url.Values{
		"query": {expr}, "start": {unix(end.Add(-last))}, "end": {unix(end)}, "step": {step.String()},
	})
}

// values lists those of a label among series.
func (p prometheus) values(series, label string) (list []string, err error) {
	return list, p.get("label/"+label+"/values", url.Values{"match[]": {series}}, &list)
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1e3, 'f', 3, 64) }

func (p prometheus) results(path string, form url.Values) ([]result, error) {
	var data struct {
		Result []struct {
			Metric labels
			Value  [2]any
			Values [][2]any
		}
	}
	if err := p.get(path, form, &data); err != nil {
		return nil, err
	}
	var list []result
	for _, r := range data.Result {
		for i := len(r.Values) - 1; i >= 0 && r.Value[1] == nil; i-- {
			if r.Values[i][1] != "NaN" {
				r.Value = r.Values[i]
			}
		}
		text, _ := r.Value[1].(string)
		if v, err := strconv.ParseFloat(text, 64); err == nil && v == v {
			list = append(list, result{r.Metric, v})
		}
	}
	return list, nil
}

func (p prometheus) get(path string, form url.Values, into any) error {
	body, err := p.fetch(path + "?" + form.Encode())
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	if answer.Status != "success" {
		return errors.New(answer.Error)
	}
	return nil
}

// rulesAsShipped are the rules by their file's name.
func rulesAsShipped(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob("../dashboards/rules/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	rules := map[string]string{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rules[filepath.Base(path)] = string(content)
	}
	return rules
}

// withThreshold changes one of the numbers that a user may change, where he would.
func withThreshold(t *testing.T, rules map[string]string, name string, value float64) {
	t.Helper()
	const file = "thresholds.yaml"
	replace(t, rules, file, `(labels: \{name: `+name+`\}, expr: vector)\([^)]*\)`, fmt.Sprintf("${1}(%v)", value))
}

// replace fails if there is nothing to replace.
func replace(t *testing.T, rules map[string]string, file, pattern, by string) {
	t.Helper()
	was := rules[file]
	rules[file] = regexp.MustCompile(pattern).ReplaceAllString(was, by)
	if rules[file] == was {
		t.Fatalf("%s: no %s", file, pattern)
	}
}
