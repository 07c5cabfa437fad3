//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// board is of a dashboard what asks something.
type board struct {
	Templating struct {
		List []struct{ Type, Name, Query, AllValue string }
	}
	Panels []struct {
		Title, Type string
		Targets     []struct {
			Expr, RefID string
			Instant     bool
		}
	}
}

// question is a query with its variables filled in.
type question struct {
	at      string // file, panel and letter
	expr    string
	instant bool
	// series is how many the answer has at least.
	series int
}

// unanswerable are queries that a lab that is minutes old can have no answer to,
// and why. One that does answer, or is not asked, fails the test.
var unanswerable = map[string]string{}

// answered says how many series an answer has to have where one is too few.
var answered = map[string]int{
	// Every row of the 2014 table that has a figure, measured for both kinds.
	"workload-comparison.json: As your hosts measure it A": 5,
	"workload-comparison.json: As your hosts measure it B": 5,
	"workload-comparison.json: As your hosts measure it C": 6,
	"workload-comparison.json: As your hosts measure it D": 6,
	"workload-comparison.json: As your hosts measure it E": 6,
}

// What a dashboard on one workload shows of machines only, and of containers only:
// the lab's machines have no limits, no monitor outside of their cgroup, and no
// second run under the same id.
var (
	ofMachines   = regexp.MustCompile(`\bworkload_vm_`)
	ofContainers = regexp.MustCompile(`\bworkload_(memory_limit_bytes|cpu_(throttled_)?periods_total|overhead_\w+|restarts_total)\b`)
)

// TestDashboards asks a real Prometheus, which scrapes the exporter in the lab and
// evaluates our rules, every query of every panel and variable. Time is made
// short where rules look far back: what they say is computed from minutes.
func TestDashboards(t *testing.T) {
	mayUseSockets(t, asRoot, "docker")
	inLab(t, "workloads down vm-kvm >/dev/null 2>&1; workloads up vm-kvm >/dev/null")
	t.Cleanup(func() { inLab(t, "virsh -q destroy vm-balloon; docker rm -f dash dash-well >/dev/null 2>&1; true") })
	p := startPrometheus(t, 5*time.Second, 10*time.Second, hurried(t)).forwarded(t)

	events(t)
	var pending []question
	var early string
	begin := time.Now()
	defer func() {
		if pending == nil {
			t.Log(early)
		}
	}()
	eventually(t, "all queries to be answered", 4*time.Minute, func() bool {
		if pending == nil {
			if pending, early = questions(t, p); pending == nil {
				return false
			}
			t.Logf("%d queries", len(pending))
			for at := range answered {
				if !slices.ContainsFunc(pending, func(q question) bool { return q.at == at }) {
					t.Errorf("%s is not asked", at)
				}
			}
		}
		pending = slices.DeleteFunc(pending, func(q question) bool { return q.answered(t, p) })
		missing := slices.DeleteFunc(slices.Clone(pending), func(q question) bool { return unanswerable[q.at] != "" })
		if len(missing) > 0 && time.Since(begin) > 4*time.Minute-10*time.Second {
			for _, q := range missing {
				t.Errorf("%s has no answer: %s", q.at, q.expr)
			}
			return true
		}
		return len(missing) == 0
	})
	for at, why := range unanswerable {
		if !slices.ContainsFunc(pending, func(q question) bool { return q.at == at }) {
			t.Errorf("%s is answered, or not asked, and should not be (%s)", at, why)
		}
	}
}

// hurried are the rules with a user's own thresholds, and each group's interval as
// short as the others': a quantile of any number of durations, a slope of any
// worth, from workloads that are ten seconds old.
func hurried(t *testing.T) map[string]string {
	t.Helper()
	rules := rulesAsShipped(t)
	for name, value := range map[string]float64{
		"settle_seconds": 10, "quantile_min_events": 0,
		"marginal_min_variance": 0, "marginal_min_r2": -1, "marginal_min_stderrs": 0, "marginal_min_independence": -1,
	} {
		withThreshold(t, rules, name, value)
	}
	const group = `(?m)^ +interval: .*\n`
	replace(t, rules, "lifecycle.yaml", group, "")
	replace(t, rules, "marginal.yaml", group, "")
	// A day of samples five minutes apart is one of samples ten seconds apart.
	replace(t, rules, "lifecycle.yaml", `\[1d:5m\]`, "[1d:10s]")
	return rules
}

