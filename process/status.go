package process

import (
	"bytes"

	"github.com/workload-exporter/workload_exporter/workload"
)

// status is the memory part of /proc/PID/status, in bytes.
type status struct{ rss, swap, hugetlb workload.Value }

// parseStatus reads /proc/PID/status. A line that is not there (a kernel without
// swap) leaves its value absent, one that says something else makes it unreadable.
func parseStatus(b []byte) status {
	var s status
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
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
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		key, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			continue
		}
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

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return line, rest
}
