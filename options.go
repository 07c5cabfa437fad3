package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"github.com/workload-exporter/workload_exporter/collector"
)

// liveProcfs is this host's own, of the processes that run.
const liveProcfs = "/proc"

// Options is the command line.
type Options struct {
	// Cgroupfs is the cgroup2 root; empty is the one in mountinfo.
	Cgroupfs              string
	Procfs, Sysfs, Rundir string
	// Logdir has kubelet's logs, Pvedir Proxmox's configuration.
	Logdir, Pvedir string
	Libvirt        bool
	// LibvirtSocket is the one to use; empty is the first of the usual ones that is there.
	LibvirtSocket string
	LibvirtURI    string
	// The runtimes that are asked for names, and for more.
	Docker, Podman, Containerd, CRI, Incus, LXD Runtime
	// Labels are the keys of the runtimes' labels to show, sorted.
	Labels []string
	// Timeout is when a phase that does not end is given up.
	Timeout time.Duration
	// Vsock is the port to listen on to guests; 0 is none.
	Vsock uint32
	// StateDir is where what is under way is kept over a restart; empty is nowhere.
	StateDir string
	// FootprintInterval is the time between two looks at images and disks.
	FootprintInterval time.Duration
	// Systemd is whether to ask it for the starts of units, SystemdSocket that
	// of the system bus; empty is the usual one.
	Systemd       bool
	SystemdSocket string
	// Most is how many workloads are shown at most; 0 is no limit.
	Most int
	// Services are the service units that are workloads; nil is none of them.
	Services *regexp.Regexp
	// Collectors are those that are on.
	Collectors collector.Enabled

	Web                    *web.FlagConfig
	MetricsPath            string
	MaxRequests            int
	DisableExporterMetrics bool

	services   string
	labels     string
	collectors map[collector.Name]*bool
}

// Runtime is whether to ask one, and over which socket; empty is a usual one.
type Runtime struct {
	On     bool
	Socket string
}

// addFlags makes the flags that fill in Options.
func addFlags(app *kingpin.Application) *Options {
	o := &Options{collectors: map[collector.Name]*bool{}}
	o.Web = kingpinflag.AddFlags(app, ":10075")
	app.Flag("web.telemetry-path", "Path under which to expose metrics.").
		Default("/metrics").StringVar(&o.MetricsPath)
	app.Flag("web.max-requests", "Maximum number of requests served in parallel; 0 for no limit.").
		Default("40").IntVar(&o.MaxRequests)
	app.Flag("web.disable-exporter-metrics", "Leave out metrics about the exporter's process (promhttp_*, process_*, go_*).").
		BoolVar(&o.DisableExporterMetrics)

	app.Flag("path.cgroupfs", "Root of the cgroup v2 hierarchy; the mount that mountinfo shows when empty.").
		PlaceHolder("DIR").StringVar(&o.Cgroupfs)
	app.Flag("path.procfs", "Where procfs is mounted.").Default(liveProcfs).StringVar(&o.Procfs)
	app.Flag("path.sysfs", "Where sysfs is mounted.").Default("/sys").StringVar(&o.Sysfs)
	app.Flag("path.rundir", "Where runtimes keep their state.").Default("/run").StringVar(&o.Rundir)
	app.Flag("path.logdir", "Where kubelet keeps the logs of pods, whose directories have their names.").Default("/var/log").StringVar(&o.Logdir)
	app.Flag("path.pvedir", "Where Proxmox VE keeps the configuration of its guests.").Default("/etc/pve").StringVar(&o.Pvedir)
	app.Flag("libvirt", "Ask libvirt about its machines, when it is there.").Default("true").BoolVar(&o.Libvirt)
	app.Flag("libvirt.socket", "Read-only socket of libvirt; the usual ones are tried when empty.").
		PlaceHolder("PATH").StringVar(&o.LibvirtSocket)
	app.Flag("libvirt.uri", "Which of the daemon's drivers to ask; qemu:///session for a user's own daemon, by its socket.").
		Default("qemu:///system").StringVar(&o.LibvirtURI)
	for _, r := range []struct {
		into               *Runtime
		flag, what, socket string
	}{
		{&o.Docker, "docker", "Listen to Docker, for names and how containers end", "Docker's socket; docker.sock in --path.rundir when empty"},
		{&o.Podman, "podman", "Listen to Podman, for names and how containers end", "Podman's socket; podman/podman.sock in --path.rundir, and those of users, when empty"},
		{&o.Containerd, "containerd", "Ask containerd for the names of pods and containers", "containerd's socket; the usual ones are tried when empty"},
		{&o.CRI, "cri", "Ask CRI-O or cri-dockerd for the names of pods and containers", "CRI socket; the usual ones are tried when empty"},
		{&o.Incus, "incus", "Ask Incus for projects and images", "Incus' socket; the usual one when empty"},
		{&o.LXD, "lxd", "Ask LXD for projects and images", "LXD's socket; the usual ones are tried when empty"},
	} {
		app.Flag("runtime."+r.flag, r.what+", when its socket may be used.").Default("true").BoolVar(&r.into.On)
		app.Flag("runtime."+r.flag+".socket", r.socket+".").PlaceHolder("PATH").StringVar(&r.into.Socket)
	}
	app.Flag("runtime.labels", "Labels of the runtimes to show in workload_info, by their keys; each becomes label_KEY.").
		PlaceHolder("KEY,...").StringVar(&o.labels)
	app.Flag("lifecycle.timeout", "When a start, stop or reboot that does not end is given up, and counted as missed.").
		Default("10m").DurationVar(&o.Timeout)
	app.Flag("vsock.listen", "Port on AF_VSOCK to hear from guests' systemd when they are up, ready and stopping; 0 for none.").
		Default("0").PlaceHolder("PORT").Uint32Var(&o.Vsock)
	app.Flag("state.dir", "Where to keep what is starting and stopping over a restart of the exporter; systemd's $STATE_DIRECTORY when empty, and nowhere without either.").
		PlaceHolder("DIR").StringVar(&o.StateDir)
	app.Flag("footprint.interval", "Time between two looks at a workload's images and disks.").
		Default("1h").DurationVar(&o.FootprintInterval)
	app.Flag("runtime.systemd", "Ask systemd when units started, were ready and had to stop.").Default("true").BoolVar(&o.Systemd)
	app.Flag("runtime.systemd.socket", "Socket of the D-Bus system bus; dbus/system_bus_socket in --path.rundir when empty.").
		PlaceHolder("PATH").StringVar(&o.SystemdSocket)
	app.Flag("workload.services", "Service units to show as workloads of kind service; the expression has to match the whole unit name, as in nginx\\.service.").
		PlaceHolder("REGEXP").StringVar(&o.services)

	app.Flag("workload.max", "Most workloads to show; how many more there are is in workload_exporter_workloads_hidden. 0 for no limit.").
		Default("10000").IntVar(&o.Most)

	for _, n := range collector.Names() {
		o.collectors[n] = app.Flag("collector."+string(n), "Expose "+n.Help()+".").Default("true").Bool()
	}
	return o
}

