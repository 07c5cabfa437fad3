package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/scrape"
)

const (
	starts   = 20
	duration = "workload_lifecycle_duration_seconds"
	// A Prometheus takes both forms only if it is told to.
	scraping = `
scrape_configs:
  - job_name: workload
    scrape_interval: 1s
    scrape_timeout: 1s
    scrape_native_histograms: true
    always_scrape_classic_histograms: true
`
)

// TestNativeHistogram has real starts in the host's cgroups scraped from the binary
// by Prometheus' own scrape manager: they arrive as a native histogram and as
// classic buckets, and both tell the same.
func TestNativeHistogram(t *testing.T) {
	top := cgroup(t)
	address := exporter(t, "--path.cgroupfs="+top, "--path.rundir="+t.TempDir())
	for i := range starts {
		populate(t, filepath.Join(top, fmt.Sprintf("lxc.payload.c%d", i)))
	}
	seen := regexp.MustCompile(`(?m)^` + duration + `_count\{.*phase="create_to_started".*\} ` + fmt.Sprint(starts) + `$`)
	wait(t, "the starts to be seen", func() bool { return seen.MatchString(get(t, "http://"+address+"/metrics")) })

	w := newWorld(t)
	scrapes(t, w, address)
	query := duration + `{phase="create_to_started", kind="container", runtime="lxc"}`
	var native promql.Vector
	wait(t, "a scrape", func() bool {
		native = w.vector(time.Now(), query)
		return len(native) != 0
	})
	if len(native) != 1 || native[0].H == nil {
		t.Fatalf("no native histogram: %v", native)
	}
	if h := native[0].H; h.Count != starts || h.Schema < 0 || len(h.PositiveSpans) == 0 {
		t.Errorf("%v in schema %d, of %d starts", h, h.Schema, starts)
	}
	bucket := strings.Replace(query, "{", "_bucket{", 1)
	if n := len(w.vector(time.Now(), bucket)); n != 21 {
		t.Errorf("%d classic buckets", n)
	}
	for _, q := range []string{"0.5", "0.95"} {
		fine := w.vector(time.Now(), "histogram_quantile("+q+", "+query+")")
		coarse := w.vector(time.Now(), "histogram_quantile("+q+", sum by (le) ("+bucket+"))")
		if len(fine) != 1 || len(coarse) != 1 {
			t.Fatalf("quantile %s: %v, %v", q, fine, coarse)
		}
		// Between the edges of the classic bucket that the quantile falls in.
		from, to := edges(coarse[0].F)
		t.Logf("quantile %s: %g s native, %g s classic", q, fine[0].F, coarse[0].F)
		if f := fine[0].F; f <= 0 || f < from/1.1 || f > to*1.1 {
			t.Errorf("quantile %s is %g of the native and %g of the classic histogram", q, f, coarse[0].F)
		}
	}
}

// edges is the classic bucket that holds a duration of this test.
func edges(seconds float64) (from, to float64) {
	for _, to = range []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10} {
		if seconds <= to {
			break
		}
		from = to
	}
	return from, to
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode, "\n", string(b))
}

// cgroup makes a group in the host's hierarchy. Where that cannot be, a laptop may
// skip.
func cgroup(t *testing.T) string {
	t.Helper()
	var err error
	for _, root := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err = os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
			continue
		}
		top := filepath.Join(root, fmt.Sprintf("workload-exporter-native-%d.slice", os.Getpid()))
		if err = os.Mkdir(top, 0o755); err == nil {
			t.Cleanup(func() { remove(t, top) })
			return top
		}
	}
	if os.Getenv("CI") != "" && os.Geteuid() == 0 {
		t.Fatalf("this test needs a cgroup2 mount that it can write to: %v", err)
	}
	t.Skipf("no cgroup2 mount that can be written to: %v", err)
	return ""
}

// remove waits for the last process, which is busy ending.
func remove(t *testing.T, dir string) {
	t.Helper()
	wait(t, dir+" to be empty", func() bool {
		err := os.Remove(dir)
		return err == nil || errors.Is(err, os.ErrNotExist)
	})
}

// populate makes a group and starts a process in it.
func populate(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, dir) })
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
}

// exporter builds and starts the binary and waits until it is ready.
func exporter(t *testing.T, args ...string) (address string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "workload_exporter")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", "../..", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	_ = l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, append(args, "--web.listen-address="+address, "--no-libvirt")...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	wait(t, "the exporter", func() bool { return strings.HasPrefix(get(t, "http://"+address+"/-/ready"), "200") })
	return address
}

// scrapes has a target scraped into the world's database.
func scrapes(t *testing.T, w *world, address string) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	cfg, err := config.Load(scraping, quiet)
	if err != nil {
		t.Fatal(err)
	}
	manager, err := scrape.NewManager(&scrape.Options{DiscoveryReloadInterval: model.Duration(10 * time.Millisecond)}, quiet, nil, nil, w.db, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.ApplyConfig(cfg); err != nil {
		t.Fatal(err)
	}
	targets := make(chan map[string][]*targetgroup.Group, 1)
	targets <- map[string][]*targetgroup.Group{"workload": {{Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(address)}}, Source: "test"}}}
	done := make(chan error, 1)
	go func() { done <- manager.Run(targets) }()
	t.Cleanup(func() {
		manager.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
