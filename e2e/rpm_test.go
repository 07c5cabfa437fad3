//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRPM has the rpm in the place of the deb, put there by rpm itself, with its
// scripts and under systemd. The lab is no RPM system: that of the host is
// brought along, and what a distribution's rpm would depend on is not asked for.
func TestRPM(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	const version, later = "1.0.0", "1.0.1"
	newer(t, "rpm", version, "dist/old.rpm")
	newer(t, "rpm", later, "dist/new.rpm")
	putRPM(t)
	restored(t)
	t.Cleanup(func() { inLab(t, "rm -r dist/*.rpm /srv/rpm") })
	inLab(t, "apt-get -qq -y purge workload-exporter >/dev/null")
	const name = "workload-exporter"
	rpm := func(args string) string {
		t.Helper()
		return inLab(t, "RPM_CONFIGDIR=/srv/rpm/config /srv/rpm/lib/ld-linux-x86-64.so.2 --library-path /srv/rpm/lib /srv/rpm/rpm --dbpath /srv/rpm/db %s", args)
	}

	rpm("-i --nodeps dist/old.rpm")
	if needs := rpm("-q --requires " + name); !strings.Contains(needs, "/usr/bin/systemd-sysusers\n") {
		t.Errorf("depends on: %s", needs)
	}
	if config := rpm("-qc " + name); config != "/etc/default/workload_exporter\n" {
		t.Errorf("configuration files: %s", config)
	}
	inLab(t, "test -s /usr/share/man/man1/workload_exporter.1.gz && test -s /usr/share/licenses/workload-exporter/LICENSE")
	_, start, ok := strings.Cut(readme(t, "sudo dnf install"), " && ")
	if !ok {
		t.Fatal("README.md does not start what dnf has installed")
	}
	inLab(t, "%s && %s", start, serves)
	asItself(t)
	TestEachWorkloadOnce(t)
	rpm("-V --nodeps " + name)

	inLab(t, "echo kept >%s/kept && echo ARGS=--no-collector.tasks >/etc/default/workload_exporter", state)
	rpm("-U --nodeps dist/new.rpm")
	inLab(t, "grep -q kept %s/kept && %s", state, serves)
	asItself(t)
	s := takeScrape(t)
	s.must(t, "workload_exporter_build_info", labels{"version": later})
	if len(s["workload_tasks"].GetMetric()) != 0 {
		t.Error("an update takes the configuration away")
	}

	rpm("-e --nodeps " + name)
	if left := inLab(t, `systemctl is-active workload_exporter.service || true; systemctl list-unit-files --no-legend '*workload_exporter*' || true
		find /usr /etc -xdev -name '*workload?exporter*'; ss -Hltn sport = 10075`); left != "inactive\n/etc/default/workload_exporter.rpmsave\n" {
		t.Errorf("left by -e:\n%s", left)
	}
	// As with every rpm, user and state stay.
	inLab(t, "grep -q kept %s/kept && id -u workload_exporter >/dev/null && rm -r %[1]s /etc/default/workload_exporter.rpmsave && userdel workload_exporter", state)
}

// putRPM puts the host's rpm into the lab, with the libraries that it needs.
func putRPM(t *testing.T) {
	t.Helper()
	archive := filepath.Join(t.TempDir(), "rpm.tar.gz")
	out, err := exec.Command("bash", "-euc", `
		dir=$(mktemp -d)
		trap 'rm -r "$dir"' EXIT
		mkdir "$dir/lib" "$dir/config"
		cp -L "$(command -v rpm)" "$dir/rpm"
		cp -L $(ldd "$dir/rpm" | grep -o '/[^ ]*') "$dir/lib"
		cp -r /usr/lib/rpm/{macros,macros.d,platform,rpmrc,rpmpopt*} "$dir/config"
		tar -C "$dir" -czf "$0" .`, archive).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := script("put", archive, "/srv/rpm.tar.gz"); err != nil {
		t.Fatal(err)
	}
	inLab(t, "mkdir /srv/rpm && tar -C /srv/rpm -xzf /srv/rpm.tar.gz && rm /srv/rpm.tar.gz")
}
