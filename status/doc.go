// Package status is the page that a browser gets: what a scrape says, for who
// has no Prometheus yet. It knows families only, so it shows what is exposed
// and nothing else. Nothing is read while nobody looks.
package status
