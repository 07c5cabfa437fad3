package runtimes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// userReports is what was reported.
type userReports chan string

func (r userReports) Report(source string, up bool) { r <- fmt.Sprint(source, " ", up) }

func (r userReports) Withdraw(source string) { r <- source + " withdrawn" }

// TestUsers has a user come with an engine, and leave.
func TestUsers(t *testing.T) {
	dir := t.TempDir()
	reports, tick := make(userReports, 10), make(chan time.Time)
	u := NewUsers(UsersConfig{Runtime: "podman", Dir: dir, Socket: "podman/podman.sock", Labels: nil, Reporter: reports})
	u.tick = tick
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	tick <- time.Time{}
	// Somebody may look just now: the engine is there at once, with all that it tells.
	home, made := filepath.Join(dir, "1000"), filepath.Join(t.TempDir(), "1000")
	if err := os.MkdirAll(filepath.Join(made, "podman"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := startEngine(t, filepath.Join(made, "podman/podman.sock"))
	f.answers(sends(fmt.Sprintf(`[{"Id":%q,"Names":["db"],"Image":"postgres","Pod":%q,"PodName":"p"}]`, fullID, otherID)))
	if err := os.Rename(made, home); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		tick <- time.Time{}
	}
	if got := <-reports; got != "podman@1000 true" {
		t.Error(got)
	}
	for _, c := range []struct {
		id, cgroup, name string
		want             workload.Opinion
	}{
		{fullID, "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-x.scope", "db", workload.Settled},
		{otherID, "/user.slice/user-1000.slice/user@1000.service/user.slice/x.slice", "p", workload.Settled},
		{fullID, "/user.slice/user-1001.slice/user@1001.service/user.slice/libpod-x.scope", "", workload.NoOpinion},
		{fullID, "/machine.slice/libpod-x.scope", "", workload.NoOpinion},
	} {
		w := workload.Candidate{Identity: workload.Identity{Runtime: "podman"}, FullID: c.id, Cgroup: c.cgroup}
		if got := u.Name(&w); got != c.want || w.Name != c.name {
			t.Errorf("%s: %v %q, want %v %q", c.cgroup, got, w.Name, c.want, c.name)
		}
	}
	if err := os.RemoveAll(home); err != nil {
		t.Fatal(err)
	}
	tick <- time.Time{}
	got := <-reports
	if got == "podman@1000 false" {
		// Its end came before its next word.
		got = <-reports
	}
	if got != "podman@1000 withdrawn" {
		t.Error(got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
