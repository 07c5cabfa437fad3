package workload

import "time"

// A Source keeps the Registry told of what exists.
type Source interface {
	// Sync brings the Registry up to now, without waiting for anybody else's
	// process. A scrape calls it first, so that what started before the
	// scrape is in it.
	Sync() error
}

// Status is what a source last said of itself.
type Status struct {
	Source string
	Up     bool
	// Heard is when the source last had fresh news; the zero time means never.
	Heard time.Time
	// Failures is how often it was up, and then was not.
	Failures uint64
}
