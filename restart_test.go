package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// TestRestart ends the binary in the middle of ten starts of real groups: two
// processes of it observe ten, and what began while there was none is missed.
//
//	drill process: SIGTERM or SIGKILL in the middle of ten starts
//	shows: the next process goes on with them; nothing is counted twice
func TestRestart(t *testing.T) {
	for _, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(by.String(), func(t *testing.T) {
			const groups, before, away = 10, 3, 2
			top, state := newGrounds(t), t.TempDir()
			flags := []string{"--path.cgroupfs=" + top, "--path.rundir=" + t.TempDir(), "--state.dir=" + state}
			one := newBinary(t, flags...)
			dirs := make([]string, groups+away)
			for i := range dirs {
				dirs[i] = filepath.Join(top, fmt.Sprintf("lxc.payload.c%d", i))
				if err := os.Mkdir(dirs[i], 0o755); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { removeGroup(t, dirs[i]) })
			}
			for _, dir := range dirs[:before] {
				occupy(t, dir)
			}
			until(t, "three starts", func() bool { return durations(one.page(), "create_to_started") == before })
			// Of those nothing is to be told again, and the others are under way.
			until(t, "the state to be written", func() bool {
				b, err := os.ReadFile(filepath.Join(state, "lifecycle.json"))
				return err == nil && bytes.Count(b, []byte(`"cgroup":`)) == len(dirs) && bytes.Count(b, []byte(`"create_to_started":`)) == len(dirs) &&
					bytes.Count(b, []byte(`"seen":{`)) == before
			})
			first := one.page()
			one.end(by)
			for _, dir := range dirs[groups:] {
				occupy(t, dir)
			}
			two := newBinary(t, flags...)
			for _, dir := range dirs[before:groups] {
				occupy(t, dir)
			}
			var second map[string]*dto.MetricFamily
			until(t, "all to have started", func() bool {
				second = two.page()
				return counted(second, "workload_lifecycle_events_total", "event", "started") == float64(len(dirs)-before)
			})
			second = two.page()
			if a, b := durations(first, "create_to_started"), durations(second, "create_to_started"); a != before || a+b != groups {
				t.Errorf("%v observed before, %v after; want %d in all", a, b, groups)
			}
			if n := counted(second, "workload_lifecycle_observations_missed_total", "phase", "create_to_started"); n != away {
				t.Errorf("%v missed, want %d", n, away)
			}
			if a, b := counted(first, "workload_lifecycle_events_total", "event", "created"), counted(second, "workload_lifecycle_events_total", "event", "created"); a+b != float64(len(dirs)) {
				t.Errorf("%v and %v were created, want %d", a, b, len(dirs))
			}
			if n := len(second["workload_start_timestamp_seconds"].GetMetric()); n < groups {
				t.Errorf("%d starts are shown, want at least %d", n, groups)
			}
		})
	}
}

// occupy puts a process into a group, until the test ends.
func occupy(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s", what)
		}
	}
}
