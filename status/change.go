package status

// rate is how fast a counter of a workload rose between two readings. A
// counter that fell is another run's.
func rate(before, after *reading, k key, families ...string) (perSecond float64, ok bool) {
	if before == nil {
		return 0, false
	}
	was, is := before.works[k], after.works[k]
	took := after.at.Sub(before.at).Seconds()
	if was == nil || is == nil || took <= 0 {
		return 0, false
	}
	for _, f := range families {
		b, hadBefore := was.values[f]
		a, has := is.values[f]
		if !hadBefore || !has || a < b {
			continue
		}
		perSecond, ok = perSecond+(a-b)/took, true
	}
	return perSecond, ok
}

// sum adds up the values that are there.
func (w *work) sum(families ...string) (total float64, ok bool) {
	for _, f := range families {
		if v, has := w.values[f]; has {
			total, ok = total+v, true
		}
	}
	return total, ok
}
