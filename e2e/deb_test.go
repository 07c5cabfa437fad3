//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The lab's exporter is from the deb, which each lab installs with apt-get; so
// all other tests are tests of it, too.

// TestDeb looks at what the package has put where README.md says.
func TestDeb(t *testing.T) {
	if changed := inLab(t, "dpkg -V workload-exporter"); changed != "" {
		t.Errorf("not as it was packed:\n%s", changed)
	}
	files := strings.Fields(inLab(t, `for f in $(dpkg -L workload-exporter); do [ -d "$f" ] || echo "$f"; done`))
	slices.Sort(files)
	if diff := cmp.Diff([]string{
		"/etc/default/workload_exporter",
		"/usr/bin/workload_exporter",
		"/usr/lib/systemd/system/workload_exporter.service",
		"/usr/lib/systemd/system/workload_exporter.socket",
		"/usr/lib/sysusers.d/workload_exporter.conf",
		"/usr/share/doc/workload-exporter/CHANGELOG.md",
		"/usr/share/doc/workload-exporter/README.md",
		"/usr/share/doc/workload-exporter/copyright",
		"/usr/share/man/man1/workload_exporter.1.gz",
	}, files); diff != "" {
		t.Errorf("files (-want +have):\n%s", diff)
	}
	version := strings.TrimSpace(inLab(t, "dpkg-query -W -f '${Version}' workload-exporter"))
	page := strings.ReplaceAll(inLab(t, "zcat /usr/share/man/man1/workload_exporter.1.gz"), `\`, "")
	for _, want := range []string{`.TH workload_exporter 1 "" "` + strings.TrimSuffix(version, "-1") + `"`, "--web.listen-address", "--state.dir"} {
		if !strings.Contains(page, want) {
			t.Errorf("the man page has no %s", want)
		}
	}
	asItself(t)
}

// asItself is whether the service runs as its own user, and as nobody else, in
// a sandbox as tight as README.md has it.
func asItself(t *testing.T) {
	t.Helper()
	show := func(property string) string {
		t.Helper()
		return strings.TrimSpace(inLab(t, "systemctl show -P %s workload_exporter", property))
	}
	for property, want := range map[string]string{
		"ActiveState": "active", "UnitFileState": "enabled", "DynamicUser": "yes", "NRestarts": "0", "FragmentPath": "/usr/lib/systemd/system/workload_exporter.service",
	} {
		if have := show(property); have != want {
			t.Errorf("%s is %s, want %s", property, have, want)
		}
	}
	ids := strings.Fields(inLab(t, "ps -o uid=,gid=,supgid= -p %s; id -u workload_exporter; id -g workload_exporter; id -G workload_exporter", show("MainPID")))
	if len(ids) != 6 || !slices.Equal(ids[:3], ids[3:]) || slices.Contains(ids, "0") {
		t.Errorf("user, group and groups of the process, and of the user: %q", ids)
	}
	verdict := inLab(t, "systemd-analyze security --no-pager workload_exporter.service | tail -n 1")
	t.Log(strings.TrimSpace(verdict))
	inLab(t, "systemd-analyze security --no-pager --threshold=16 workload_exporter.service >/dev/null")
	if complaints := inLab(t, "systemd-analyze verify --man=no workload_exporter.service workload_exporter.socket 2>&1"); complaints != "" {
		t.Errorf("systemd-analyze verify: %s", complaints)
	}
}

// TestDebUpgrade has a later version come while a container starts: that start
// is observed by the new one, from its beginning and once, and what the
// administrator has written stays.
func TestDebUpgrade(t *testing.T) {
	const version, flags = "99.0.0", "ARGS=--no-collector.tasks"
	newer(t, "deb", version, "dist/newer.deb")
	restored(t)
	t.Cleanup(func() { inLab(t, "rm dist/newer.deb; docker rm -f upgraded >/dev/null") })
	inLab(t, "echo kept >%s/kept && echo %s >/etc/default/workload_exporter", state, flags)
	id := strings.TrimSpace(inLab(t, "docker run -d --name upgraded --cpus 0.3 bb:1 /bin/sh -c 'until [ -e /done ]; do :; done; exec sleep 1000'"))[:12]
	begin := time.Now()
	who := labels{"id": id}
	settled := labels{"id": id, "phase": "start_to_settled"}
	old := takeScrape(t)
	eventually(t, "the start to be written down", 5*time.Minute, func() bool {
		_, err := lab("grep -q " + id + " " + state + "/lifecycle.json")
		return err == nil
	})
	upgrade := time.Now()
	inLab(t, "DEBIAN_FRONTEND=noninteractive apt-get -qq install ./dist/newer.deb >/dev/null && %s", serves)
	t.Logf("upgraded in %.1f s", time.Since(upgrade).Seconds())
	asItself(t)
	s := takeScrape(t)
	s.must(t, "workload_exporter_build_info", labels{"version": version})
	if len(s["workload_tasks"].GetMetric()) != 0 || len(old["workload_tasks"].GetMetric()) == 0 {
		t.Error("the flags in /etc/default are not those of the new one alone")
	}
	if now := inLab(t, "cat %s/kept /etc/default/workload_exporter", state); now != "kept\n"+flags+"\n" {
		t.Errorf("not kept: %q", now)
	}
	if was, is := old.must(t, "workload_start_timestamp_seconds", who), s.must(t, "workload_start_timestamp_seconds", who); was != is {
		t.Errorf("started at %f before and at %f after", was, is)
	}
	if _, ok := s.value(t, "workload_phase_duration_seconds", settled); ok {
		t.Error("settled while it was busy")
	}
	least := time.Since(begin).Seconds()
	inLab(t, "docker exec upgraded touch /done")
	eventually(t, "the start to settle", 5*time.Minute, func() bool {
		s = takeScrape(t)
		_, ok := s.value(t, "workload_phase_duration_seconds", settled)
		return ok
	})
	if took := s.must(t, "workload_phase_duration_seconds", settled); took < least {
		t.Errorf("settled after %.1f s, but was busy for %.1f s", took, least)
	}
	if n := s.sum("workload_lifecycle_events_total", labels{"runtime": "docker"}); n != 0 {
		t.Errorf("%v events of Docker's, which the old one has counted", n)
	}
	if n := s.sum("workload_lifecycle_observations_missed_total", labels{"reason": "exporter_restarted"}); n != 0 {
		t.Errorf("%v missed", n)
	}
}

// portBySystemd has systemd open the port.
func portBySystemd(t *testing.T) {
	t.Helper()
	for _, command := range []string{"echo 'ARGS=--web.systemd-socket'", "sudo systemctl enable workload_exporter.socket"} {
		inLab(t, "%s", readme(t, command))
	}
}

// TestDebSocket has a port that is open whether the exporter runs or not.
func TestDebSocket(t *testing.T) {
	restored(t)
	portBySystemd(t)
	for range 2 {
		if running := inLab(t, "systemctl is-active workload_exporter.service || true"); running != "inactive\n" {
			t.Errorf("before it was asked the service is %s", running)
		}
		TestEachWorkloadOnce(t)
		asItself(t)
		inLab(t, "systemctl stop workload_exporter.service")
	}
}

// TestDebPurge removes the package, which keeps the state, and purges it, which
// keeps nothing; then the two ways of README.md to install it.
func TestDebPurge(t *testing.T) {
	restored(t)
	portBySystemd(t)
	takeScrape(t)
	traces := func() string {
		t.Helper()
		return inLab(t, `find / /run /tmp -xdev -path /root -prune -o -name '*workload?exporter*' -print
			grep -r workload_exporter /etc --exclude='*-' || true
			getent passwd workload_exporter || true; getent group workload_exporter || true
			systemctl list-units --all --plain --no-legend '*workload_exporter*'; systemctl list-unit-files --no-legend '*workload_exporter*' || true
			dpkg-query -W workload-exporter 2>/dev/null || true; ss -Hltn sport = 10075; pgrep workload_export || true`)
	}
	inLab(t, "apt-get -qq -y remove workload-exporter >/dev/null")
	left := inLab(t, "systemctl is-active workload_exporter.service workload_exporter.socket || true; ss -Hltn sport = 10075; test -e %s/lifecycle.json && cat /etc/default/workload_exporter", state)
	if want := "inactive\ninactive\n"; !strings.HasPrefix(left, want) || !strings.Contains(left, "ARGS=--web.systemd-socket") {
		t.Errorf("left by remove:\n%s", left)
	}
	inLab(t, "apt-get -qq -y purge workload-exporter >/dev/null")
	if left := traces(); left != "" {
		t.Errorf("left by purge:\n%s", left)
	}

	// Without a package.
	for _, file := range []string{"service", "sysusers"} {
		inLab(t, "mkdir -p packaging/systemd")
		if _, err := script("put", "../packaging/systemd/workload_exporter."+file, "packaging/systemd/workload_exporter."+file); err != nil {
			t.Fatal(err)
		}
	}
	inLab(t, "dpkg-deb --fsys-tarfile %s | tar -xO ./usr/bin/workload_exporter >workload_exporter", deb)
	for _, begin := range []string{
		"sudo install -m 755 workload_exporter", "sudo install -m 644 packaging/systemd/workload_exporter.service", "sudo install -D -m 644",
		"sudo systemctl daemon-reload",
	} {
		inLab(t, "%s", readme(t, begin))
	}
	TestEachWorkloadOnce(t)
	inLab(t, `systemctl disable --now workload_exporter 2>/dev/null; rm -r %s /var/lib/workload_exporter packaging workload_exporter
		rm /usr/bin/workload_exporter /etc/systemd/system/workload_exporter.service /etc/sysusers.d/workload_exporter.conf
		userdel workload_exporter; systemctl daemon-reload`, state)
	if left := traces(); left != "" {
		t.Fatalf("this test left:\n%s", left)
	}

	inLab(t, "%s", readme(t, "sudo apt install"))
	TestEachWorkloadOnce(t)
	asItself(t)
}
