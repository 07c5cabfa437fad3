package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/workload-exporter/workload_exporter/workload"
)

// formats is every one that a scraper may ask for.
func formats() []expfmt.Format {
	return []expfmt.Format{
		expfmt.NewFormat(expfmt.TypeTextPlain), expfmt.NewFormat(expfmt.TypeOpenMetrics), expfmt.NewFormat(expfmt.TypeProtoDelim),
	}
}

// exposed is what a scraper reads in a format, which knows of nothing but what
// was sent. The parser of text takes OpenMetrics too, but for its last line.
func exposed(t *testing.T, families []*dto.MetricFamily, format expfmt.Format) map[string]*dto.MetricFamily {
	t.Helper()
	var b bytes.Buffer
	e := expfmt.NewEncoder(&b, format)
	for _, f := range families {
		if err := e.Encode(f); err != nil {
			t.Fatal(err)
		}
	}
	if c, ok := e.(expfmt.Closer); ok {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if format.FormatType() == expfmt.TypeOpenMetrics && !bytes.HasSuffix(b.Bytes(), []byte("\n# EOF\n")) {
		t.Fatal("OpenMetrics has no end")
	}
	if format.FormatType() != expfmt.TypeProtoDelim {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		all, err := parser.TextToMetricFamilies(&b)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		return all
	}
	all := map[string]*dto.MetricFamily{}
	for d := expfmt.NewDecoder(&b, format); ; {
		f := &dto.MetricFamily{}
		if err := d.Decode(f); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[f.GetName()] = f
	}
}

// FuzzHostile sends what guests, tenants and users choose through everything that
// is between them and a scraper: nothing breaks, nothing becomes a metric or a
// label, and nobody hides behind the name of another.
//
//	drill cgroup: names, images and labels of any bytes and length, 4 kB and more
//	shows: valid UTF-8 of 256 bytes at most; nobody hides behind the name of another
func FuzzHostile(f *testing.F) {
	f.Add("web", "default", "cart-0", "{}")
	f.Add("a\nworkload_tasks{id=\"x\"} 1", "\xff\xfe", `back\slash"quote`, "\x00")
	f.Add(strings.Repeat("ä", 2048), "\u202e", "# EOF\n", "} 1 # {a=\"b\"} 1")
	f.Add("", "", "", "")
	known := map[string]bool{}
	for _, i := range infoFamilies() {
		known[i.name] = true
	}
	for _, row := range families(All()) {
		// OpenMetrics names a counter's family without its ending.
		known[row.name], known[strings.TrimSuffix(row.name, "_total")] = true, true
	}
	f.Fuzz(func(t *testing.T, name, namespace, pod, tenant string) {
		registry := newRegistry(hostile(1, name, namespace, pod), hostile(2, name, namespace, pod), hostile(3, pod, name, tenant))
		registry.SetMachines([]workload.Machine{{UUID: "u-1", Name: tenant, DomainID: 1, Stats: machineStats(), OpenStack: &workload.OpenStack{
			Instance: name, Flavor: namespace, Image: pod, Project: tenant, ProjectID: name, User: pod, UserID: tenant,
		}}})
		families, done, err := New(Config{Registry: registry, Enabled: workloadsOnly(), Now: clock}).Gather()
		defer done()
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range formats() {
			all := exposed(t, families, format)
			for _, f := range all {
				if !known[f.GetName()] {
					t.Fatalf("%s: a family %q", format, f.GetName())
				}
				who := map[string]bool{}
				for _, m := range f.Metric {
					for _, l := range m.Label {
						if len(l.GetValue()) > workload.MaxLabel || !utf8.ValidString(l.GetValue()) || !model.LegacyValidation.IsValidLabelName(l.GetName()) {
							t.Fatalf("%s: %s has the label %q=%q", format, f.GetName(), l.GetName(), l.GetValue())
						}
					}
					who[fmt.Sprint(m.Label)] = true
				}
				if len(who) != len(f.Metric) {
					t.Fatalf("%s: %s has a series twice", format, f.GetName())
				}
			}
			if n := len(all["workload_info"].GetMetric()); n != 4 {
				t.Fatalf("%s: %d of four workloads", format, n)
			}
			if want := workload.Clean(name); labelOf(all["workload_openstack_info"], "instance_name") != want {
				t.Fatalf("%s: instance_name is not %q", format, want)
			}
		}
	})
}

// hostile is a workload that somebody was free to name.
func hostile(inode uint64, name, namespace, pod string) workload.Candidate {
	return workload.Candidate{
		Identity: workload.Identity{Kind: workload.KindContainer, Runtime: "x", ID: name, Name: name},
		FullID:   pod, Origin: workload.OriginCgroup, Cgroup: "/" + name, Inode: inode,
		Metadata: workload.Metadata{
			Image: name, Namespace: namespace, Project: pod, Kubernetes: workload.Kubernetes{Namespace: namespace, Pod: pod, UID: name},
			Labels: []workload.Label{{Key: "app", Value: pod}},
		},
		Group: &fakeGroup{usage: workload.Usage{Tasks: workload.Known(inode)}},
	}
}

func labelOf(f *dto.MetricFamily, name string) string {
	for _, m := range f.GetMetric() {
		for _, l := range m.Label {
			if l.GetName() == name {
				return l.GetValue()
			}
		}
	}
	return ""
}
