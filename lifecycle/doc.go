// Package lifecycle turns what sources tell of workloads into how long their
// starts, stops and reboots took: events in, phases out.
//
// A duration is told only when both of its ends were seen as they happened, on
// one clock. What could not be measured is counted, with the reason. Nothing
// here waits, or has a goroutine or timer of its own: time passes when an event
// or a scrape comes.
package lifecycle
