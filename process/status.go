package process

import (
	"bytes"
	"iter"

	"github.com/workload-exporter/workload_exporter/workload"
)

// status is the memory part of /proc/PID/status, in bytes.
type status struct{ rss, swap, hugetlb workload.Value }

// parseStatus reads /proc/PID/status. A line that is not there (a kernel without
// swap) leaves its value absent, one that says something else makes it unreadable.
func parseStatus(b []byte) status {
	var s status
	for key, value := range keyed(b) {
		switch string(key) {
		case "VmRSS":
			s.rss = kilobytes(value)
		case "VmSwap":
			s.swap = kilobytes(value)
		case "HugetlbPages":
			s.hugetlb = kilobytes(value)
		}
	}
	return s
}

// keyed yields the lines KEY:VALUE.
func keyed(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for line := range bytes.Lines(b) {
			key, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte{'\n'}), []byte{':'})
			if ok && !yield(key, value) {
				return
			}
		}
	}
}

func kilobytes(b []byte) workload.Value {
	number, rest := nextField(b)
	unit, _ := nextField(rest)
	n, ok := parseUint(number)
	if !ok || string(unit) != "kB" || n > 1<<54-1 {
		return workload.Unreadable()
	}
	return workload.Known(n * 1024)
}

// storage is what a process caused at the block devices, in bytes.
type storage struct{ read, written workload.Value }

// parseIO reads /proc/PID/io. Its syscr and syscw count system calls, not
// requests to a device, and are nobody's workload_io_reads_total.
func parseIO(b []byte) storage {
	var s storage
	for key, value := range keyed(b) {
		switch string(key) {
		case "read_bytes":
			s.read = plain(value)
		case "write_bytes":
			s.written = plain(value)
		}
	}
	return s
}

func plain(b []byte) workload.Value {
	number, _ := nextField(b)
	n, ok := parseUint(number)
	if !ok {
		return workload.Unreadable()
	}
	return workload.Known(n)
}
