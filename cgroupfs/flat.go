package cgroupfs

import (
	"math"
	"math/bits"

	"github.com/workload-exporter/workload_exporter/workload"
)

// nextLine cuts the first line off b.
func nextLine(b []byte) (line, rest []byte) {
	for i, c := range b {
		if c == '\n' {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// nextField cuts the first space-separated field off a line.
func nextField(line []byte) (field, rest []byte) {
	for len(line) > 0 && line[0] == ' ' {
		line = line[1:]
	}
	for i, c := range line {
		if c == ' ' {
			return line[:i], line[i+1:]
		}
	}
	return line, nil
}

// parseNumber reads a whole non-negative decimal number, as the kernel prints
// it. Anything else (a sign, an overflow, nothing at all) is unreadable.
func parseNumber(b []byte) workload.Value {
	if len(b) == 0 {
		return workload.Unreadable()
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (math.MaxUint64-d)/10 {
			return workload.Unreadable()
		}
		n = n*10 + d
	}
	return workload.Known(n)
}

// parseSingle reads a file of one number, or of "max".
func parseSingle(b []byte) workload.Value {
	line, rest := nextLine(b)
	if len(rest) > 0 {
		return workload.Unreadable()
	}
	if string(line) == "max" {
		return workload.Unlimited()
	}
	return parseNumber(line)
}

// micro turns the kernel's microseconds into nanoseconds.
func micro(v workload.Value) workload.Value {
	n, ok := v.Get()
	if !ok {
		return v
	}
	high, low := bits.Mul64(n, 1000)
	if high != 0 {
		return workload.Unreadable()
	}
	return workload.Known(low)
}
