package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sync/errgroup"

	"github.com/workload-exporter/workload_exporter/cgroupfs"
	"github.com/workload-exporter/workload_exporter/collector"
	"github.com/workload-exporter/workload_exporter/libvirt"
	"github.com/workload-exporter/workload_exporter/lifecycle"
	"github.com/workload-exporter/workload_exporter/process"
	"github.com/workload-exporter/workload_exporter/runtimes"
	"github.com/workload-exporter/workload_exporter/workload"
)

// sources is everything that fills the Registry.
type sources struct {
	Registry *workload.Registry
	// Run follows the host until its context ends. Its error ends the process.
	Run func(context.Context) error
	// What the exporter says of its sources; each may be nil.
	LibvirtCalls func() map[string]collector.Histogram
	Unreadable   func() map[string]uint64
	Descriptors  func() (used, limit int64)
	FilesRead    func() uint64
	// Both are nil when starts and ends are not followed.
	Lifecycle *collector.Lifecycle
	History   collector.History
	// Footprint is nil when nobody looks at images and disks.
	Footprint collector.Footprint
}

// wire makes the sources that the options ask for. An error is one that makes
// the exporter useless: no cgroup2 at all.
func wire(opts *Options, logger *slog.Logger) (*sources, error) {
	mount, err := findMount(opts)
	if err != nil {
		return nil, err
	}
	host, err := cgroupfs.ReadHost(opts.Procfs, opts.Sysfs)
	if err != nil {
		logger.Warn("Workloads without limits have no capacity", "err", err)
	}
	classifier := cgroupfs.NewClassifier(opts.Services)
	budget := cgroupfs.NewBudget()
	fs := cgroupfs.NewFS(cgroupfs.Options{
		Mount: mount, SysRoot: opts.Sysfs, Host: host, Subjects: opts.Collectors.Subjects(),
		Classifier: classifier, Budget: budget, ForeignPIDs: !mount.Kernel && opts.Procfs == liveProcfs,
	})
	logger.Info("Reading cgroups", "path", mount.Path, "kernel", mount.Kernel, "descriptors", budget.Limit())

	registry := workload.NewRegistry(workload.Config{
		Resolvers: []workload.Resolver{
			process.NewResolver(process.ResolverConfig{ProcRoot: opts.Procfs, PIDs: fs.PIDs}),
			runtimes.NewMachined(runtimes.MachinedConfig{
				Dir: filepath.Join(opts.Rundir, "systemd/machines"), Logger: logger,
			}),
		},
		Namers: []workload.Namer{
			runtimes.NewPodLogs(opts.Logdir),
			runtimes.NewPIDFiles(filepath.Join(opts.Rundir, "libvirt/qemu"), fs.PIDs),
			runtimes.NewProxmox(opts.Pvedir, logger),
		},
		Most:   opts.Most,
		Logger: logger,
	})
	s := &sources{
		Registry:    registry,
		Unreadable:  fs.Unreadable,
		Descriptors: func() (int64, int64) { return budget.Used(), budget.Limit() },
		FilesRead:   fs.Reads,
	}
	following := cgroupfs.Config{FS: fs, Classifier: classifier, Registry: registry, Logger: logger}
	var running []func(context.Context) error
	var onEvent func(libvirt.Event)
	var booting func(uuid string) bool
	// told is nil when nobody follows starts and ends.
	var told workload.Events
	// last comes after all that runs has ended.
	last := func() {}
	if opts.Collectors[collector.Name(workload.SubjectLifecycle.String())] {
		s.Lifecycle = collector.NewLifecycle()
		store := newStore(opts, logger)
		var saved *lifecycle.Saved
		if store != nil {
			saved = store.Load()
		}
		tracker := lifecycle.New(lifecycle.Config{Recorder: s.Lifecycle, CPU: fs.CPU, Saved: saved, Timeout: opts.Timeout})
		running = append(running, tracker.Run)
		if store != nil {
			running = append(running, func(ctx context.Context) error { return store.Follow(ctx, tracker) })
			last = func() { store.Write(tracker.Save()) }
		}
		units := systemd(opts, fs, registry, tracker, logger)
		s.History, told, following.Events = tracker, tracker, heard{tracker, units}
		running = append(running, units.Run)
		booting = tracker.Booting
		onEvent = func(e libvirt.Event) {
			if w, ok := e.Signal(workload.Boottime()); ok {
				tracker.Happened(w)
			}
		}
		if opts.Vsock != 0 {
			running = append(running, guests(opts, registry, tracker, logger).Run)
		}
	}
	running = append(running, names(opts, registry, told, logger)...)
	tree := cgroupfs.NewTree(following)
	registry.Add(tree)
	processes := process.NewSource(process.Config{
		ProcRoot: opts.Procfs, HostPIDs: tree.HostPIDs, Budget: budget, Logger: logger,
		Host: process.Host{CPUs: int(host.CPUs), Memory: host.Memory},
	}, registry)
	registry.Add(processes)

	running = append(running, tree.Run)
	var disks diskLister
	if opts.Libvirt {
		l := libvirt.New(libvirt.Config{
			Socket: opts.LibvirtSocket, URI: opts.LibvirtURI, RunDir: filepath.Join(opts.Rundir, "libvirt"),
			PIDDir: filepath.Join(opts.Rundir, "libvirt/qemu"), Registry: registry,
			CgroupOf: cgroupOf(opts.Procfs), OnEvent: onEvent, Booting: booting, Logger: logger,
		})
		registry.Add(l)
		disks = l.Disks
		s.LibvirtCalls = func() map[string]collector.Histogram { return histograms(l.Health().Calls) }
		running = append(running, l.Run)
	}
	if opts.Collectors[collector.Name(workload.SubjectFootprint.String())] {
		poller := footprints(opts, registry, disks, logger)
		s.Footprint = poller
		running = append(running, poller.Run)
	}
	s.Run = func(ctx context.Context) error {
		defer processes.Close()
		defer last()
		return together(ctx, running)
	}
	return s, nil
}

