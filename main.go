// Command workload_exporter shows every container and every virtual machine of
// a host through the same metrics.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/promslog"
	promslogflag "github.com/prometheus/common/promslog/flag"
	"github.com/prometheus/common/version"
)

const name = "workload_exporter"

func main() {
	app := kingpin.New(name, "Shows every container and virtual machine of this host through the same Prometheus metrics.")
	app.Version(version.Print(name))
	app.HelpFlag.Short('h')
	app.UsageWriter(os.Stdout)
	log := &promslog.Config{}
	promslogflag.AddFlags(app, log)

	opts := addFlags(app)
	app.Command("serve", "Serve metrics over HTTP.").Default()
	classify := app.Command("classify", "Say what the cgroups with these paths are: PATH, kind, runtime, id, name and "+
		"the workload's top cgroup, or - for what is no workload. Nothing need exist.")
	paths := classify.Arg("path", "Cgroup paths below the mount; without any, one on each line of standard input.").Strings()

	command := kingpin.MustParse(app.Parse(os.Args[1:]))
	app.FatalIfError(opts.check(), "")
	if command == classify.FullCommand() {
		app.FatalIfError(printClasses(os.Stdout, os.Stdin, *paths, newClassifier(opts.Services)), "classify")
		return
	}

	// Most of the heap is rows that stay, and a scrape leaves little garbage: to
	// collect often costs little and halves what is resident.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30)
	}
	logger := promslog.New(log)
	if os.Geteuid() == 0 {
		logger.Warn("Running as root: nothing here needs it")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := serve(ctx, opts, logger)
	stop()
	if err != nil {
		logger.Error("Stopped", "err", err)
		os.Exit(1)
	}
}
