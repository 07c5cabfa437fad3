package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/workload-exporter/workload_exporter/collector"
)

// TestStartsAreSampled has a group start whose CPU time cannot be read, which
// only somebody who looks finds out.
func TestStartsAreSampled(t *testing.T) {
	dir := t.TempDir()
	tree, made := filepath.Join(dir, "tree"), filepath.Join(dir, "made")
	for path, content := range map[string]string{
		filepath.Join(tree, "cgroup.controllers"): "cpu\n",
		filepath.Join(made, "cgroup.events"):      "populated 1\nfrozen 0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	on := collector.Enabled{}
	for _, n := range collector.Names() {
		on[n] = true
	}
	src, err := wire(&Options{Cgroupfs: tree, Procfs: liveProcfs, Sysfs: dir, Rundir: dir, Collectors: on}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx) }()
	src.Registry.Refresh()
	if err := os.Rename(made, filepath.Join(tree, "lxc.payload.c1")); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for !missed(t, src.Lifecycle, "start_to_settled", "unseen") {
		if time.Now().After(deadline) {
			t.Fatal("nobody looked")
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// missed says whether an observation is counted as missed.
func missed(t *testing.T, l *collector.Lifecycle, phase, reason string) bool {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(l)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if l := m.Label; len(l) == 2 && l[0].GetValue() == phase && l[1].GetValue() == reason {
				return true
			}
		}
	}
	return false
}
