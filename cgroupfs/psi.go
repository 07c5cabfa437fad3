package cgroupfs

import (
	"bytes"

	"github.com/workload-exporter/workload_exporter/workload"
)

// parsePressure reads a *.pressure file: lines "some" and "full", of which the
// total in microseconds is taken; the averages are Prometheus' business.
func parsePressure(b []byte) workload.Stall {
	var s workload.Stall
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, rest := nextField(line)
		switch string(key) {
		case "some":
			s.Waiting = total(rest)
		case "full":
			s.Stalled = total(rest)
		}
	}
	return s
}

func total(line []byte) workload.Value {
	for len(line) > 0 {
		var field []byte
		field, line = nextField(line)
		if value, ok := bytes.CutPrefix(field, []byte("total=")); ok {
			return micro(parseNumber(value))
		}
	}
	return workload.Unreadable()
}
