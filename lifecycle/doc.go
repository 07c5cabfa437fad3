// Package lifecycle turns what sources tell of workloads into how long their
// starts, stops and reboots took: events in, phases out.
//
// A duration is told only when both of its ends were seen as they happened, on
// one clock. What could not be measured is counted, with the reason. Time passes
// when an event or a scrape comes. Only to see a start settle somebody has to
// look again and again: Run does, as long as anything starts.
package lifecycle
