package workload

import "log/slog"

// limit takes from the list what is past the most that may be shown. Who is shown
// stays: no series flaps because somebody else has started. A place that is free
// goes to the next in the order of the list.
func (r *Registry) limit(list []*Workload) []*Workload {
	most := r.cfg.Most
	was := r.hidden
	r.hidden = max(len(list)-most, 0)
	if most <= 0 {
		r.hidden = 0
	}
	switch {
	case r.hidden > 0 && was == 0:
		r.cfg.Logger.Warn("More workloads than are shown", slog.Int("most", most), slog.Int("hidden", r.hidden))
	case r.hidden == 0 && was > 0:
		r.cfg.Logger.Info("All workloads are shown again", slog.Int("workloads", len(list)))
	}
	if r.hidden == 0 {
		return list
	}
	stays := make(map[Identity]bool, most)
	for _, w := range r.shown {
		stays[w.label()] = true
	}
	free := most
	for _, w := range list {
		if stays[w.label()] {
			free--
		}
	}
	shown := make([]*Workload, 0, most)
	for _, w := range list {
		switch {
		case stays[w.label()] && len(shown) < most:
		case !stays[w.label()] && free > 0:
			free--
		default:
			continue
		}
		shown = append(shown, w)
	}
	return shown
}

// Population is how many workloads there are, and how many of them are not
// shown since they are too many.
func (r *Registry) Population() (all, hidden int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running), r.hidden
}
