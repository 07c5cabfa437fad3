package collector

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// HandlerConfig bounds what clients may take.
type HandlerConfig struct {
	// MaxRequests is how many may be served at once, slow readers included; 0
	// is no bound. Those beyond are told 503.
	MaxRequests int
	// WriteTimeout is how long a client may take to read its answer; 0 is for ever.
	WriteTimeout time.Duration
}

// Handler serves g, in the format and encoding that the client asks for. The
// answer is made in memory, and only then written: however slowly a client
// reads, it holds nothing but its own copy.
func (g *Gatherer) Handler(cfg HandlerConfig) http.Handler {
	opts := promhttp.HandlerOpts{
		ErrorLog:          errorLog{g.cfg.Logger},
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	}
	if g.cfg.Runtime {
		opts.Registry = g.registry
	}
	var h http.Handler = &handler{
		inner: promhttp.HandlerForTransactional(g, opts),
		cfg:   cfg,
		slots: make(chan struct{}, cfg.MaxRequests),
	}
	if g.cfg.Runtime {
		h = promhttp.InstrumentMetricHandler(g.registry, h)
	}
	return h
}

type handler struct {
	inner http.Handler
	cfg   HandlerConfig
	slots chan struct{}
	pages sync.Pool
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.cfg.MaxRequests > 0 {
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		default:
			http.Error(w, fmt.Sprintf("Limit of concurrent requests reached (%d), try again later.", h.cfg.MaxRequests),
				http.StatusServiceUnavailable)
			return
		}
	}
	answer, _ := h.pages.Get().(*answer)
	if answer == nil {
		answer = newAnswer()
	}
	h.inner.ServeHTTP(answer, r)
	answer.send(w, h.cfg.WriteTimeout)
	// One that panicked is not put back.
	answer.reset()
	h.pages.Put(answer)
}

// answer is an http.ResponseWriter that keeps what it is told.
type answer struct {
	header http.Header
	status int
	body   chunks
}

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusOK} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.body.add(b)
	return len(b), nil
}

func (a *answer) send(w http.ResponseWriter, timeout time.Duration) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.body.size))
	if timeout > 0 {
		// A writer that knows no deadline is not a connection.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout))
	}
	w.WriteHeader(a.status)
	for _, chunk := range a.body.list {
		if _, err := w.Write(chunk); err != nil {
			// A client that has gone is nobody's error.
			return
		}
	}
}

func (a *answer) reset() {
	clear(a.header)
	a.status = http.StatusOK
	a.body.reset()
}

// errorLog is promhttp's logger.
type errorLog struct{ logger *slog.Logger }

// Println implements promhttp.Logger.
func (l errorLog) Println(v ...any) { l.logger.Error("Scrape incomplete", "error", fmt.Sprint(v...)) }
