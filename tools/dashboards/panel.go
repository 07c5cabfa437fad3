package main

import (
	"maps"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// everyPart selects what the variables of the dashboard say: {HOST} in a query, {ONE} of one workload.
var everyPart = strings.NewReplacer(
	"{HOST", `{job=~"$job",instance=~"$instance"`,
	"{ONE", `{job=~"$job",instance=~"$instance",kind=~"$kind",name="$name"`,
	"[RATE]", "[$__rate_interval]",
	"[ALL]", "[$__range]",
)

// query is what one part of a panel asks, and what its lines are called.
type query struct{ expr, legend string }

// about is what a reader has to know of a panel.
type about struct{ title, description, unit string }

// Kinds keep their colours on all dashboards; the upper of two lines is dashed.
var looks = []struct {
	pattern, property string
	value             any
}{
	{"/^container/", "color", map[string]string{"mode": "fixed", "fixedColor": "blue"}},
	{"/^vm/", "color", map[string]string{"mode": "fixed", "fixedColor": "orange"}},
	{"/^service/", "color", map[string]string{"mode": "fixed", "fixedColor": "green"}},
	{"/(p9[05]|worst)$/", "custom.lineStyle", map[string]any{"fill": "dash", "dash": []int{8, 8}}},
}

// must is for builders, which fail only on what is wrong in this program.
func must[T any](b cog.Builder[T]) T {
	built, err := b.Build()
	if err != nil {
		panic(err)
	}
	return built
}

func datasource() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

func target(q query) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().Datasource(datasource()).Expr(everyPart.Replace(q.expr)).LegendFormat(q.legend)
}

func refID(i int) string { return string(rune('A' + i)) }

// graph is lines over time.
func graph(a about, queries ...query) dashboard.Panel {
	b := timeseries.NewPanelBuilder().Title(a.title).Description(a.description).Unit(a.unit).Datasource(datasource()).
		AxisSoftMin(0).FillOpacity(8).ShowPoints(common.VisibilityModeAuto).
		Legend(common.NewVizLegendOptionsBuilder().DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).
			ShowLegend(true).Calcs([]string{"lastNotNull", "max"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	for _, l := range looks {
		b.OverrideByRegexp(l.pattern, []dashboard.DynamicConfigValue{{Id: l.property, Value: l.value}})
	}
	for i, q := range queries {
		b.WithTarget(target(q).RefId(refID(i)).Range())
	}
	return must(b)
}

// number is the last value, large.
func number(a about, queries ...query) dashboard.Panel {
	b := stat.NewPanelBuilder().Title(a.title).Description(a.description).Unit(a.unit).Datasource(datasource()).
		ColorMode(common.BigValueColorModeNone).GraphMode(common.BigValueGraphModeNone)
	for i, q := range queries {
		b.WithTarget(target(q).RefId(refID(i)).Instant())
	}
	return must(b)
}

// column is one of a grid; its unit may differ from the others'.
type column struct{ expr, title, unit string }

// grid is a table: a row for each set of labels, which are named after the dashboard's own words.
func grid(a about, labels map[string]string, columns ...column) dashboard.Panel {
	names, hidden := map[string]string{}, map[string]bool{"Time": true, "__name__": true, "job": true}
	maps.Copy(names, labels)
	b := table.NewPanelBuilder().Title(a.title).Description(a.description).Unit(a.unit).Datasource(datasource())
	for i, c := range columns {
		value := "Value"
		if len(columns) > 1 {
			value += " #" + refID(i)
		}
		names[value] = c.title
		b.WithTarget(target(query{expr: c.expr}).RefId(refID(i)).Instant().Format(prometheus.PromQueryFormatTable))
		if c.unit != "" {
			b.OverrideByName(c.title, []dashboard.DynamicConfigValue{{Id: "unit", Value: c.unit}})
		}
	}
	return must(b.
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": hidden, "renameByName": names,
		}}))
}

// note is text in Markdown.
func note(title, description, markdown string) dashboard.Panel {
	return must(text.NewPanelBuilder().Title(title).Description(description).Datasource(datasource()).
		Mode(text.TextModeMarkdown).Content(markdown))
}

// Units that are used often.
const (
	seconds = units.Seconds
	bytes   = units.BytesIEC
	short   = units.Short
	share   = units.PercentUnit
)
