package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

const (
	committed = "../../dashboards/grafana"
	goldens   = "../../collector/testdata/*.prom"
	rules     = "../../dashboards/rules/*.yaml"
)

// model is of a dashboard what the tests look at.
type model struct {
	UID, Title, Description string
	Editable                *bool
	Tags                    []string
	Inputs                  any `json:"__inputs"`
	SchemaVersion           int
	Links                   []struct {
		Type string
		Tags []string
	}
	Templating struct{ List []variable }
	Panels     []panel
}

type variable struct {
	Type, Name, Label, Query, AllValue string
	Multi, IncludeAll                  bool
	Refresh                            int
	Datasource                         reference
}

type reference struct{ Type, UID string }

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               reference
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Targets                  []struct {
		Expr, RefID string
		Datasource  reference
	}
}

func boards(t *testing.T) map[string]model {
	t.Helper()
	paths, err := filepath.Glob(committed + "/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	list := map[string]model{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m model
		if err := json.Unmarshal(content, &m); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list[filepath.Base(path)] = m
	}
	return list
}

// TestCommitted has the files be what the generator makes, no more and no less.
func TestCommitted(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	have := boards(t)
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(committed, name))
		if err != nil || string(got) != string(content) {
			t.Errorf("%s is not what the generator makes; run make dashboards (%v)", name, err)
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("nothing makes %s", name)
	}
}

// rateInterval is a range that no query has by itself.
const rateInterval = 13 * time.Minute

// fill puts a value in the place of each variable, as Grafana does.
func fill(m model, expr string) string {
	values := []string{"$__rate_interval", rateInterval.String(), "$__range", "6h"}
	for _, v := range m.Templating.List {
		values = append(values, "$"+v.Name, "x")
	}
	return strings.NewReplacer(values...).Replace(expr)
}

// each calls do with every query, parsed.
func each(t *testing.T, do func(file, panel string, query parser.Expr)) {
	t.Helper()
	promql := parser.NewParser(parser.Options{})
	for file, m := range boards(t) {
		for _, p := range m.Panels {
			for _, target := range p.Targets {
				query, err := promql.ParseExpr(fill(m, target.Expr))
				if err != nil {
					t.Errorf("%s: %s: %v", file, p.Title, err)
					continue
				}
				do(file, p.Title, query)
			}
		}
	}
}

// fromElsewhere are the metrics in queries that no golden exposition has.
var fromElsewhere = map[string]string{
	"up":                            "Prometheus",
	"scrape_duration_seconds":       "Prometheus",
	"scrape_samples_scraped":        "Prometheus",
	"process_cpu_seconds_total":     "client_golang",
	"process_resident_memory_bytes": "client_golang",
	"go_goroutines":                 "client_golang",
	"workload_exporter_build_info":  "prometheus/common; its labels are the build's, so no golden has it",
}