// check finishes the Options and says what is wrong with them, before anything is started.
func (o *Options) check() error {
	o.Collectors = collector.Enabled{}
	for n, on := range o.collectors {
		o.Collectors[n] = *on
	}
	if given := filepath.SplitList(os.Getenv("STATE_DIRECTORY")); o.StateDir == "" && len(given) > 0 {
		o.StateDir = given[0]
	}
	if o.services != "" {
		re, err := regexp.Compile("^(?:" + o.services + ")$")
		if err != nil {
			return fmt.Errorf("--workload.services: %w", err)
		}
		o.Services = re
	}
	if err := o.checkLabels(); err != nil {
		return fmt.Errorf("--runtime.labels: %w", err)
	}
	if !strings.HasPrefix(o.MetricsPath, "/") || o.MetricsPath == "/" || strings.HasPrefix(o.MetricsPath, "/-/") ||
		strings.ContainsAny(o.MetricsPath, "{} ") {
		return errors.New("--web.telemetry-path: must be a path other than / and /-/")
	}
	if o.FootprintInterval < time.Minute {
		return errors.New("--footprint.interval: must be at least 1m")
	}
	if o.Timeout <= 0 {
		return errors.New("--lifecycle.timeout: must be positive")
	}
	if o.Most < 0 {
		return errors.New("--workload.max: must not be negative")
	}
	if o.MaxRequests < 0 {
		return errors.New("--web.max-requests: must not be negative")
	}
	if err := web.Validate(*o.Web.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file: %w", err)
	}
	return nil
}

// checkLabels refuses what could not be shown, or not for every container.
func (o *Options) checkLabels() error {
	shown := map[string]string{}
	o.Labels = nil
	for key := range strings.SplitSeq(o.labels, ",") {
		key = strings.TrimSpace(key)
		if key == "" {
			continue
		}
		if key == "name" || key == "image" || key == "podId" {
			return fmt.Errorf("%s: engines have a word of their own under this key", key)
		}
		if other, ok := shown[collector.LabelName(key)]; ok {
			return fmt.Errorf("%s and %s would both be %s", other, key, collector.LabelName(key))
		}
		shown[collector.LabelName(key)] = key
		o.Labels = append(o.Labels, key)
	}
	slices.Sort(o.Labels)
	return nil
}
