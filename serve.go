package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/common/version"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/workload-exporter/workload_exporter/collector"
	"github.com/workload-exporter/workload_exporter/status"
	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// grace is how long scrapes in flight may take after a stop was asked for.
	grace = 5 * time.Second
	// writeTimeout is how long a client may take to read an answer: more than
	// any scrape timeout, and less than for ever.
	writeTimeout = 30 * time.Second
)

// serve runs the exporter until ctx ends, or something that it cannot do without fails.
func serve(ctx context.Context, opts *Options, logger *slog.Logger) error {
	listeners, err := listen(ctx, opts.Web)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	// Those who follow the host outlive the last scrape.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	src, err := wire(opts, logger)
	if err != nil {
		return err
	}
	logger.Info("Starting", "version", version.Info(), "build_context", version.BuildContext())

	var walked atomic.Bool
	gatherer := collector.New(collector.Config{
		Registry: src.Registry, Enabled: opts.Collectors, ProcRoot: opts.Procfs, SysRoot: opts.Sysfs,
		Runtime: !opts.DisableExporterMetrics, LibvirtCalls: src.LibvirtCalls, Unreadable: src.Unreadable,
		Descriptors: src.Descriptors, FilesRead: src.FilesRead, Lifecycle: src.Lifecycle, History: src.History, Footprint: src.Footprint, Logger: logger,
	})
	page := status.New(status.Config{Gather: gatherer.Gather, Version: version.Version, Links: links(opts), Logger: logger})
	mux := routes(opts, gatherer, page, walked.Load)

	running := make(chan error, 1)
	go func() { running <- together(run, []func(context.Context) error{src.Run, page.Run}) }()
	servers, served := start(listeners, mux, opts, logger)
	go func() {
		sayIfEmpty(logger, firstWalk(ctx, src.Registry))
		walked.Store(true)
		notify(logger, daemon.SdNotifyReady)
	}()

	select {
	case <-ctx.Done():
		logger.Info("Stopping")
	case err = <-served:
	case err = <-running:
		// None of them ends before it is told to.
		err = fmt.Errorf("following the host: %w", orUnexpected(err))
		running <- nil
	}
	notify(logger, daemon.SdNotifyStopping)
	shutdown(servers, logger)
	cancel()
	select {
	case ended := <-running:
		if !errors.Is(ended, context.Canceled) {
			err = errors.Join(err, ended)
		}
	case <-time.After(grace):
		logger.Warn("Something that followed the host did not stop")
	}
	return err
}

// firstWalk looks until all that was found has a name, so that the first scrape
// after READY is a whole one; newcomers do not keep it going.
func firstWalk(ctx context.Context, registry *workload.Registry) []*workload.Workload {
	const atMost, every = 6 * time.Second, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	again := time.NewTicker(every)
	defer again.Stop()
	for {
		list := registry.Refresh()
		if registry.Undecided() == 0 {
			return list
		}
		select {
		case <-ctx.Done():
			return list
		case <-again.C:
		}
	}
}

// routes is what is served where.
func routes(opts *Options, gatherer *collector.Gatherer, page http.Handler, ready func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/{$}", page)
	mux.Handle(opts.MetricsPath, gatherer.Handler(collector.HandlerConfig{MaxRequests: opts.MaxRequests, WriteTimeout: writeTimeout}))
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "OK") })
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !ready() {
			http.Error(w, "Not yet: the first walk is not done", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "OK")
	})
	return mux
}

// links are those of the status page.
func links(opts *Options) []status.Link {
	return []status.Link{
		{Address: opts.MetricsPath, Text: "Metrics"},
		{Address: "/-/healthy", Text: "Healthy"},
		{Address: "/-/ready", Text: "Ready"},
	}
}

// start serves on each listener with a server of its own: the toolkit puts
// authentication into a server when it begins to serve.
func start(listeners []net.Listener, h http.Handler, opts *Options, logger *slog.Logger) ([]*http.Server, <-chan error) {
	served := make(chan error, len(listeners))
	servers := make([]*http.Server, len(listeners))
	for i, l := range listeners {
		s := &http.Server{
			Handler:           h,
			ReadHeaderTimeout: 10 * time.Second,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       5 * time.Minute,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		}
		servers[i] = s
		go func() {
			if err := web.Serve(l, s, opts.Web, logger); !errors.Is(err, http.ErrServerClosed) {
				served <- err
			}
		}()
	}
	return servers, served
}

// shutdown lets scrapes in flight end, and cuts off what is left.
func shutdown(servers []*http.Server, logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			logger.Warn("Scrapes were cut off", "err", err)
			_ = s.Close()
		}
	}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// notify tells systemd, when it asked to be told.
func notify(logger *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("Cannot notify systemd", "err", err)
	}
}

// orUnexpected makes an error of an end without one.
func orUnexpected(err error) error {
	if err == nil {
		return errors.New("ended unexpectedly")
	}
	return err
}
