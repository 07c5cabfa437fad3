package runtimes

import (
	"cmp"
	"slices"
	"sync"

	"github.com/workload-exporter/workload_exporter/workload"
)

// maxTold is how many workloads an API may tell of; more than any host runs.
const maxTold = 1 << 16

// told is what an API said of one workload.
type told struct {
	name     string
	metadata workload.Metadata
	// inside is the containers that run in a pod.
	inside []workload.Container
}

// book is what one API told of its workloads, each under a key that a candidate
// can be looked up by. It is asked under the Registry's lock, and keeps nobody.
type book struct {
	mu    sync.Mutex
	known map[string]told
	// hope is whether what is not known may yet be told.
	hope bool
}

func newBook() *book { return &book{known: map[string]told{}, hope: true} }

// replace is what a whole list tells.
func (b *book) replace(all map[string]told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known, b.hope = all, true
}

func (b *book) add(key string, t told) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.known[key]; ok || len(b.known) < maxTold {
		b.known[key] = t
	}
}

func (b *book) forget(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, key)
}

func (b *book) setHope(hope bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hope = hope
}

func (b *book) knows(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.known[key]
	return ok
}

// name tells a candidate what is known under a key.
func (b *book) name(key string, c *workload.Candidate) workload.Opinion {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.known[key]
	switch {
	case ok:
		t.apply(c)
		return workload.Settled
	case b.hope:
		return workload.Wait
	}
	return workload.NoOpinion
}

func (t *told) apply(c *workload.Candidate) {
	m, n := &c.Metadata, &t.metadata
	c.Name = cmp.Or(t.name, c.Name)
	m.Image = cmp.Or(n.Image, m.Image)
	m.Namespace, m.Project = cmp.Or(n.Namespace, m.Namespace), cmp.Or(n.Project, m.Project)
	if n.Kubernetes.Pod != "" {
		m.Kubernetes = n.Kubernetes
	}
	if len(n.Labels) > 0 {
		m.Labels = slices.Clone(n.Labels)
	}
}

// pick takes the labels that were asked for.
func pick(keys []string, from map[string]string) []workload.Label {
	var labels []workload.Label
	for _, key := range keys {
		if value, ok := from[key]; ok {
			labels = append(labels, workload.Label{Key: key, Value: workload.Clean(value)})
		}
	}
	return labels
}
