package cgroupfs

import (
	"bytes"

	"github.com/workload-exporter/workload_exporter/workload"
)

// parseIOStat reads io.stat, "MAJ:MIN rbytes=... wbytes=... rios=... wios=...",
// and adds up the devices, but for those that skip says are stacked on others:
// the kernel charges a bio at each level. An empty file is a group that never
// did any IO, which is zero and not absent.
func parseIOStat(b []byte, skip func(device []byte) bool) workload.IO {
	zero := workload.Known(0)
	s := workload.IO{ReadBytes: zero, WrittenBytes: zero, Reads: zero, Writes: zero}
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		device, rest := nextField(line)
		if len(device) == 0 {
			continue
		}
		if bytes.IndexByte(device, ':') < 0 {
			// Not a device: the file holds something else than it should.
			bad := workload.Unreadable()
			return workload.IO{ReadBytes: bad, WrittenBytes: bad, Reads: bad, Writes: bad}
		}
		stacked := skip(device)
		for len(rest) > 0 {
			var field []byte
			field, rest = nextField(rest)
			key, value := cut(field, '=')
			if len(key) == len(field) && bytes.IndexByte(field, ':') > 0 {
				// Some kernels leave out the line break after a device without numbers.
				stacked = skip(field)
				continue
			}
			if stacked {
				continue
			}
			switch string(key) {
			case "rbytes":
				s.ReadBytes = s.ReadBytes.Plus(parseNumber(value))
			case "wbytes":
				s.WrittenBytes = s.WrittenBytes.Plus(parseNumber(value))
			case "rios":
				s.Reads = s.Reads.Plus(parseNumber(value))
			case "wios":
				s.Writes = s.Writes.Plus(parseNumber(value))
			}
		}
	}
	return s
}