func namesIn(t *testing.T, pattern, expression string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(expression).FindAllSubmatch(content, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}

// TestMetrics has every name be one that the exporter exposes or a rule records.
func TestMetrics(t *testing.T) {
	known := namesIn(t, goldens, `(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]`)
	if len(known) < 60 {
		t.Fatalf("only %d names in the goldens", len(known))
	}
	maps.Copy(known, namesIn(t, rules, `record: "?([a-z_:0-9]+)`))
	used := map[string]bool{}
	each(t, func(file, panel string, query parser.Expr) {
		parser.Inspect(query, func(n parser.Node, _ []parser.Node) error {
			if v, ok := n.(*parser.VectorSelector); ok {
				used[v.Name] = true
				if !known[v.Name] && fromElsewhere[v.Name] == "" {
					t.Errorf("%s: %s: nothing exposes %s", file, panel, v.Name)
				}
			}
			return nil
		})
	})
	for name := range fromElsewhere {
		if !used[name] || known[name] {
			t.Errorf("%s needs no exception", name)
		}
	}
}

func matches(v *parser.VectorSelector, label string) bool {
	for _, m := range v.LabelMatchers {
		if m.Name == label {
			return true
		}
	}
	return false
}

// TestQueries has the rules of Grafana's dashboard-linter for targets.
func TestQueries(t *testing.T) {
	each(t, func(file, panel string, query parser.Expr) {
		parser.Inspect(query, func(n parser.Node, path []parser.Node) error {
			function := ""
			for _, p := range path {
				if call, ok := p.(*parser.Call); ok {
					function = call.Func.Name
				}
			}
			switch n := n.(type) {
			case *parser.VectorSelector:
				for _, label := range []string{"job", "instance"} {
					if !matches(n, label) {
						t.Errorf("%s: %s: %s without %s", file, panel, n.Name, label)
					}
				}
				if strings.HasSuffix(n.Name, "_total") && !strings.Contains(n.Name, ":") && !slices.Contains([]string{"rate", "irate", "increase"}, function) {
					t.Errorf("%s: %s: %s is a counter without a rate", file, panel, n.Name)
				}
			case *parser.MatrixSelector:
				if (function == "rate" || function == "irate") && n.Range != rateInterval {
					t.Errorf("%s: %s: a rate over other than $__rate_interval", file, panel)
				}
			}
			return nil
		})
	})
}

// TestVariables has the linter's rules for templates.
func TestVariables(t *testing.T) {
	for file, m := range boards(t) {
		if len(m.Templating.List) < 3 {
			t.Fatalf("%s: %d variables", file, len(m.Templating.List))
		}
		if v := m.Templating.List[0]; v.Type != "datasource" || v.Name != "datasource" || v.Query != "prometheus" || v.Label != "Data source" {
			t.Errorf("%s: no data source to choose: %+v", file, v)
		}
		for i, v := range m.Templating.List[1:] {
			if i < 2 && (v.Name != []string{"job", "instance"}[i] || !v.Multi || !v.IncludeAll || v.AllValue != ".+") {
				t.Errorf("%s: %+v", file, v)
			}
			if v.Type != "query" || v.Label != v.Name || v.Datasource.UID != "${datasource}" || v.Refresh != 2 {
				t.Errorf("%s: %+v", file, v)
			}
			call := regexp.MustCompile(`^label_values\((.+), ([a-z]+)\)$`).FindStringSubmatch(v.Query)
			if call == nil || call[2] != v.Name {
				t.Fatalf("%s: %s: %s", file, v.Name, v.Query)
			}
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(fill(m, call[1])); err != nil {
				t.Errorf("%s: %s: %v", file, v.Name, err)
			}
		}
	}
}

// TestPanels has the linter's rules for panels, and that they do not overlap.
func TestPanels(t *testing.T) {
	known := []string{short, bytes, seconds, share, "dateTimeFromNow", "binBps"}
	for file, m := range boards(t) {
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range m.Panels {
			if ids[p.ID] || p.ID == 0 {
				t.Errorf("%s: %s: id %d twice or none", file, p.Title, p.ID)
			}
			ids[p.ID] = true
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok || x >= gridWidth {
						t.Fatalf("%s: %s lies on %s, or outside", file, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
			if p.Type == "row" {
				continue
			}
			if p.Title == "" || p.Description == "" {
				t.Errorf("%s: panel %d (%s) has no title or description", file, p.ID, p.Title)
			}
			if p.Type == "text" {
				continue
			}
			if !slices.Contains(known, p.FieldConfig.Defaults.Unit) {
				t.Errorf("%s: %s: unit %q", file, p.Title, p.FieldConfig.Defaults.Unit)
			}
			if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
				t.Errorf("%s: %s: %d targets, data source %q", file, p.Title, len(p.Targets), p.Datasource.UID)
			}
			for i, target := range p.Targets {
				if target.Datasource.UID != "${datasource}" || target.RefID != refID(i) {
					t.Errorf("%s: %s: %+v", file, p.Title, target)
				}
			}
		}
	}
}

// TestBoards has what a dashboard that is provisioned needs.
func TestBoards(t *testing.T) {
	for file, m := range boards(t) {
		if m.UID+".json" != file || m.Title == "" || m.Description == "" || m.Inputs != nil || m.SchemaVersion < 39 {
			t.Errorf("%s: %q %q %d", file, m.UID, m.Title, m.SchemaVersion)
		}
		if m.Editable == nil || *m.Editable {
			t.Errorf("%s can be edited", file)
		}
		if !slices.Contains(m.Tags, tag) || len(m.Links) != 1 || m.Links[0].Type != "dashboards" || !slices.Contains(m.Links[0].Tags, tag) {
			t.Errorf("%s: no way to the others: %v %+v", file, m.Tags, m.Links)
		}
	}
}
