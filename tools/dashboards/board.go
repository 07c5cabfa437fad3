package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

const gridWidth = 24

// tag is what the dashboards find each other by.
const tag = "workload_exporter"

// row is one question, and the panels that answer it, line by line.
type row struct {
	title string
	lines []line
}

// line is panels of one height, side by side.
type line struct {
	height uint32
	panels []dashboard.Panel
}

// board is one dashboard.
type board struct {
	uid, title, description, from string
	variables                     []cog.Builder[dashboard.VariableModel]
	rows                          []row
}

// build places the rows one below the other.
//
//nolint:staticcheck // The successor of this model is not read by Grafana before 13.
func (b board) build() dashboard.Dashboard {
	builder := dashboard.NewDashboardBuilder(b.title).Uid(b.uid).Description(b.description).Tags([]string{tag}).
		Readonly().Timezone("browser").Time(b.from, "now").Refresh("1m").Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Link(dashboard.NewDashboardLinkBuilder("Workloads").Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{tag}).
			IncludeVars(true).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(choice("job", "workload_host_cpu_cores")).
		WithVariable(choice("instance", `workload_host_cpu_cores{job=~"$job"}`))
	for _, v := range b.variables {
		builder.WithVariable(v)
	}
	d := must(builder)
	// The library's default hides the links in a menu.
	d.Links[0].Placement = nil
	var id, y uint32
	place := func(x, w, h uint32) (*uint32, *dashboard.GridPos) {
		id++
		return new(id), &dashboard.GridPos{X: x, Y: y, W: w, H: h}
	}
	for _, r := range b.rows {
		head := dashboard.RowPanel{Type: "row", Title: new(r.title), Panels: []dashboard.Panel{}}
		rowID, at := place(0, gridWidth, 1)
		head.Id, head.GridPos = *rowID, at
		d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{RowPanel: &head})
		y++
		for _, l := range r.lines {
			w := gridWidth / uint32(len(l.panels))
			for i := range l.panels {
				p := l.panels[i]
				p.Id, p.GridPos = place(uint32(i)*w, w, l.height)
				d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{Panel: &p})
			}
			y += l.height
		}
	}
	return d
}

// choice is a variable of which many or all values may be chosen.
func choice(label, series string) *dashboard.QueryVariableBuilder {
	return one(label, series).Multi(true).IncludeAll(true).AllValue(".+").Current(dashboard.VariableOption{
		Text: dashboard.StringOrArrayOfString{String: new("All")}, Value: dashboard.StringOrArrayOfString{String: new("$__all")},
	})
}

// one is a variable of which one value is chosen.
func one(label, series string) *dashboard.QueryVariableBuilder {
	ask := fmt.Sprintf("label_values(%s, %s)", series, label)
	return dashboard.NewQueryVariableBuilder(label).Label(label).Datasource(datasource()).
		Query(dashboard.StringOrMap{String: &ask}).Definition(ask).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
}
