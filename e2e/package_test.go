//go:build e2e

package e2e

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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

// TestPackage installs the deb, upgrades and purges it.
func TestPackage(t *testing.T) {
	before := takeScrape(t).workloads()
	inLab(t, `systemctl stop workload_exporter && rm /usr/bin/workload_exporter /usr/lib/systemd/system/workload_exporter.service
		rm -rf /var/lib/private/workload_exporter /var/lib/workload_exporter && systemctl daemon-reload`)
	defer func() {
		if err := install(); err != nil {
			t.Fatal(err)
		}
	}()
	apt := func(deb string) {
		t.Helper()
		if _, err := script("put", deb, "/root/workload-exporter.deb"); err != nil {
			t.Fatal(err)
		}
		inLab(t, "apt-get -qq -o DPkg::Use-Pty=0 install -y /root/workload-exporter.deb >/dev/null && rm /root/workload-exporter.deb")
	}
	version := func(want string) {
		t.Helper()
		if n := len(takeScrape(t).series("workload_exporter_build_info", labels{"version": want})); n != 1 {
			t.Errorf("version %s does not run", want)
		}
	}
	first, _ := build(t, "1.0.0")
	apt(first)
	version("1.0.0")
	eventually(t, "every workload to be there", time.Minute, func() bool {
		return slices.Equal(takeScrape(t).workloads(), before)
	})
	if uid := strings.Fields(inLab(t, "grep ^Uid: /proc/$(systemctl show --value -p MainPID workload_exporter)/status"))[1]; len(uid) < 5 {
		t.Errorf("runs as %s", uid)
	}
	t.Log(strings.TrimSpace(inLab(t, "systemd-analyze security --no-pager --threshold=16 workload_exporter.service | tail -1")))
	inLab(t, "systemd-analyze verify /usr/lib/systemd/system/workload_exporter.service /usr/lib/systemd/system/workload_exporter.socket")

	inLab(t, "touch /var/lib/workload_exporter/kept && echo 'ARGS=--log.level=debug' >/etc/default/workload_exporter")
	second, _ := build(t, "1.0.1")
	apt(second)
	version("1.0.1")
	inLab(t, "test -e /var/lib/workload_exporter/kept && grep -q debug /etc/default/workload_exporter")

	inLab(t, `echo 'ARGS=--web.systemd-socket' >/etc/default/workload_exporter
		systemctl stop workload_exporter && systemctl start workload_exporter.socket && systemctl start workload_exporter`)
	version("1.0.1")

	inLab(t, "apt-get -qq -o DPkg::Use-Pty=0 purge -y workload-exporter >/dev/null")
	left := inLab(t, `find / -xdev \( -name '*workload_exporter*' -o -name '*workload-exporter*' \) -not -path '/proc/*' -not -path '/tmp/systemd-private-*'
		getent passwd workload_exporter || true; systemctl list-units --all --no-legend 'workload_exporter*'`)
	if left = strings.TrimSpace(left); left != "" {
		t.Errorf("a purge left:\n%s", left)
	}
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
		"/usr/bin/workload_exporter", "/usr/lib/systemd/system/workload_exporter.service", "/etc/default/workload_exporter",
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