// events has a workload of either kind live through all phases, twice: what is
// seen for the first time has not increased.
func events(t *testing.T) {
	t.Helper()
	seen := func(kind, phase string, n uint64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s: %s, %d times", kind, phase, n), 5*time.Minute, func() bool {
			have, _ := takeScrape(t).observed(labels{"kind": kind, "phase": phase})
			return have >= n
		})
	}
	// A container whose health is looked at is never quiet.
	well := func(name string) {
		inLab(t, "docker run -d --name %s --health-cmd true --health-interval 5s bb:1 /bin/sleep 100000 >/dev/null", name)
	}
	inLab(t, "workloads up vm-balloon >/dev/null")
	inLab(t, `docker run -d --name dash --memory 64m --cpus 0.5 bb:1 \
		/bin/sh -c 'trap "exit 0" TERM; dd if=/dev/zero of=/x bs=64k count=16 conv=fsync 2>/dev/null; while :; do sleep 1; done' >/dev/null`)
	well("dash-well")
	seen("vm", "start_to_guest_up", 1)
	inLab(t, "virsh -q reset vm-balloon; docker restart dash >/dev/null")
	seen("vm", "reboot", 1)
	inLab(t, "virsh -q reset vm-balloon")
	seen("container", "start_to_settled", 1)
	inLab(t, "docker rm -f dash-well >/dev/null; docker restart dash >/dev/null")
	well("dash-well")
	seen("vm", "reboot", 2)
}

func boards(t *testing.T) map[string]board {
	t.Helper()
	paths, err := filepath.Glob("../dashboards/grafana/*.json")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d dashboards: %v", len(paths), err)
	}
	list := map[string]board{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		list[filepath.Base(path)] = decoded[board](t, string(content))
	}
	return list
}

// questions fills in the variables, with what they answer: it is nil as long as
// one has no answer, which is said. Grafana's own are a graph of the last minutes.
func questions(t *testing.T, p prometheus) (list []question, early string) {
	t.Helper()
	for file, b := range boards(t) {
		for _, who := range []string{"vm-balloon", "dash"} {
			filled := strings.NewReplacer(grafana...)
			var values []string
			for _, v := range b.Templating.List {
				if v.Type == "datasource" {
					continue
				}
				call := labelValues.FindStringSubmatch(v.Query)
				if call == nil {
					t.Fatalf("%s: %s asks %s", file, v.Name, v.Query)
				}
				answer, err := p.values(filled.Replace(call[1]), call[2])
				if err != nil {
					t.Fatalf("%s: %s: %v", file, v.Name, err)
				}
				want := map[string]string{"name": who, "kind": kindOf[who], "job": "workload", "instance": "127.0.0.1:10075"}[v.Name]
				if want == "" {
					t.Fatalf("%s: nobody knows what $%s is", file, v.Name)
				}
				if !slices.Contains(answer, want) {
					return nil, fmt.Sprintf("%s: %s is not among %v", file, v.Name, answer)
				}
				values = append(values, "$"+v.Name, want)
				filled = strings.NewReplacer(append(slices.Clone(grafana), values...)...)
			}
			single := slices.Contains(values, "$name")
			for _, panel := range b.Panels {
				for _, target := range panel.Targets {
					q := question{at: fmt.Sprintf("%s: %s %s", file, panel.Title, target.RefID), expr: filled.Replace(target.Expr), instant: target.Instant}
					q.series = max(1, answered[q.at])
					if strings.Contains(strings.ReplaceAll(q.expr, `"$`, ""), "$") {
						t.Errorf("%s: a variable is left: %s", q.at, q.expr)
					}
					if single {
						if who == "dash" && ofMachines.MatchString(target.Expr) || who != "dash" && ofContainers.MatchString(target.Expr) {
							continue
						}
						q.at += ", " + who
					}
					list = append(list, q)
				}
			}
			if !single {
				break
			}
		}
	}
	return list, ""
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z]+)\)$`)
	kindOf      = map[string]string{"vm-balloon": "vm", "dash": "container"}
	grafana     = []string{"$__rate_interval", "1m", "$__range", "30m"}
)

// answered asks. A query that is refused is wrong, and not early.
func (q question) answered(t *testing.T, p prometheus) bool {
	t.Helper()
	var list []result
	var err error
	if q.instant {
		list, err = p.query(q.expr)
	} else {
		list, err = p.over(q.expr, 5*time.Minute, 5*time.Second)
	}
	if err != nil {
		t.Fatalf("%s: %v: %s", q.at, err, q.expr)
	}
	return len(list) >= q.series
}
