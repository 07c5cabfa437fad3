package collector

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// discard is a client that takes everything at once.
type discard struct {
	header http.Header
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(b []byte) (int, error) { d.bytes += len(b); return len(b), nil }

func BenchmarkScrape(b *testing.B) {
	for _, encoding := range []string{"identity", "gzip"} {
		for _, n := range []int{100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", encoding, n), func(b *testing.B) {
				h := New(Config{Registry: many(n), Enabled: workloadsOnly()}).Handler(HandlerConfig{})
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				d := &discard{header: http.Header{}}
				h.ServeHTTP(d, r)
				d.bytes = 0
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(d, r)
				}
				b.ReportMetric(float64(d.bytes)/float64(b.N), "B/scrape")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/workload")
			})
		}
	}
}

func BenchmarkFill(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			list := many(n).Refresh()
			p := newPage(All(), nil)
			if err := p.fill(list); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := p.fill(list); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/workload")
		})
	}
}
