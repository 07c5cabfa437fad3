package status

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/net/html"
)

// scrapes answers with one exposition after the other, the last for ever.
type scrapes struct {
	t    *testing.T
	text []string
	took int
	now  time.Time
}

func (s *scrapes) gather() ([]*dto.MetricFamily, func(), error) {
	s.t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := parser.TextToMetricFamilies(strings.NewReader(s.text[min(s.took, len(s.text)-1)]))
	if err != nil {
		s.t.Fatal(err)
	}
	s.took++
	var list []*dto.MetricFamily
	for _, f := range byName {
		list = append(list, f)
	}
	return list, func() {}, nil
}

// sleep lets the clock go on.
func (s *scrapes) sleep(ctx context.Context, d time.Duration) error {
	s.now = s.now.Add(d)
	return ctx.Err()
}

func newPage(t *testing.T, text ...string) (*Page, *scrapes) {
	t.Helper()
	s := &scrapes{t: t, text: text, now: time.Unix(1_700_000_000, 0)}
	return New(Config{
		Gather: s.gather, Version: "v1", Links: []Link{{"/metrics", "Metrics"}, {"/-/healthy", "Healthy"}},
		Now: func() time.Time { return s.now }, Sleep: s.sleep,
	}), s
}

// get asks for the page and parses it.
func get(t *testing.T, p *Page) (*httptest.ResponseRecorder, *html.Node) {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	doc, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return w, doc
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is what a reader sees of a node.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && (d.Parent == nil || d.Parent.Data != "style") {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func all(doc *html.Node, tag string) []*html.Node {
	var list []*html.Node
	for d := range doc.Descendants() {
		if d.Type == html.ElementNode && d.Data == tag {
			list = append(list, d)
		}
	}
	return list
}

// table is the cells of one, by its id.
func table(doc *html.Node, id string) [][]string {
	var rows [][]string
	for _, n := range all(doc, "table") {
		if attribute(n, "id") != id {
			continue
		}
		for _, row := range all(n, "tr") {
			var cells []string
			for c := range row.ChildNodes() {
				cells = append(cells, text(c))
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

func golden(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../collector/testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	// What differs from run to run has no value there.
	return regexp.MustCompile(`(?m)^[^#\n]*\} ?\n`).ReplaceAllString(string(b), "")
}

const before = `
workload_cpu_usage_seconds_total{id="a",kind="container",name="web",runtime="docker"} 10
workload_overhead_cpu_seconds_total{id="a",kind="container",name="web",runtime="docker"} 1
workload_cpu_usage_seconds_total{id="b",kind="vm",name="db",runtime="libvirt"} 100
workload_host_cpu_usage_seconds_total 1000
workload_pressure_cpu_waiting_seconds_total{id="b",kind="vm",name="db",runtime="libvirt"} 7
`

const after = `
workload_cpu_usage_seconds_total{id="a",kind="container",name="web",runtime="docker"} 10.05
workload_overhead_cpu_seconds_total{id="a",kind="container",name="web",runtime="docker"} 1.05
workload_cpu_usage_seconds_total{id="b",kind="vm",name="db",runtime="libvirt"} 100.75
workload_pressure_cpu_waiting_seconds_total{id="b",kind="vm",name="db",runtime="libvirt"} 7.125
workload_memory_unreclaimable_bytes{id="a",kind="container",name="web",runtime="docker"} 1048576
workload_overhead_memory_bytes{id="a",kind="container",name="web",runtime="docker"} 524288
workload_memory_resident_bytes{id="b",kind="vm",name="db",runtime="libvirt"} 1073741824
workload_memory_unreclaimable_bytes{id="b",kind="vm",name="db",runtime="libvirt"} 536870912
workload_start_timestamp_seconds{id="b",kind="vm",name="db",runtime="libvirt"} 1699996400
workload_host_cpu_cores 4
workload_host_cpu_threads 8
workload_host_cpu_usage_seconds_total 1001
workload_host_memory_total_bytes 8589934592
workload_host_workloads{kind="container",runtime="docker",state="running"} 1
workload_host_workloads{kind="container",runtime="docker",state="paused"} 2
workload_host_workloads{kind="vm",runtime="libvirt",state="running"} 1
workload_host_image_bytes{kind="container",runtime="docker",sharing="unique"} 1024
workload_host_image_bytes{kind="container",runtime="docker",sharing="shared"} 1024
workload_source_up{source="cgroup"} 1
workload_source_up{source="libvirt"} 0
workload_source_age_seconds{source="libvirt"} 125
# TYPE workload_lifecycle_duration_seconds histogram
workload_lifecycle_duration_seconds_bucket{kind="container",phase="create_to_started",runtime="docker",source="cgroup",outcome="",le="0.1"} 0
workload_lifecycle_duration_seconds_bucket{kind="container",phase="create_to_started",runtime="docker",source="cgroup",outcome="",le="0.2"} 4
workload_lifecycle_duration_seconds_bucket{kind="container",phase="create_to_started",runtime="docker",source="cgroup",outcome="",le="+Inf"} 4
workload_lifecycle_duration_seconds_count{kind="container",phase="create_to_started",runtime="docker",source="cgroup",outcome=""} 4
workload_lifecycle_duration_seconds_bucket{kind="container",phase="create_to_started",runtime="docker",source="engine",outcome="",le="0.1"} 0
workload_lifecycle_duration_seconds_bucket{kind="container",phase="create_to_started",runtime="docker",source="engine",outcome="",le="0.2"} 0
workload_lifecycle_duration_seconds_bucket{kind="container",phase="create_to_started",runtime="docker",source="engine",outcome="",le="+Inf"} 40
workload_lifecycle_duration_seconds_count{kind="container",phase="create_to_started",runtime="docker",source="engine",outcome=""} 40
`

// TestSideBySide has known numbers in both columns.
func TestSideBySide(t *testing.T) {
	p, _ := newPage(t, before, after)
	_, doc := get(t, p)
	got := map[string][]string{}
	for _, row := range table(doc, "kinds")[1:] {
		got[row[0]] = row[1:]
	}
	for name, want := range map[string][]string{
		"Running":                                                      {"1, 2 paused", "1"},
		"CPU cores in use, overhead included":                          {"0.200", "1.500"},
		"Memory resident all that is charged":                          {"-", "1.0 GiB"},
		"Memory unreclaimable cannot be taken back":                    {"1.0 MiB", "512.0 MiB"},
		"Memory overhead outside the workload's cgroup":                {"512.0 KiB", "-"},
		"Memory of one mean, unreclaimable and overhead":               {"1.5 MiB", "512.0 MiB"},
		"CPU pressure time in which the mean one waited":               {"-", "25.0 %"},
		"Start created, to running; median since the exporter's start": {"0.15 s", "-"},
		"Images on disk, what is shared once":                          {"2.0 KiB", "-"},
	} {
		if !slices.Equal(got[name], want) {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("rows without a number: %q", got)
	}
	if got, want := table(doc, "workloads")[1:], [][]string{
		{"db vm libvirt b", "1.500", "512.0 MiB", "-", "1.0 GiB", "25.0 %", "1 h 0 min"},
		{"web container docker a", "0.200", "1.5 MiB", "-", "-", "-", "-"},
	}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("workloads %q, want %q", got, want)
	}
	if got, want := text(all(doc, "ul")[0]), "up cgroup down libvirt heard 2 min 5 s ago"; got != want {
		t.Errorf("sources %q, want %q", got, want)
	}
	if got, want := text(all(doc, "dl")[0]), "Cores 4 Threads 8 CPU used 2.000 Memory 8.0 GiB"; got != want {
		t.Errorf("host %q, want %q", got, want)
	}
	var links []string
	for _, a := range all(doc, "a") {
		links = append(links, attribute(a, "href"))
	}
	if !slices.Equal(links, []string{"/metrics", "/-/healthy"}) {
		t.Errorf("links %q", links)
	}
}

// TestRestarted has no rate of a counter that fell: it is another run's.
func TestRestarted(t *testing.T) {
	p, _ := newPage(t, after, before)
	_, doc := get(t, p)
	for _, row := range table(doc, "workloads")[1:] {
		if row[1] != unknown {
			t.Errorf("%s: CPU %s", row[0], row[1])
		}
	}
}

// TestGoldens has every exposition that the collectors are tested with become a page, the hostile one too.
func TestGoldens(t *testing.T) {
	paths, err := filepath.Glob("../collector/testdata/*.prom")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no expositions: %v", err)
	}
	for _, path := range paths {
		p, _ := newPage(t, golden(t, filepath.Base(path)))
		_, doc := get(t, p)
		if len(table(doc, "kinds")) < 2 && path != "../collector/testdata/lifecycle.prom" {
			t.Errorf("%s: no table", path)
		}
	}
}

// TestHostileNames has names stay text.
func TestHostileNames(t *testing.T) {
	const evil = `<script>alert(1)</script>'\"><img src=x onerror=alert(2)>{{.}}` + "\u202e"
	p, _ := newPage(t, fmt.Sprintf("workload_tasks 1\nworkload_memory_resident_bytes{id=\"%s\",kind=\"%s\",name=\"%s\",runtime=\"%s\"} 1\nworkload_source_up{source=\"%s\"} 1\n",
		evil, evil, evil, evil, evil))
	w, doc := get(t, p)
	for _, tag := range []string{"script", "img", "iframe", "object", "form"} {
		if len(all(doc, tag)) > 0 {
			t.Errorf("a <%s> in the page", tag)
		}
	}
	for n := range doc.Descendants() {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || strings.Contains(a.Val, "alert") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	if !strings.Contains(text(doc), "<script>alert(1)</script>") {
		t.Errorf("the name is not there as text: %s", w.Body)
	}
}

// TestPolicy has nothing in the page that the policy forbids: the style's hash, no script, no address elsewhere.
func TestPolicy(t *testing.T) {
	p, _ := newPage(t, before, after)
	w, doc := get(t, p)
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(csp, "default-src 'none'; ") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	styles := all(doc, "style")
	if len(styles) != 1 {
		t.Fatalf("%d styles", len(styles))
	}
	sum := sha256.Sum256([]byte(styles[0].FirstChild.Data))
	if want := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(csp, want) {
		t.Errorf("the style is %s, the policy %s", want, csp)
	}
	if strings.Contains(w.Body.String(), "://") {
		t.Error("an address elsewhere")
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

// TestManyWorkloads has the list end, and say so.
func TestManyWorkloads(t *testing.T) {
	var text strings.Builder
	text.WriteString("# TYPE workload_memory_resident_bytes gauge\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "workload_memory_resident_bytes{id=\"%d\",kind=\"container\",name=\"x\",runtime=\"docker\"} %d\n", i, i)
	}
	p, _ := newPage(t, text.String())
	w, doc := get(t, p)
	if got := len(table(doc, "workloads")) - 1; got != listed {
		t.Errorf("%d workloads", got)
	}
	if !strings.Contains(w.Body.String(), "And 800 more") {
		t.Error("nothing says that there are more")
	}
}

// TestOnlyWhileLookedAt counts scrapes: none before a look, one each ten seconds after it, none a minute later.
func TestOnlyWhileLookedAt(t *testing.T) {
	p, s := newPage(t, before, after)
	ctx, stop := context.WithCancel(t.Context())
	asleep, wake := make(chan struct{}), make(chan struct{})
	p.cfg.Sleep = func(ctx context.Context, d time.Duration) error {
		if d == every {
			select {
			case asleep <- struct{}{}:
				<-wake
			case <-ctx.Done():
			}
		}
		return s.sleep(ctx, d)
	}
	ended, read := make(chan error), make(chan struct{}, 100)
	if s.took != 0 {
		t.Fatalf("%d scrapes before anybody looked", s.took)
	}
	get(t, p)
	if s.took != 2 {
		t.Errorf("%d scrapes for the first look, want 2", s.took)
	}
	get(t, p)
	if s.took != 2 {
		t.Errorf("%d scrapes for two looks in one second, want 2", s.took)
	}
	p.cfg.Gather = func() ([]*dto.MetricFamily, func(), error) {
		defer func() { read <- struct{}{} }()
		return s.gather()
	}
	go func() { ended <- p.Run(ctx) }()
	const more = int(attention / every)
	for range more {
		<-asleep
		wake <- struct{}{}
		<-read
	}
	if p.watched() {
		t.Error("still watched")
	}
	stop()
	if err := <-ended; err == nil {
		t.Error("Run ended by itself")
	}
	if s.took != 2+more {
		t.Errorf("%d scrapes in a minute, want %d", s.took, 2+more)
	}
	if len(p.history) != 1+more {
		t.Errorf("%d moments", len(p.history))
	}
	_, doc := get(t, p)
	if got := len(all(doc, "polyline")); got != 6 {
		t.Errorf("%d lines, want two in each of three plots", got)
	}
}

// TestHistoryEnds has the plots keep what they show, however often is read.
func TestHistoryEnds(t *testing.T) {
	var h history
	at := time.Unix(0, 0)
	for range 1000 {
		at = at.Add(every)
		if h.due(at.Add(-every / 2)) {
			h = h.keep(moment{at: at})
		}
	}
	if len(h) != int(window/every)+1 || at.Sub(h[0].at) > window {
		t.Errorf("%d moments since %v", len(h), at.Sub(h[0].at))
	}
	if h.due(at.Add(time.Second)) {
		t.Error("a moment each second")
	}
}

// TestCancelled has who goes away while it is read be told so, and the next be served.
func TestCancelled(t *testing.T) {
	p, _ := newPage(t, before, after)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
	get(t, p)
}

func TestText(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{size(0, true), "0 B"},
		{size(1023, true), "1023 B"},
		{size(1536, true), "1.5 KiB"},
		{size(-2048, true), "-2.0 KiB"},
		{size(1<<62, true), "4096.0 PiB"},
		{size(0, false), unknown},
		{span(0.1234, true), "0.123 s"},
		{span(99, true), "99 s"},
		{span(3599, true), "59 min 59 s"},
		{span(86400, true), "24 h 0 min"},
		{span(86400*3, true), "3 d"},
		{span(-1, true), unknown},
		{cores(12.34, true), "12.3"},
		{cores(0.0004, true), "0.000"},
		{age(-1), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("%q, want %q", tc.got, tc.want)
		}
	}
}
