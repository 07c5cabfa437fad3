package collector

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

// row is one workload's samples: made once, filled in by each scrape.
type row struct {
	workload *workload.Workload
	identity identity
	// columns says what the samples are, in the same order.
	columns []column
	samples []sample
	// infos are in the order of the page's; openStack and pod are what they were
	// made with.
	infos     [][]*dto.Metric
	openStack *workload.OpenStack
	pod       *workload.Pod
	tally     *tally
}

// column is one series of the table, where the page keeps it.
type column struct {
	value   func(*workload.Usage) workload.Value
	unit    float64
	subject workload.Subject
	typ     dto.MetricType
	// family is the index of the family in the page.
	family int
	// extra is the label that tells the series of the family apart, or nil.
	extra *dto.LabelPair
}

// sample is a metric, and the number in it.
type sample struct {
	metric *dto.Metric
	value  *float64
}

// identity is the four labels of every series of a workload, fit to be shown.
type identity struct{ kind, runtime, id, name string }

func identityOf(w *workload.Workload) identity {
	return identity{string(w.Kind), workload.Clean(w.Runtime), workload.Clean(w.ID), workload.Clean(w.Name)}
}

// told apart from another identity that looks the same once it is cleaned: by
// the inode, as the Registry does it, within the same bound.
func (i identity) told(inode uint64) identity {
	i.id = workload.Apart(i.id, inode)
	return i
}

// labels are the pairs that the workload's metrics share, sorted by name. They
// lie next to each other, for they are what an exposition mostly reads.
func (i identity) labels(names *labelNames) []*dto.LabelPair {
	block := &struct {
		pairs  [4]dto.LabelPair
		values [4]string
	}{values: [4]string{i.id, i.kind, i.name, i.runtime}}
	labels := make([]*dto.LabelPair, len(block.pairs))
	for n := range block.pairs {
		block.pairs[n].Name, block.pairs[n].Value = &names[n], &block.values[n]
		labels[n] = &block.pairs[n]
	}
	return labels
}

// labelNames are the names of those pairs, one copy for all workloads.
type labelNames [4]string

// newRow allocates whatever the workload will ever need. A series takes some
// 250 bytes, all of one row's in a few blocks.
func newRow(w *workload.Workload, who identity, names *labelNames, columns []column, infos []infoFamily, one *dto.Gauge) *row {
	labels := who.labels(names)
	r := &row{workload: w, identity: who, columns: columns, samples: make([]sample, len(columns))}
	r.inform(infos, one, labels)
	metrics, values := make([]dto.Metric, len(columns)), make([]float64, len(columns))
	n := 0
	for i := range columns {
		if columns[i].typ == counter {
			n++
		}
	}
	counters, gauges := make([]dto.Counter, n), make([]dto.Gauge, len(columns)-n)
	for i := range columns {
		m, v := &metrics[i], &values[i]
		m.Label = labels
		if extra := columns[i].extra; extra != nil {
			m.Label = sorted(append([]*dto.LabelPair{extra}, labels...))
		}
		if columns[i].typ == counter {
			m.Counter, counters = &counters[0], counters[1:]
			m.Counter.Value = v
		} else {
			m.Gauge, gauges = &gauges[0], gauges[1:]
			m.Gauge.Value = v
		}
		r.samples[i] = sample{metric: m, value: v}
	}
	return r
}

// inform makes the info metrics from what is known now.
func (r *row) inform(infos []infoFamily, one *dto.Gauge, labels []*dto.LabelPair) {
	r.infos, r.openStack, r.pod = make([][]*dto.Metric, len(infos)), r.workload.OpenStack(), r.workload.Pod()
	for i := range infos {
		r.infos[i] = newInfoMetrics(&infos[i], one, r.workload, labels)
	}
}

// sorted puts pairs in the order of their names, as every format wants them.
func sorted(pairs []*dto.LabelPair) []*dto.LabelPair {
	slices.SortFunc(pairs, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	return pairs
}
