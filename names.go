package main

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/workload-exporter/workload_exporter/runtimes"
	"github.com/workload-exporter/workload_exporter/workload"
)

// names has the runtimes that may be asked tell the Registry what their workloads
// are called. Events is told how containers start and end; it may be nil.
func names(opts *Options, registry *workload.Registry, events workload.Events, logger *slog.Logger) []func(context.Context) error {
	var running []func(context.Context) error
	add := func(n workload.Namer, run func(context.Context) error) {
		registry.AddNamer(n)
		running = append(running, run)
	}
	for _, e := range []struct {
		Runtime
		runtime, usual string
	}{
		{opts.Docker, "docker", "docker.sock"},
		{opts.Podman, "podman", "podman/podman.sock"},
	} {
		if !e.On {
			continue
		}
		engine := runtimes.NewEngine(runtimes.EngineConfig{
			Runtime: e.runtime, Socket: e.Socket, Usual: filepath.Join(opts.Rundir, e.usual),
			Labels: opts.Labels, Events: events, Reporter: registry, Logger: logger,
		})
		add(engine, engine.Run)
		if e.Socket == "" {
			users := runtimes.NewUsers(runtimes.UsersConfig{
				Runtime: e.runtime, Dir: filepath.Join(opts.Rundir, "user"), Socket: e.usual,
				Labels: opts.Labels, Reporter: registry, Logger: logger,
			})
			add(users, users.Run)
		}
	}
	for _, a := range []struct {
		Runtime
		source string
		make   func(runtimes.AskerConfig) *runtimes.Asker
		usual  []string
	}{
		{opts.Containerd, "containerd", runtimes.NewContainerd, []string{
			filepath.Join(opts.Rundir, "containerd/containerd.sock"), filepath.Join(opts.Rundir, "k3s/containerd/containerd.sock"),
			filepath.Join(opts.Rundir, "k0s/containerd.sock"), "/var/snap/microk8s/common/run/containerd.sock",
		}},
		{opts.CRI, "cri", runtimes.NewCRI, []string{filepath.Join(opts.Rundir, "crio/crio.sock"), filepath.Join(opts.Rundir, "cri-dockerd.sock")}},
		{opts.Incus, "incus", runtimes.NewIncus, []string{"/var/lib/incus/unix.socket"}},
		{opts.LXD, "lxd", runtimes.NewIncus, []string{"/var/snap/lxd/common/lxd/unix.socket", "/var/lib/lxd/unix.socket"}},
	} {
		if a.On {
			asker := a.make(runtimes.AskerConfig{
				Source: a.source, Socket: a.Socket, Usual: a.usual, Labels: opts.Labels, Reporter: registry, Contain: registry.Contain, Logger: logger,
			})
			add(asker, asker.Run)
		}
	}
	return running
}
