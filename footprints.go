package main

import (
	"log/slog"
	"path/filepath"

	"github.com/workload-exporter/workload_exporter/footprint"
	"github.com/workload-exporter/workload_exporter/workload"
)

// footprints looks at images and disks.
func footprints(opts *Options, registry *workload.Registry, logger *slog.Logger) *footprint.Poller {
	mountinfo := filepath.Join(opts.Procfs, "self/mountinfo")
	walker := footprint.NewWalker(mountinfo)
	return footprint.New(footprint.Config{
		List: registry.Refresh, Interval: opts.FootprintInterval, Logger: logger,
		Sources: []footprint.Source{
			footprint.NewDirectories(walker, filepath.Join(opts.Rundir, "systemd/machines"), "/var/lib/lxc"),
			footprint.NewContainerd(walker, mountinfo, filepath.Join(opts.Rundir, "containerd")),
		},
	})
}
