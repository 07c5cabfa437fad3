//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain boots the lab, installs the exporter in it and starts all workloads.
// WORKLOAD_LAB_KEEP=1 leaves the lab running, and finds it so the next time;
// WORKLOAD_LAB_EMPTY=1 starts no workloads.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(ready) != "" || flag.Lookup("test.list").Value.String() != "" {
		os.Exit(m.Run())
	}
	os.Exit(supervise())
}

const (
	// ready is set for a process that runs tests in a lab that is.
	ready = "WORKLOAD_LAB_READY"
	// lifetime is how old a lab may be when a test begins in it. It is a kernel under
	// emulation that runs machines under KVM, and QEMU's emulation of that corrupts
	// a stack of it sooner or later: seen after 18 and after 21 minutes.
	lifetime = 10 * time.Minute
	// labs is how many labs may die in a panic under one test.
	labs = 2
)

// supervise runs each test in a process of its own, and a few of them in each lab.
func supervise() int {
	keep := os.Getenv("WORKLOAD_LAB_KEEP") != ""
	if !keep {
		defer func() { _, _ = script("stop") }()
	}
	names, err := asked()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 0
	var booted time.Time
	for _, name := range names {
		for n := 1; ; n++ {
			if booted.IsZero() || !keep && time.Since(booted) > lifetime {
				if !keep || panicked() {
					_, _ = script("stop")
				}
				booted = time.Now()
				if err := prepare(keep); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
			}
			err := test(name)
			if err == nil {
				break
			}
			if !panicked() || n == labs {
				code = 1
				break
			}
			fmt.Printf("the lab's kernel panicked: %s begins anew in another lab\n", name)
			booted = time.Time{}
		}
	}
	return code
}

// asked lists the tests that the flags ask for.
func asked() ([]string, error) {
	value := func(name string) string { return flag.Lookup("test." + name).Value.String() }
	run, _, _ := strings.Cut(value("run"), "/")
	out, err := exec.Command(os.Args[0], "-test.list="+cmp.Or(run, ".")).Output()
	if err != nil {
		return nil, err
	}
	var skip *regexp.Regexp
	if pattern := value("skip"); pattern != "" {
		if skip, err = regexp.Compile(pattern); err != nil {
			return nil, err
		}
	}
	names := strings.Fields(string(out))
	return slices.DeleteFunc(names, func(name string) bool { return skip != nil && skip.MatchString(name) }), nil
}

func test(name string) error {
	run := "^" + name + "$"
	if _, sub, ok := strings.Cut(flag.Lookup("test.run").Value.String(), "/"); ok {
		run += "/" + sub
	}
	cmd := exec.Command(os.Args[0], append(os.Args[1:], "-test.run="+run)...)
	cmd.Env = append(os.Environ(), ready+"=1")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

func prepare(keep bool) error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"booting the lab", func() error { return boot(keep) }},
		{"installing the exporter", install},
		{"starting the workloads", func() error {
			if os.Getenv("WORKLOAD_LAB_EMPTY") != "" {
				return nil
			}
			_, err := lab("workloads up >/dev/null || workloads list")
			return err
		}},
	} {
		begin := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		fmt.Printf("%s: %.0f s\n", step.what, time.Since(begin).Seconds())
	}
	return nil
}

// panicked says whether it was the lab that died.
func panicked() bool {
	console, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv("WORKLOAD_LAB_RUN"), "lab/run"), "console.log"))
	return err == nil && bytes.Contains(console, []byte("Kernel panic"))
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

// deb is where the lab has the package, as README.md has it after make packages.
const deb = "dist/workload-exporter_*_amd64.deb"

// install builds the package and installs it, whatever a kept lab has of it.
func install() error {
	dir, err := os.MkdirTemp("", "workload_exporter-e2e")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, err := makePackage(dir, "deb", "")
	if err != nil {
		return err
	}
	// The lab's image has no documents, and dpkg in it leaves them out.
	if _, err := lab("sed -i /path-exclude/d /etc/dpkg/dpkg.cfg.d/*; rm -rf dist; mkdir dist"); err != nil {
		return err
	}
	if _, err := script("put", file, "dist/"+filepath.Base(file)); err != nil {
		return err
	}
	_, err = lab(reinstall)
	return err
}

// script runs one of the lab's scripts.
func script(name string, args ...string) (string, error) {
	return output(exec.Command(filepath.Join("lab", name), args...))
}

func output(cmd *exec.Cmd) (string, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s%s", strings.Join(cmd.Args, " "), err, stderr.String(), out)
	}
	return string(out), nil
}

// lab runs a shell command inside, as root. WORKLOAD_LAB_SHELL is another way
// in, to a host that is no lab: ssh and its arguments.
func lab(command string) (string, error) {
	shell := strings.Fields(os.Getenv("WORKLOAD_LAB_SHELL"))
	if len(shell) == 0 {
		return script("ssh", command)
	}
	return output(exec.Command(shell[0], append(shell[1:], command)...))
}

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
