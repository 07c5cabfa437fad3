package prometheus

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const (
	ruleFiles = "../../dashboards/rules/*.yaml"
	testFiles = "../../dashboards/tests/*.yaml"
	goldens   = "../../collector/testdata/*.prom"
	runbook   = "../../docs/runbook.md"
	online    = "https://github.com/workload-exporter/workload_exporter/blob/main/docs/runbook.md#"
)

// fromElsewhere is what Prometheus and client_golang make, not the collectors.
var fromElsewhere = []string{"up", "workload_exporter_build_info"}

func read(t *testing.T, pattern string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: nothing there (%v)", pattern, err)
	}
	texts := map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(b)
	}
	return texts
}

func allRules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	var list []rulefmt.Rule
	for file, text := range read(t, ruleFiles) {
		groups, errs := rulefmt.Parse([]byte(text), false, model.LegacyValidation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
		if len(errs) != 0 {
			t.Fatal(file, errs)
		}
		for _, g := range groups.Groups {
			list = append(list, g.Rules...)
		}
	}
	return list
}

// selectors is what the series are that a query asks for.
func selectors(t *testing.T, query string) []*parser.VectorSelector {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatal(query, err)
	}
	var list []*parser.VectorSelector
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok {
			list = append(list, v)
		}
		return nil
	})
	return list
}

// TestMetrics has every name in the rules, in their tests and in the runbook be
// one that the exporter exposes or a rule records.
func TestMetrics(t *testing.T) {
	known := map[string]bool{}
	for _, text := range read(t, goldens) {
		for _, m := range regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]`).FindAllStringSubmatch(text, -1) {
			known[m[1]] = true
		}
	}
	if len(known) < 60 {
		t.Fatalf("only %d names in the goldens", len(known))
	}
	for _, name := range fromElsewhere {
		if known[name] {
			t.Errorf("%s needs no exception", name)
		}
		known[name] = true
	}
	list, constants, asked := allRules(t), map[string]bool{}, map[string]bool{}
	for _, r := range list {
		if r.Record == "" {
			continue
		}
		known[r.Record] = true
		if r.Record == threshold {
			constants[r.Labels["name"]] = true
		}
		if strings.Count(r.Record, ":") != 2 {
			t.Errorf("%s is not level:metric:operations", r.Record)
		}
	}
	for _, r := range list {
		for _, v := range selectors(t, r.Expr) {
			if !known[v.Name] {
				t.Errorf("%s%s: nothing exposes %s", r.Record, r.Alert, v.Name)
			}
			if v.Name == threshold {
				asked[v.LabelMatchers[0].Value] = true
			}
		}
	}
	if !maps.Equal(asked, constants) {
		t.Errorf("thresholds that are there and that are asked for:\n%v\n%v", slices.Sorted(maps.Keys(constants)), slices.Sorted(maps.Keys(asked)))
	}
	for file, text := range read(t, testFiles) {
		for _, m := range regexp.MustCompile(`series: '([a-zA-Z_:][a-zA-Z0-9_:]*)`).FindAllStringSubmatch(text, -1) {
			if !known[m[1]] {
				t.Errorf("%s: nothing exposes %s", file, m[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`\b(workload_[a-z0-9_]+|[a-z_]+:[a-z0-9_]+:[a-z0-9_]+)`).FindAllString(read(t, runbook)[runbook], -1) {
		if m != "workload_exporter" && !known[m] {
			t.Errorf("runbook: nothing exposes %s", m)
		}
	}
}

const threshold = "workload:threshold:constant"

// tests is what the files of promtool's tests have.
type tests struct {
	Tests []struct {
		Name        string `yaml:"name"`
		InputSeries []struct {
			Series string `yaml:"series"`
		} `yaml:"input_series"`
		AlertRuleTest []struct {
			EvalTime  model.Duration `yaml:"eval_time"`
			Alertname string         `yaml:"alertname"`
			ExpAlerts []struct {
				ExpLabels map[string]string `yaml:"exp_labels"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

// TestAlerts has every alert tell what it is about and where to read on, and be
// tested: a host where it fires, not before its time, and another where it does
// not.
func TestAlerts(t *testing.T) {
	headings := read(t, runbook)[runbook]
	fires, waits, quiet := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for file, text := range read(t, testFiles) {
		var all tests
		if err := yaml.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(file, err)
		}
		for _, test := range all.Tests {
			still := slices.ContainsFunc(test.InputSeries, func(s struct {
				Series string `yaml:"series"`
			},
			) bool {
				return strings.Contains(s.Series, `instance="quiet"`)
			})
			first := map[string]model.Duration{}
			for _, a := range test.AlertRuleTest {
				if len(a.ExpAlerts) == 0 {
					if _, ok := first[a.Alertname]; !ok {
						first[a.Alertname] = a.EvalTime
					}
					continue
				}
				fires[a.Alertname] = true
				before, ok := first[a.Alertname]
				waits[a.Alertname] = waits[a.Alertname] || ok && before < a.EvalTime
				for _, e := range a.ExpAlerts {
					still = still && e.ExpLabels["instance"] != "quiet"
				}
			}
			for _, a := range test.AlertRuleTest {
				quiet[a.Alertname] = quiet[a.Alertname] || still
			}
		}
	}
	count := 0
	for _, r := range allRules(t) {
		if r.Alert == "" {
			continue
		}
		count++
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" || r.Annotations["runbook_url"] != online+strings.ToLower(r.Alert) {
			t.Errorf("%s: %v", r.Alert, r.Annotations)
		}
		if !strings.Contains(headings, "\n## "+r.Alert+"\n") {
			t.Errorf("%s has no section in the runbook", r.Alert)
		}
		if !fires[r.Alert] || !waits[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: tested to fire %v, to wait %v, to be quiet %v", r.Alert, fires[r.Alert], waits[r.Alert], quiet[r.Alert])
		}
		delete(fires, r.Alert)
	}
	if count < 20 || len(fires) != 0 {
		t.Errorf("%d alerts, and tests of what is none: %v", count, fires)
	}
}
