package collector

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

// family is one row of the table: a metric that each workload may have.
type family struct {
	name string
	// help names the kernel file or libvirt field that the number is from.
	help    string
	typ     dto.MetricType
	subject workload.Subject
	// machines is set where a container has no such thing.
	machines bool
	// unit is how many of the Value's units make one of the metric's.
	unit float64
	// label is what tells the series of one workload apart; empty with one series.
	label  string
	series []series
}

// series is one number of a family.
type series struct {
	// labelled is the value of the family's label.
	labelled string
	value    func(*workload.Usage) workload.Value
}

const (
	counter = dto.MetricType_COUNTER
	gauge   = dto.MetricType_GAUGE

	// nanoseconds and billionths (of a core) are what a Usage counts in.
	nanoseconds = 1e9
	billionths  = 1e9
	ones        = 1
)

// one is the series of a family that has only one for each workload.
func one(value func(*workload.Usage) workload.Value) []series {
	return []series{{value: value}}
}

// families is the whole table, less the subjects that are switched off, by name.
func families(enabled Enabled) []family {
	table := slices.Concat(cpuFamilies(), memoryFamilies(), pressureFamilies(), ioFamilies(),
		tasksFamilies(), overheadFamilies(), vmFamilies(), lifecycleFamilies(), footprintFamilies())
	table = slices.DeleteFunc(table, func(f family) bool { return !enabled[Name(f.subject.String())] })
	slices.SortFunc(table, func(a, b family) int { return strings.Compare(a.name, b.name) })
	return table
}
