package runtimes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

// otherID is of a container that is told of by an event.
const otherID = "1cb009319ac0aa11bb22cc33dd44ee55ff66aa77bb88cc99dd00ee11ff22aa33"

// answers has the fake answer with a list.
func (f *fakeEngine) answers(list http.HandlerFunc) { f.list.Store(&list) }

func sends(list string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, list) }
}

// nameOf is what the namer says of a candidate.
func nameOf(n workload.Namer, runtime, full string) (workload.Candidate, workload.Opinion) {
	c := workload.Candidate{Identity: container(runtime, full[:shortID], full[:shortID]), FullID: full, Cgroup: "/system.slice/x-" + full + ".scope"}
	opinion := n.Name(&c)
	return c, opinion
}

func (r *rig) wantName(runtime, full, name, image string, labels ...workload.Label) {
	r.t.Helper()
	c, opinion := nameOf(r.engine, runtime, full)
	want := workload.Metadata{Image: image, Labels: labels}
	if opinion != workload.Settled || c.Name != name || !cmp.Equal(c.Metadata, want) {
		r.t.Errorf("%v: %q %+v, want %q %+v", opinion, c.Name, c.Metadata, name, want)
	}
}

// TestEngineNames has names come with the list, and then with events.
func TestEngineNames(t *testing.T) {
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	f.answers(sends(fmt.Sprintf(`[{"Id":%q,"Names":["/other/alias","/web"],"Image":"nginx","Labels":{"a.b":"1","c":"2"}},{"Id":"short","Names":["/x"]}]`, fullID)))
	r := run(t, EngineConfig{Usual: f.path, Labels: []string{"a.b", "z"}}, nil)
	told := make(chan struct{})
	f.streams <- func(w io.Writer, gone <-chan struct{}) {
		_, _ = io.WriteString(w, strings.ReplaceAll(event("create", `,"image":"redis:7","a.b":"3"`, 1), fullID, otherID)+event("rename", `,"image":"nginx"`, 1)+event("oom", "", 1))
		<-told
		_, _ = io.WriteString(w, strings.ReplaceAll(event("destroy", "", 1), fullID, otherID)+event("oom", "", 1))
		<-gone
	}
	r.want(workload.EventResynced)
	r.want(workload.EventAskedCreate, workload.EventOOM)
	r.wantName("docker", otherID, "n", "redis:7", workload.Label{Key: "a.b", Value: "3"})
	r.wantName("docker", fullID, "n", "nginx")
	// A group below somebody's own parent tells no runtime.
	r.wantName("unknown", fullID, "n", "nginx")
	close(told)
	r.want(workload.EventOOM)
	for _, c := range []struct {
		what, runtime, id string
		want              workload.Opinion
	}{
		{"one that was removed", "docker", otherID, workload.Wait},
		{"another's", "podman", fullID, workload.NoOpinion},
		{"nobody's", "unknown", otherID, workload.NoOpinion},
	} {
		if _, got := nameOf(r.engine, c.runtime, c.id); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
	users := workload.Candidate{Identity: container("docker", "x", "x"), FullID: fullID, Cgroup: "/user.slice/user-1000.slice/x"}
	if got := r.engine.Name(&users); got != workload.NoOpinion {
		t.Errorf("a user's own container: %v", got)
	}
}

// TestEngineListFaults takes no more of a list than it may have.
func TestEngineListFaults(t *testing.T) {
	endless := func(before, chunk string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, before)
			for range 100 << 20 / len(chunk) {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}
	}
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	e := NewEngine(EngineConfig{Runtime: "docker", Usual: f.path})
	for _, fault := range []struct {
		list http.HandlerFunc
		want string
	}{
		{sends("<html>"), "invalid character"},
		{sends(`{"message":"no"}`), "begins with {"},
		{sends(`[{"Id":1}]`), "cannot unmarshal"},
		{sends(`[{"Id":"a"}`), "list: EOF"},
		{sends(""), "EOF"},
		{func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "403 Forbidden"},
		{endless(`[{"Id":"`, strings.Repeat("x", 1<<16)), errTooLong.Error()},
		{endless(`[{}`, strings.Repeat(",{}", 1<<14)), errTooMany.Error()},
	} {
		f.answers(fault.list)
		if err := e.list(t.Context()); err == nil || !strings.Contains(err.Error(), fault.want) || !strings.HasPrefix(err.Error(), f.path+": ") {
			t.Errorf("%v, want %s", err, fault.want)
		}
	}
	if len(e.book.known) != 0 {
		t.Errorf("%d are known", len(e.book.known))
	}
}

