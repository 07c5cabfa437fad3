package status

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// layout is the page; the style is one of ours, and as it is in the policy.
var layout = template.Must(template.New("page").Funcs(template.FuncMap{
	"class": func(kind string) string { return cmp.Or(known[kind].class, "other") },
	"title": func(kind string) string { return cmp.Or(known[kind].title, kind) },
	"style": func() template.CSS { return template.CSS(pageCSS) }, //nolint:gosec // It is embedded.
}).Parse(pageHTML))

// known are the kinds that have colours of their own.
var known = map[string]struct{ class, title string }{
	"container": {"container", "Containers"},
	"vm":        {"vm", "VMs"},
	"service":   {"other", "Services"},
}

// policy lets a browser use what is in the page and nothing from anywhere.
var policy = func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// ServeHTTP implements http.Handler. It only shows.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Only to be read", http.StatusMethodNotAllowed)
		return
	}
	v, err := p.look(r.Context())
	if err != nil {
		http.Error(w, "Not now: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	var page bytes.Buffer
	if err := layout.Execute(&page, v); err != nil {
		p.cfg.Logger.Error("The status page cannot be made", "err", err)
		http.Error(w, "The page cannot be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	_, _ = page.WriteTo(w)
}
