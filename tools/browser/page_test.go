// Package browser looks at the status page as an operator does, with Debian's Chromium.
package browser

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const host = "../../collector/testdata/host"

var screenshots = flag.String("screenshots", "", "directory to write what was seen to")

// exporter runs the binary on a tree and a captured host, and returns its address.
func exporter(t *testing.T, tree string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "workload_exporter")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../..", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "--no-libvirt", "--web.listen-address="+address, "--path.cgroupfs="+tree, "--path.rundir="+t.TempDir(),
		"--path.procfs="+host+"/proc", "--path.sysfs="+host+"/sys")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	for range 100 {
		if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address); err == nil {
			_ = c.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the exporter does not serve")
	return ""
}

// empty is a tree without a workload.
func empty(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"cgroup.controllers": "cpu io memory pids\n", "cgroup.procs": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// browser starts Chromium, or skips where there is none: CI has to have it.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no chromium, and CI has to have it")
		}
		t.Skip("no chromium: the status page is not looked at")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// seen is what went on while a page was open.
type seen struct {
	mu                 sync.Mutex
	requests, troubles []string
}

func (s *seen) listen(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		s.requests = append(s.requests, e.Request.URL)
	case *log.EventEntryAdded:
		s.troubles = append(s.troubles, e.Entry.Text)
	case *runtime.EventConsoleAPICalled:
		s.troubles = append(s.troubles, fmt.Sprint(e.Type))
	case *runtime.EventExceptionThrown:
		s.troubles = append(s.troubles, e.ExceptionDetails.Text)
	}
}

// TestStatusPage has the page fit a desk and a phone, ask nobody for anything, and complain of nothing.
func TestStatusPage(t *testing.T) {
	captured, err := filepath.Abs("../../cgroupfs/testdata/lab")
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range []struct {
		name, path string
		workloads  int
	}{{"workloads", captured, 12}, {"empty", empty(t), 0}} {
		address := exporter(t, tree.path)
		for _, width := range []int64{1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("status-%s-%d-%s", tree.name, width, scheme)
				t.Run(name, func(t *testing.T) {
					ctx := browser(t)
					var s seen
					chromedp.ListenTarget(ctx, s.listen)
					var wide, rows int64
					var text string
					var picture []byte
					page := "http://" + address + "/"
					if err := chromedp.Run(ctx, network.Enable(), log.Enable(),
						emulation.SetDeviceMetricsOverride(width, 844, 1, width < 500),
						emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
						chromedp.Navigate(page),
						// The first look has none: the page comes again by itself, and then it does.
						chromedp.WaitReady("polyline", chromedp.ByQuery),
						chromedp.Evaluate("document.documentElement.scrollWidth", &wide),
						chromedp.Evaluate("document.querySelectorAll('#workloads tbody tr').length", &rows),
						chromedp.Text("body", &text),
						chromedp.FullScreenshot(&picture, 100),
					); err != nil {
						t.Fatal(err)
					}
					s.mu.Lock()
					defer s.mu.Unlock()
					if wide > width {
						t.Errorf("%d wide", wide)
					}
					if rows != int64(tree.workloads) || !strings.Contains(text, "Containers") {
						t.Errorf("%d workloads, want %d, in:\n%s", rows, tree.workloads, text)
					}
					for _, url := range s.requests {
						if url != page && url != "data:," {
							t.Errorf("asked for %s", url)
						}
					}
					if len(s.requests) == 0 {
						t.Error("no request was seen, so nobody looked")
					}
					for _, trouble := range s.troubles {
						t.Errorf("the browser says: %s", trouble)
					}
					if *screenshots != "" {
						if err := os.WriteFile(filepath.Join(*screenshots, name+".png"), picture, 0o600); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}
