package footprint

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// group is a Group of which nothing is read, with containers inside.
type group struct{ inside []string }

func (group) Read(*workload.Usage) error { return nil }
func (group) Running() bool              { return true }

func (g group) Holds(id string) bool { return slices.Contains(g.inside, id) }

// workloads makes those with these identities: runtime, id, name, and what is inside.
func workloads(ids ...[]string) []*workload.Workload {
	r := workload.NewRegistry(workload.Config{})
	for i, id := range ids {
		r.Found(id[0]+id[1], workload.Candidate{
			Identity: workload.Identity{Kind: workload.KindContainer, Runtime: id[0], ID: id[1], Name: id[2]},
			Cgroup:   "/" + id[1], Inode: uint64(i + 1), Group: group{id[3:]},
		})
	}
	return r.Refresh()
}

// files makes them, each of so many bytes, below a new directory.
func files(t *testing.T, sizes map[string]int) string {
	t.Helper()
	dir := t.TempDir()
	for name, n := range sizes {
		put(t, filepath.Join(dir, name), make([]byte, n))
	}
	return dir
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// source is a Source that answers what a test says.
type source struct {
	runtime string
	holds   map[string]Holding
	err     error
	asked   [][]string
}

func (*source) Name() string { return "fake" }

func (s *source) Wants(w *workload.Workload) bool { return w.Runtime == s.runtime }

func (s *source) Look(_ context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error) {
	found, ids := map[*workload.Workload]Holding{}, []string(nil)
	for _, w := range list {
		ids = append(ids, w.ID)
		if h, ok := s.holds[w.ID]; ok {
			found[w] = h
		}
	}
	s.asked = append(s.asked, ids)
	return found, s.err
}

type fakeClock struct{ at time.Time }

func (c *fakeClock) now() time.Time { return c.at }

func own(key string, n uint64) Item    { return Item{Key: key, Bytes: workload.Known(n)} }
func common(key string, n uint64) Item { return Item{Key: key, Bytes: workload.Known(n), Shared: true} }

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(workload.Value{}, size{}, overlay{}, root{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
