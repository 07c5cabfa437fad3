package collector

import (
	"errors"
	"fmt"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/workload-exporter/workload_exporter/workload"
)

// page is everything that is said of workloads: one family after the other, and
// a row of samples for each workload. It belongs to whoever holds the
// Gatherer's lock.
type page struct {
	// families has the samples of this scrape.
	families []*dto.MetricFamily
	// infos are the info metrics, and shown where their samples go.
	infos []infoFamily
	shown []*dto.MetricFamily
	// one is the value of all of them.
	one *dto.Gauge
	// hosted and machine are the columns of a workload that is not a machine, and of one that is.
	hosted, machine []column
	labels          *labelNames
	// history is nil when nobody has one.
	history History
	// footprint is nil when nobody looks for it.
	footprint Footprint

	// list is the Registry's, rows what it was made into: the same order, less
	// what could not be told apart.
	list []*workload.Workload
	rows []*row
	// usage serves one workload after the other.
	usage workload.Usage

	// What this scrape found besides the samples:
	spent   [workload.Subjects]time.Duration
	failed  [workload.Subjects]bool
	tallies map[population]*tally
}

// population is workloads that are counted together.
type population struct{ kind, runtime string }

// tally is how many of them run, and how many are paused.
type tally struct{ running, paused int }

func newPage(enabled Enabled, history History) *page {
	p := &page{history: history, tallies: map[population]*tally{}, labels: &labelNames{"id", "kind", "name", "runtime"}, one: &dto.Gauge{Value: new(1.0)}}
	if enabled[Info] {
		p.infos = infoFamilies()
	}
	for _, f := range families(enabled) {
		p.showInfos(f.name)
		for _, s := range f.series {
			c := column{value: s.value, unit: f.unit, subject: f.subject, typ: f.typ, family: len(p.families)}
			if f.label != "" {
				c.extra = pair(f.label, s.labelled)
			}
			p.machine = append(p.machine, c)
			if !f.machines {
				p.hosted = append(p.hosted, c)
			}
		}
		p.families = append(p.families, newFamily(f.name, f.help, f.typ))
	}
	p.showInfos("")
	return p
}

// showInfos puts the info metrics that come before a name, or all that are left.
func (p *page) showInfos(before string) {
	for _, f := range p.infos[len(p.shown):] {
		if before != "" && f.name > before {
			return
		}
		family := newFamily(f.name, f.help, gauge)
		p.families, p.shown = append(p.families, family), append(p.shown, family)
	}
}

func newFamily(name, help string, typ dto.MetricType) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &typ}
}

// fill reads every workload of list into the page. What it returns was left out.
func (p *page) fill(list []*workload.Workload) error {
	var errs []error
	if !slices.Equal(p.list, list) {
		errs = p.arrange(list)
	}
	p.spent, p.failed = [workload.Subjects]time.Duration{}, [workload.Subjects]bool{}
	for _, f := range p.families {
		f.Metric = f.Metric[:0]
	}
	for _, t := range p.tallies {
		*t = tally{}
	}
	if p.history != nil {
		p.history.Settle(list)
	}
	if p.footprint != nil {
		p.footprint.Settle(list)
	}
	for _, r := range p.rows {
		p.usage.Reset()
		err := read(r.workload, &p.usage)
		if p.history != nil {
			p.remember(r.workload)
		}
		if p.footprint != nil {
			p.usage.Footprint = p.footprint.Of(r.workload)
		}
		switch {
		case err == nil:
			p.show(r)
		case !errors.Is(err, workload.ErrGone):
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// show puts one reading on the page, all of it at once: a workload is there
// with whatever could be read, or not at all.
func (p *page) show(r *row) {
	for i := range r.columns {
		c := &r.columns[i]
		v := c.value(&p.usage)
		n, ok := v.Get()
		if !ok {
			if v.State() == workload.StateUnreadable {
				p.failed[c.subject] = true
			}
			continue
		}
		s := &r.samples[i]
		*s.value = float64(n) / c.unit
		f := p.families[c.family]
		f.Metric = append(f.Metric, s.metric)
	}
	if r.workload.OpenStack() != r.openStack || r.workload.Pod() != r.pod {
		// libvirt may tell later than all else what Nova has noted, and containers come and go in a pod.
		r.inform(p.infos, p.one, r.identity.labels(p.labels))
	}
	for i, list := range r.infos {
		p.shown[i].Metric = append(p.shown[i].Metric, list...)
	}
	for s, spent := range p.usage.Spent {
		p.spent[s] += spent
	}
	if p.usage.Paused {
		r.tally.paused++
	} else {
		r.tally.running++
	}
}

// remember adds what was seen of a workload's past to its reading.
func (p *page) remember(w *workload.Workload) {
	started := time.Now()
	p.usage.Lifecycle = p.history.Of(w)
	p.usage.Spent[workload.SubjectLifecycle] = time.Since(started)
}

// read is one workload's Read. One that panics is a bug, and must neither leave
// the page locked nor take the others with it.
func read(w *workload.Workload, u *workload.Usage) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading %s %s %q: %v", w.Kind, w.Runtime, w.ID, p)
		}
	}()
	return w.Read(u)
}

// arrange makes rows for the workloads that are new and forgets those that went.
func (p *page) arrange(list []*workload.Workload) []error {
	old := make(map[*workload.Workload]*row, len(p.rows))
	for _, r := range p.rows {
		old[r.workload] = r
	}
	var errs []error
	taken := make(map[identity]bool, len(list))
	p.list = append(p.list[:0], list...)
	clear(p.list[len(p.list):cap(p.list)])
	rows := make([]*row, 0, len(list))
	for _, w := range list {
		i := identityOf(w)
		if taken[i] {
			i = i.told(w.Inode)
		}
		if taken[i] {
			errs = append(errs, fmt.Errorf("left out %s %s %q: its labels are another's", w.Kind, w.Runtime, w.ID))
			continue
		}
		taken[i] = true
		r := old[w]
		if r == nil || r.identity != i {
			r = p.newRow(w, i)
		}
		rows = append(rows, r)
	}
	p.rows = rows
	for _, f := range p.families {
		// What went must not be kept alive by the tail of a slice.
		clear(f.Metric[:cap(f.Metric)])
	}
	return errs
}

func (p *page) newRow(w *workload.Workload, i identity) *row {
	columns := p.hosted
	if w.Kind == workload.KindVM {
		columns = p.machine
	}
	r := newRow(w, i, p.labels, columns, p.infos, p.one)
	key := population{i.kind, i.runtime}
	if p.tallies[key] == nil {
		p.tallies[key] = &tally{}
	}
	r.tally = p.tallies[key]
	return r
}
