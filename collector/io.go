package collector

import "github.com/workload-exporter/workload_exporter/workload"

func ioFamilies() []family {
	const subject = workload.SubjectIO
	return []family{{
		name: "workload_io_read_bytes_total",
		help: "Bytes read from block devices (io.stat rbytes, summed over the devices).",
		typ:  counter, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.IO.ReadBytes }),
	}, {
		name: "workload_io_written_bytes_total",
		help: "Bytes written to block devices (io.stat wbytes, summed over the devices).",
		typ:  counter, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.IO.WrittenBytes }),
	}, {
		name: "workload_io_reads_total",
		help: "Read requests to block devices (io.stat rios, summed over the devices).",
		typ:  counter, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.IO.Reads }),
	}, {
		name: "workload_io_writes_total",
		help: "Write requests to block devices (io.stat wios, summed over the devices).",
		typ:  counter, subject: subject, unit: ones,
		series: one(func(u *workload.Usage) workload.Value { return u.IO.Writes }),
	}}
}
