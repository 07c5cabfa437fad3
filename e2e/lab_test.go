package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemoEnds has a demo, with stand-ins for the lab's scripts, that is
// interrupted by Ctrl-C or told to end: the lab is stopped, once.
func TestDemoEnds(t *testing.T) {
	// Where SIGINT is ignored (nohup, a shell's &) a script cannot trap it.
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGINT)
	defer signal.Stop(heard)
	for name, tt := range map[string]struct {
		with syscall.Signal
		code int
		// during is the script that hangs when it happens.
		during string
	}{
		"Ctrl-C":                 {syscall.SIGINT, 130, ""},
		"told to end":            {syscall.SIGTERM, 143, ""},
		"Ctrl-C during the boot": {syscall.SIGINT, 130, "boot"},
	} {
		t.Run(name, func(t *testing.T) {
			demo, calls := fakeDemo(t, tt.during)
			out, err := demo.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := demo.Start(); err != nil {
				t.Fatal(err)
			}
			group := -demo.Process.Pid
			late := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				if line := lines.Text(); strings.HasPrefix(line, "Ctrl-C") || line == "hangs" {
					break
				}
			}
			// A terminal's Ctrl-C goes to all of them, a kill to the script alone.
			to := demo.Process.Pid
			if tt.with == syscall.SIGINT {
				to = group
			}
			if err := syscall.Kill(to, tt.with); err != nil {
				t.Fatal(err)
			}
			_ = demo.Wait()
			if !late.Stop() {
				t.Fatal("does not end")
			}
			if code := demo.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			content, _ := os.ReadFile(calls)
			if n := strings.Count(string(content), "stop\n"); n != 1 {
				t.Errorf("stopped %d times:\n%s", n, content)
			}
			// What was told to end is there until init has taken note of it.
			for deadline := time.Now().Add(30 * time.Second); syscall.Kill(group, 0) == nil; time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					_ = syscall.Kill(group, syscall.SIGKILL)
					t.Fatal("something of it runs on")
				}
			}
		})
	}
}

// fakeDemo is the demo with scripts that only write down that they were called.
func fakeDemo(t *testing.T, hangs string) (demo *exec.Cmd, calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	write := func(path, content string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"demo", "lib.sh"} {
		content, err := os.ReadFile(filepath.Join("lab", file))
		if err != nil {
			t.Fatal(err)
		}
		write("e2e/lab/"+file, string(content))
	}
	for _, script := range []string{"boot", "forward", "put", "ssh", "stop"} {
		body := "#!/bin/sh\necho " + script + " >>" + calls + "\n"
		if script == hangs {
			body += "echo hangs; exec sleep 1000\n"
		}
		write("e2e/lab/"+script, body)
	}
	write("dashboards/rules/a.yaml", "")
	write("bin/go", "#!/bin/sh\n")
	write("bin/ssh", "#!/bin/sh\n")
	write("e2e/lab/run/metrics_port", "1")
	demo = exec.Command(filepath.Join(dir, "e2e/lab/demo"))
	demo.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "GO=", "WORKLOAD_LAB_RUN=")
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return demo, calls
}
