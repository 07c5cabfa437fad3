//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	// reinstall is for a lab that may have any other version.
	reinstall = "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --reinstall --allow-downgrades -o Dpkg::Options::=--force-confmiss ./" + deb +
		" >/dev/null && systemctl is-active -q workload_exporter"
	state = "/var/lib/private/workload_exporter"
)

// makePackage makes one as the Makefile does, of a version or of the commit's.
func makePackage(dir, packager, version string) (string, error) {
	cmd := exec.Command("make", "-C", "..", "packages", "ARCHES=amd64", "PACKAGERS="+packager, "DIST="+dir)
	if version != "" {
		cmd.Args = append(cmd.Args, "VERSION="+version, "PACKAGE_VERSION="+version)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	list, _ := filepath.Glob(filepath.Join(dir, "*."+packager))
	if len(list) != 1 {
		return "", fmt.Errorf("packages: %v", list)
	}
	return list[0], nil
}

// newer puts a package of a later version into the lab.
func newer(t *testing.T, packager, version, to string) {
	t.Helper()
	file, err := makePackage(t.TempDir(), packager, version)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := script("put", file, to); err != nil {
		t.Fatal(err)
	}
}

// readme is a command of README.md, up to the end of its last line, as root has it.
func readme(t *testing.T, begin string) string {
	t.Helper()
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(begin) + `(.*\\\n)*.*`).Find(content)
	if command == nil {
		t.Fatalf("README.md has no %s", begin)
	}
	return strings.ReplaceAll(string(command), "sudo ", "")
}

// restored has the lab's package as it was, when the test ends.
func restored(t *testing.T) {
	t.Cleanup(func() {
		inLab(t, "systemctl disable --now workload_exporter.socket 2>/dev/null; rm -f /etc/default/workload_exporter; %s && %s", reinstall, serves)
	})
}

// TestReleaseIsReproducible makes everything that a release has twice, and has the same bytes.
func TestReleaseIsReproducible(t *testing.T) {
	var sums [2]string
	for i := range sums {
		dir := t.TempDir()
		if out, err := exec.Command("make", "-C", "..", "release", "ARCHES=amd64", "DIST="+dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		check := exec.Command("sha256sum", "-c", "--quiet", "sha256sums.txt")
		check.Dir = dir
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		content, err := os.ReadFile(filepath.Join(dir, "sha256sums.txt"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(content)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 5 {
		t.Errorf("two builds of binary, deb, rpm, bill of materials and man page:\n%s\n%s", sums[0], sums[1])
	}
}