// TestEngineListHangs has an engine that answers and has no list: it is down,
// nobody is held up, and the names are there once it is better, and stay.
func TestEngineListHangs(t *testing.T) {
	hang := make(chan struct{})
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	f.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	r := run(t, EngineConfig{Usual: f.path}, func(e *Engine) { e.listWait = 50 * time.Millisecond })
	if got := <-r.reports; got != "docker false" {
		t.Error(got)
	}
	if _, opinion := nameOf(r.engine, "docker", fullID); opinion != workload.Wait {
		t.Error(opinion)
	}
	f.answers(sends(fmt.Sprintf(`[{"Id":%q,"Names":["/web"]}]`, fullID)))
	r.engine.listWait = 10 * time.Second
	<-r.pauses
	close(hang)
	r.want(workload.EventResynced)
	r.wantName("docker", fullID, "web", "")
	r.stop()
	r.want(workload.EventSilent)
	r.wantName("docker", fullID, "web", "")
	if log := r.log.String(); !strings.Contains(log, "deadline exceeded") || strings.Count(log, "level=WARN") != 1 {
		t.Error(log)
	}
}

// TestThousandNames has an engine with a thousand containers: their names cost one
// list, and those of newcomers nothing.
func TestThousandNames(t *testing.T) {
	id := func(i int) string { return fmt.Sprintf("%064x", i) }
	var list bytes.Buffer
	list.WriteByte('[')
	for i := range 1000 {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"Id":%q,"Names":["/c%d"],"Image":"nginx:1.27","ImageID":"sha256:%064x","Command":"/docker-entrypoint.sh nginx -g 'daemon off;'",
			"Created":1700000000,"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":%d,"Type":"tcp"}],"Labels":{"maintainer":"NGINX","com.docker.compose.service":"s%d"},
			"State":"running","Status":"Up 2 hours","HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{"bridge":{"Gateway":"172.17.0.1"}}},"Mounts":[]}`, id(i), i, i, 8000+i, i)
	}
	list.WriteByte(']')
	f := startEngine(t, filepath.Join(t.TempDir(), "s"))
	// An engine looks at each of them before it answers.
	f.answers(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(150 * time.Millisecond)
		_, _ = w.Write(list.Bytes())
	})
	f.streams <- func(w io.Writer, gone <-chan struct{}) {
		for i := 1000; i < 2000; i++ {
			_, _ = io.WriteString(w, strings.ReplaceAll(event("create", `,"image":"redis:7"`, 1), fullID, id(i)))
		}
		_, _ = io.WriteString(w, event("oom", "", 1))
		<-gone
	}
	began := time.Now()
	r := run(t, EngineConfig{Usual: f.path, Labels: []string{"com.docker.compose.service"}}, func(e *Engine) { e.pingAfter = time.Hour })
	r.want(workload.EventResynced)
	took := time.Since(began)
	for range 1000 {
		r.want(workload.EventAskedCreate)
	}
	r.want(workload.EventOOM)
	t.Logf("1000 containers of %d KiB: names after %v; 1000 more by their events after %v", list.Len()>>10, took, time.Since(began))
	for i := range 1000 {
		r.wantName("docker", id(i), fmt.Sprintf("c%d", i), "nginx:1.27", workload.Label{Key: "com.docker.compose.service", Value: fmt.Sprintf("s%d", i)})
		r.wantName("docker", id(1000+i), "n", "redis:7")
	}
	r.stop()
	if want := map[string]int{"/_ping": 1, "/containers/json": 1, "/events": 1}; !cmp.Equal(f.asked, want) {
		t.Errorf("asked %v, want %v", f.asked, want)
	}
	if took > 10*time.Second {
		t.Errorf("names after %v", took)
	}
}

func FuzzEngineList(f *testing.F) {
	for _, seed := range []string{
		"[]", "null", `[null]`, `[{"Id":"` + fullID + `","Names":[""],"Pod":"` + otherID + `","PodName":"` + strings.Repeat("é", 300) + `","Labels":{"a.b":"\ud800"}}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		all, err := parseList(bytes.NewReader(list), []string{"a.b"})
		if err != nil && !errors.Is(err, errTooLong) && len(list) > maxItem {
			return
		}
		for key, told := range all {
			if !isFullID(key) || len(told.name) > workload.MaxLabel || len(told.metadata.Image) > workload.MaxLabel {
				t.Errorf("%q: %+v", key, told)
			}
		}
	})
}
