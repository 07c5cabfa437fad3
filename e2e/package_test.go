//go:build e2e

package e2e

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes a release of the tree, as the Makefile does, and returns its deb and rpm.
func build(t *testing.T, version string) (deb, rpm string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("make", "-C", "..", "packages", "ARCHES=amd64", "DIST="+dir, "VERSION="+version, "PACKAGE_VERSION="+version)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	one := func(pattern string) string {
		list, _ := filepath.Glob(filepath.Join(dir, pattern))
		if len(list) != 1 {
			t.Fatalf("%s: %v", pattern, list)
		}
		return list[0]
	}
	return one("*.deb"), one("*.rpm")
}

// TestPackagesAreReproducible builds the same twice.
func TestPackagesAreReproducible(t *testing.T) {
	var sums [2][2][32]byte
	for i := range sums {
		deb, rpm := build(t, "1.0.0")
		for j, name := range []string{deb, rpm} {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sums[i][j] = sha256.Sum256(content)
		}
	}
	if sums[0] != sums[1] {
		t.Error("two builds differ")
	}
}

// TestRPM unpacks the rpm with rpm itself and compares it with its own list.
func TestRPM(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	_, name := build(t, "1.0.0")
	root := t.TempDir()
	rpm := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("rpm", append([]string{"--root", root, "--dbpath", "/var/lib/rpm"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("rpm %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	rpm("--initdb")
	// The scripts ask for systemd, which this root has not.
	rpm("-i", "--nodeps", "--noscripts", name)
	rpm("-V", "--nodeps", "--noscripts", "workload-exporter")
	for _, file := range []string{
		"/usr/bin/workload_exporter", "/usr/lib/systemd/system/workload_exporter.service", "/usr/lib/systemd/system/workload_exporter.socket",
		"/usr/lib/sysusers.d/workload_exporter.conf", "/etc/default/workload_exporter",
		"/usr/share/man/man1/workload_exporter.1.gz", "/usr/share/licenses/workload-exporter/LICENSE",
	} {
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Error(err)
		}
	}
	if config := rpm("-qc", "workload-exporter"); strings.TrimSpace(config) != "/etc/default/workload_exporter" {
		t.Errorf("configuration files: %s", config)
	}
	rpm("-e", "--nodeps", "--noscripts", "workload-exporter")
	if _, err := os.Stat(filepath.Join(root, "/usr/bin/workload_exporter")); err == nil {
		t.Error("left after -e")
	}
}
