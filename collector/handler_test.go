package collector

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(t testing.TB, h http.Handler, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFormats(t *testing.T) {
	h := everything(shapes()["vm"]).Handler(HandlerConfig{})
	for accept, c := range map[string]struct{ contentType, has string }{
		"": {"text/plain; version=0.0.4", "\nworkload_tasks{"},
		"application/openmetrics-text;version=1.0.0": {"application/openmetrics-text; version=1.0.0", "# TYPE workload_cpu_usage_seconds counter"},
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited": {
			"application/vnd.google.protobuf", "workload_tasks",
		},
	} {
		w := get(t, h, "Accept", accept)
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, c.contentType) {
			t.Errorf("Accept %q: Content-Type %q", accept, got)
		}
		if !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("Accept %q: no %q", accept, c.has)
		}
		if w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("Accept %q: Content-Length %s of %d", accept, w.Header().Get("Content-Length"), w.Body.Len())
		}
		families := parse(t, w.Body.Bytes(), expfmt.ResponseFormat(w.Header()))
		if strings.HasPrefix(c.contentType, "application/openmetrics") {
			if !strings.HasSuffix(w.Body.String(), "# EOF\n") {
				t.Error("OpenMetrics without its end")
			}
			continue
		}
		if f := families["workload_cpu_usage_seconds_total"]; f == nil || f.Metric[0].Counter.GetValue() != 12.5 {
			t.Errorf("Accept %q: usage is %v", accept, f)
		}
	}
}

// parse reads an answer back; what is no format of its own is left to its looks.
func parse(t testing.TB, body []byte, format expfmt.Format) map[string]*dto.MetricFamily {
	t.Helper()
	families := map[string]*dto.MetricFamily{}
	if format.FormatType() == expfmt.TypeUnknown {
		return families
	}
	d := expfmt.NewDecoder(bytes.NewReader(body), format)
	for {
		f := new(dto.MetricFamily)
		err := d.Decode(f)
		if errors.Is(err, io.EOF) {
			return families
		}
		if err != nil {
			t.Fatal(err)
		}
		if families[f.GetName()] != nil {
			t.Fatalf("family %s is there twice", f.GetName())
		}
		families[f.GetName()] = f
	}
}

func TestGzip(t *testing.T) {
	h := New(Config{Registry: shapes()["docker"], Enabled: workloadsOnly()}).Handler(HandlerConfig{})
	plain := get(t, h, "Accept-Encoding", "identity").Body.String()
	w := get(t, h, "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != plain {
		t.Errorf("%v; %d bytes of %d", err, len(got), len(plain))
	}
	// What the pooled answer held before must not be left in it.
	if w := get(t, h); w.Header().Get("Content-Encoding") != "" || w.Body.String() != plain {
		t.Errorf("after gzip: headers %v", w.Header())
	}
}

func TestNameFilter(t *testing.T) {
	h := everything(shapes()["docker"]).Handler(HandlerConfig{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics?name[]=workload_tasks", nil))
	if n := strings.Count(w.Body.String(), "# TYPE"); n != 1 {
		t.Errorf("%d families", n)
	}
}

// stuck is a client that reads nothing until it is let go.
type stuck struct {
	*httptest.ResponseRecorder
	writing, letGo chan struct{}
}

func (s *stuck) Write(b []byte) (int, error) {
	close(s.writing)
	<-s.letGo
	return s.ResponseRecorder.Write(b)
}

func newStuck() *stuck {
	return &stuck{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
}

// drill client: a client that does not read its answer
// shows: others get new answers, and it gets its own
func TestSlowClientHoldsNobodyUp(t *testing.T) {
	n := uint64(0)
	c := container(1)
	c.Group = &fakeGroup{read: func(u *workload.Usage) error {
		n++
		u.Tasks = workload.Known(n)
		return nil
	}}
	h := New(Config{Registry: newRegistry(c), Enabled: workloadsOnly()}).Handler(HandlerConfig{})
	slow := newStuck()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(slow, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	}()
	<-slow.writing
	for range 3 {
		get(t, h)
	}
	if last := get(t, h).Body.String(); !strings.Contains(last, "} 5\n") {
		t.Errorf("the fifth scrape says\n%s", last)
	}
	close(slow.letGo)
	<-done
	// Four scrapes later, the slow one still gets what was true for it.
	if got := slow.Body.String(); !strings.Contains(got, "} 1\n") {
		t.Errorf("the slow client reads\n%s", got)
	}
}

// drill client: more clients than `--web.max-requests`
// shows: 503 for those beyond, slow ones included
func TestMaxRequestsCountsSlowClients(t *testing.T) {
	h := New(Config{Registry: newRegistry(), Enabled: workloadsOnly(), Runtime: true}).Handler(HandlerConfig{MaxRequests: 1})
	slow := newStuck()
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(slow, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	}()
	<-slow.writing
	if w := get(t, h); w.Code != http.StatusServiceUnavailable {
		t.Errorf("beyond the limit: %d", w.Code)
	}
	close(slow.letGo)
	<-done
	if w := get(t, h); w.Code != http.StatusOK {
		t.Errorf("after it: %d", w.Code)
	}
}

// noted is a connection's ResponseWriter that keeps what became of the writing.
type noted struct {
	http.ResponseWriter
	err error
}

func (n *noted) Write(b []byte) (int, error) {
	c, err := n.ResponseWriter.Write(b)
	n.err = err
	return c, err
}

func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// TestWriteDeadline has a real client that never reads, behind a real socket.
//
//	drill client: a client that never reads
//	shows: it is cut off after 30 s
func TestWriteDeadline(t *testing.T) {
	written := make(chan error, 1)
	// More than the buffers of both sides of a socket.
	inner := New(Config{Registry: many(2000), Enabled: workloadsOnly()}).Handler(HandlerConfig{WriteTimeout: 20 * time.Millisecond})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := &noted{ResponseWriter: w}
		inner.ServeHTTP(n, r)
		written <- n.err
	}))
	defer s.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-written; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing ended with %v", err)
	}
}

// TestConcurrentScrapes has scrapers while workloads come and go: every answer
// is whole, and says of each workload all or nothing.
//
//	drill client: scrapers at the same time, while workloads come and go
//	shows: each answer is whole: of each workload all or nothing
func TestConcurrentScrapes(t *testing.T) {
	registry := many(10)
	h := everything(registry).Handler(HandlerConfig{})
	stop, churned := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(churned)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			key := fmt.Sprint("churn", i%10)
			registry.Found(key, container(1000+i%10))
			registry.Gone(fmt.Sprint("churn", (i+5)%10))
			registry.Report("cgroup", i%2 == 0)
		}
	}()
	var scrapers sync.WaitGroup
	for range 3 {
		scrapers.Go(func() {
			for range 10 {
				families := parse(t, get(t, h).Body.Bytes(), expfmt.NewFormat(expfmt.TypeTextPlain).WithEscapingScheme(model.NoEscaping))
				want := len(families["workload_info"].Metric)
				if want < 10 {
					t.Errorf("%d workloads", want)
				}
				for name, f := range families {
					if got := len(f.Metric); strings.HasPrefix(name, "workload_cpu") && got != want {
						t.Errorf("%s has %d of %d workloads", name, got, want)
					}
				}
			}
		})
	}
	scrapers.Wait()
	close(stop)
	<-churned
}
