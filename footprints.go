package main

import (
	"cmp"
	"context"
	"log/slog"
	"path/filepath"

	"github.com/workload-exporter/workload_exporter/footprint"
	"github.com/workload-exporter/workload_exporter/runtimes"
	"github.com/workload-exporter/workload_exporter/workload"
)

// diskLister is who knows the disks of machines.
type diskLister func(ctx context.Context, uuids []string) (map[string][]workload.Disk, error)

// footprints looks at images and disks. Without libvirt disks is nil.
func footprints(opts *Options, registry *workload.Registry, disks diskLister, logger *slog.Logger) *footprint.Poller {
	mountinfo := filepath.Join(opts.Procfs, "self/mountinfo")
	walker := footprint.NewWalker(mountinfo)
	sources := []footprint.Source{
		footprint.NewDirectories(walker, filepath.Join(opts.Rundir, "systemd/machines"), "/var/lib/lxc"),
		footprint.NewContainerd(walker, mountinfo, filepath.Join(opts.Rundir, "containerd")),
	}
	for _, e := range []struct {
		Runtime
		runtime, usual string
	}{
		{opts.Docker, "docker", "docker.sock"},
		{opts.Podman, "podman", "podman/podman.sock"},
	} {
		if e.On {
			socket := cmp.Or(e.Socket, filepath.Join(opts.Rundir, e.usual))
			sources = append(sources, footprint.NewEngine(e.runtime, runtimes.NewSizes(e.runtime, socket).Storage))
		}
	}
	for _, i := range []struct {
		Runtime
		runtime, usual string
	}{
		{opts.Incus, "incus", "/var/lib/incus/unix.socket"},
		{opts.LXD, "lxd", "/var/lib/lxd/unix.socket"},
	} {
		if i.On {
			socket := cmp.Or(i.Socket, i.usual)
			sources = append(sources, footprint.NewInstances(i.runtime, filepath.Dir(socket), walker, runtimes.NewVolumes(i.runtime, socket).Volumes))
		}
	}
	if disks != nil {
		sources = append(sources, footprint.NewMachines(disks, mountinfo))
	}
	return footprint.New(footprint.Config{
		List: registry.Refresh, Interval: opts.FootprintInterval, Sources: sources, Logger: logger,
	})
}
