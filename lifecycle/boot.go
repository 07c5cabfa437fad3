package lifecycle

import "github.com/workload-exporter/workload_exporter/workload"

// boot is what a start, or the reset of a machine, is followed up by. Several
// sources may tell of one phase, such as an agent and the guest's init: each
// counts once, under its own name.
type boot struct {
	// since is the start. Of one that was seen and is not ok, why says what
	// came in between.
	since moment
	why   string
	// began is the start by the stamp of a source that has one of its own.
	began map[string]moment
	// leaving is when the guest began to stop for a reset, down when it was reset.
	leaving, down moment
	told          map[telling]bool
	// spent is the phases that were given up, and counted.
	spent [phases]bool
}

// telling is a phase that a source has told the end of.
type telling struct {
	phase  phase
	source string
}

// boots begins to take what is told of a start.
func (r *run) boots(when moment) {
	r.boot = boot{since: when}
	if !when.ok {
		r.boot.why = late
	}
	r.seen.Ready = workload.Value{}
}

// lose makes the start one that nothing can be measured from.
func (b *boot) lose(reason string) {
	if b.since.ok {
		b.since, b.why = moment{}, reason
	}
}

// first says whether a source has not told of a phase yet, and notes that it has.
func (b *boot) first(p phase, source string) bool {
	key := telling{p, source}
	if b.told[key] {
		return false
	}
	if b.told == nil {
		b.told = map[telling]bool{}
	}
	b.told[key] = true
	return true
}

// from is the beginning that a source's word is measured from.
func (b *boot) from(source string) moment {
	if began, ok := b.began[source]; ok {
		return began
	}
	return b.since
}
