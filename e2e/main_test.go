//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain boots the lab, installs the exporter in it and starts all workloads.
// WORKLOAD_LAB_KEEP=1 leaves the lab running, and finds it so the next time.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	keep := os.Getenv("WORKLOAD_LAB_KEEP") != ""
	if !keep {
		defer func() { _, _ = script("stop") }()
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"booting the lab", func() error { return boot(keep) }},
		{"installing the exporter", install},
		{"starting the workloads", func() error { _, err := lab("workloads up >/dev/null || workloads list"); return err }},
	} {
		begin := time.Now()
		if err := step.do(); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", step.what, err)
			return 1
		}
		fmt.Printf("%s: %.0f s\n", step.what, time.Since(begin).Seconds())
	}
	return m.Run()
}

// boot starts the lab, unless it was kept from the last time.
func boot(keep bool) error {
	if keep {
		if _, err := lab("true"); err == nil {
			return nil
		}
	}
	_, err := script("boot")
	return err
}

// install builds the binary and makes a service of it, the way the package will.
func install() error {
	binary := filepath.Join(os.TempDir(), "workload_exporter-e2e")
	defer os.Remove(binary)
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if _, err := lab("systemctl stop workload_exporter 2>/dev/null; true"); err != nil {
		return err
	}
	for from, to := range map[string]string{
		binary: "/usr/bin/workload_exporter",
		"../packaging/systemd/workload_exporter.service":  "/usr/lib/systemd/system/workload_exporter.service",
		"../packaging/systemd/workload_exporter.sysusers": "/usr/lib/sysusers.d/workload_exporter.conf",
	} {
		if _, err := script("put", from, to); err != nil {
			return err
		}
	}
	_, err := lab("systemd-sysusers && systemctl daemon-reload && systemctl restart workload_exporter")
	return err
}

// script runs one of the lab's scripts.
func script(name string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join("lab", name), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("lab/%s %s: %w: %s%s", name, strings.Join(args, " "), err, stderr.String(), out)
	}
	return string(out), nil
}

// lab runs a shell command inside, as root.
func lab(command string) (string, error) { return script("ssh", command) }

// inLab is lab for tests that cannot go on without.
func inLab(t *testing.T, format string, args ...any) string {
	t.Helper()
	out, err := lab(fmt.Sprintf(format, args...))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// eventually waits for something that the lab, being emulated, takes its time for.
func eventually(t *testing.T, what string, atMost time.Duration, done func() bool) {
	t.Helper()
	begin := time.Now()
	for !done() {
		if time.Since(begin) > atMost {
			t.Fatalf("%s: not within %v", what, atMost)
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("%s: %.1f s", what, time.Since(begin).Seconds())
}
