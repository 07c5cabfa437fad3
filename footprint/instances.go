package footprint

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Instances looks at those of Incus or LXD: by the daemon's word where its
// storage counts, else in their directories.
type Instances struct {
	runtime string
	// dir is the daemon's.
	dir     string
	walker  *Walker
	volumes func(ctx context.Context, ids []string) ([]workload.Volume, error)
}

// NewInstances returns a Source; Volumes of a runtimes.Volumes is what it asks.
func NewInstances(runtime, dir string, walker *Walker, volumes func(ctx context.Context, ids []string) ([]workload.Volume, error)) *Instances {
	return &Instances{runtime, dir, walker, volumes}
}

// Name implements Source.
func (s *Instances) Name() string { return s.runtime }

// Wants implements Source.
func (s *Instances) Wants(w *workload.Workload) bool { return w.Runtime == s.runtime }

// Look implements Source.
func (s *Instances) Look(ctx context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error) {
	by, ids := map[string]*workload.Workload{}, make([]string, len(list))
	for i, w := range list {
		by[w.ID], ids[i] = w, w.ID
	}
	volumes, err := s.volumes(ctx, ids)
	found, errs := map[*workload.Workload]Holding{}, []error{err}
	for i := range volumes {
		v := &volumes[i]
		w := by[v.ID]
		if w == nil {
			continue
		}
		h, err := s.holding(ctx, v)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found[w] = h
	}
	return found, errors.Join(errs...)
}

func (s *Instances) holding(ctx context.Context, v *workload.Volume) (Holding, error) {
	if v.Directory != "" {
		n, err := s.walker.size(ctx, filepath.Join(s.dir, v.Directory))
		if err != nil {
			return Holding{}, err
		}
		return Holding{Items: []Item{{Key: n.key, Bytes: workload.Known(n.bytes)}}, Allocated: workload.Known(n.bytes), Capacity: v.Size}, nil
	}
	return Holding{
		Items: []Item{
			{Key: s.runtime + ":volume:" + v.ID, Bytes: v.Used},
			// What it was cloned from nobody tells.
			{Key: s.runtime + ":origin:" + v.ID, Shared: true},
		},
		Allocated: v.Used, Capacity: v.Size,
	}, nil
}
