package footprint

import (
	"context"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Engine looks at the containers of Docker or Podman, by the engine's own words.
type Engine struct {
	runtime string
	storage func(ctx context.Context, ids []string) ([]workload.Storage, error)
}

// NewEngine returns a Source; Storage of a runtimes.Sizes is what it asks.
func NewEngine(runtime string, storage func(ctx context.Context, ids []string) ([]workload.Storage, error)) *Engine {
	return &Engine{runtime, storage}
}

// Name implements Source.
func (e *Engine) Name() string { return e.runtime }

// Wants implements Source.
func (e *Engine) Wants(w *workload.Workload) bool {
	return w.Kind == workload.KindContainer && w.Runtime == e.runtime && w.FullID != ""
}

// Look implements Source.
func (e *Engine) Look(ctx context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error) {
	by, ids := map[string]*workload.Workload{}, make([]string, len(list))
	for i, w := range list {
		by[w.FullID], ids[i] = w, w.FullID
	}
	containers, err := e.storage(ctx, ids)
	found := map[*workload.Workload]Holding{}
	for i := range containers {
		c := &containers[i]
		w := by[c.ID]
		if c.Pod != "" {
			w = by[c.Pod]
		}
		if w == nil {
			continue
		}
		h, ok := found[w]
		if !ok {
			h.Allocated = workload.Known(0)
		}
		h.Allocated = sum(h.Allocated, c.Written)
		h.Items = append(h.Items, Item{Key: e.runtime + ":written:" + c.ID, Bytes: c.Written})
		for _, l := range c.Layers {
			h.Items = append(h.Items, Item{Key: l.Key, Bytes: l.Bytes, Shared: true})
		}
		found[w] = h
	}
	return found, err
}