// newStore returns what keeps the state, or nil if nothing is to.
func newStore(opts *Options, logger *slog.Logger) *lifecycle.Store {
	if opts.StateDir == "" {
		return nil
	}
	boot, err := os.ReadFile(filepath.Join(opts.Procfs, "sys/kernel/random/boot_id"))
	if err != nil {
		logger.Warn("What is under way is not saved: the boot has no name", "err", err)
		return nil
	}
	return lifecycle.NewStore(opts.StateDir, strings.TrimSpace(string(boot)), logger)
}

// heard has several told of each event, one after the other.
type heard []workload.Events

func (h heard) Happened(e workload.Event) {
	for _, one := range h {
		one.Happened(e)
	}
}

// systemd tells of starts from before, and of units that tell when they are ready.
func systemd(opts *Options, fs *cgroupfs.FS, registry *workload.Registry, events workload.Events, logger *slog.Logger) *runtimes.Systemd {
	socket := ""
	if opts.Systemd {
		socket = cmp.Or(opts.SystemdSocket, filepath.Join(opts.Rundir, "dbus/system_bus_socket"))
	}
	return runtimes.NewSystemd(runtimes.SystemdConfig{
		Socket: socket, Events: events, Reporter: registry, Logger: logger,
		Oldest: func(cgroup string) (time.Duration, bool) {
			pids, err := fs.PIDs(cgroup)
			if err != nil {
				return 0, false
			}
			return process.Oldest(opts.Procfs, pids)
		},
	})
}

// guests are the machines that tell of themselves.
func guests(opts *Options, registry *workload.Registry, events workload.Events, logger *slog.Logger) *runtimes.Guests {
	machines := process.NewGuests(opts.Procfs)
	return runtimes.NewGuests(runtimes.GuestsConfig{
		Port: opts.Vsock, Events: events, Reporter: registry, Logger: logger,
		Find: func(cid uint32) (uuid, name string, ok bool) {
			g, ok := machines.Find(cid)
			return g.UUID, g.Name, ok
		},
	})
}

// together runs all until ctx or the first of them ends.
func together(ctx context.Context, running []func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range running {
		group.Go(func() error { return run(ctx) })
	}
	return group.Wait()
}

func findMount(opts *Options) (cgroupfs.Mount, error) {
	mountinfo := filepath.Join(opts.Procfs, "self/mountinfo")
	if opts.Cgroupfs == "" {
		return cgroupfs.Find(mountinfo)
	}
	mount, err := cgroupfs.Open(opts.Cgroupfs, mountinfo)
	if err != nil {
		return mount, fmt.Errorf("--path.cgroupfs: %w", err)
	}
	return mount, nil
}

// cgroupOf reads a process's cgroup. From inside a cgroup namespace the path of
// a process outside is not one in the tree, and says nothing.
func cgroupOf(procRoot string) func(pid int) (string, error) {
	return func(pid int) (string, error) {
		_, path, err := cgroups.ParseCgroupFileUnified(filepath.Join(procRoot, strconv.Itoa(pid), "cgroup"))
		if err != nil {
			return "", err
		}
		if path == "" || strings.HasPrefix(path, "/..") {
			return "", errors.New("not in this cgroup namespace")
		}
		return path, nil
	}
}

func histograms(calls map[string]libvirt.CallStats) map[string]collector.Histogram {
	all := make(map[string]collector.Histogram, len(calls))
	for name, c := range calls {
		all[name] = collector.Histogram{Count: c.Count, Sum: c.Sum, Buckets: c.Buckets}
	}
	return all
}

// newClassifier says what a path is.
func newClassifier(services *regexp.Regexp) func(path string) string {
	return cgroupfs.NewClassifier(services).Line
}

// sayIfEmpty tells once, after the first walk, that there is nothing to show:
// an operator who expected something knows where to look.
func sayIfEmpty(logger *slog.Logger, workloads []*workload.Workload) {
	for _, w := range workloads {
		if w.Kind == workload.KindContainer {
			return
		}
	}
	logger.Info("No containers found yet; the host and what starts later are shown")
}
