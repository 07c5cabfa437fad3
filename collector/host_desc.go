package collector

import "github.com/prometheus/client_golang/prometheus"

var (
	hostWorkloadsDesc = prometheus.NewDesc("workload_host_workloads",
		"Workloads on the host in this scrape. A kind and runtime that was there once stays, at zero.",
		[]string{"kind", "runtime", "state"}, nil)
	hostCoresDesc = prometheus.NewDesc("workload_host_cpu_cores",
		"Physical cores online (/sys/devices/system/cpu/cpuN/topology).", nil, nil)
	hostThreadsDesc = prometheus.NewDesc("workload_host_cpu_threads",
		"Hardware threads online, what a workload_cpu_capacity_cores without any limit is (/proc/stat).", nil, nil)
	hostCPUDesc = prometheus.NewDesc("workload_host_cpu_usage_seconds_total",
		"CPU time of the whole host that was neither idle nor iowait, guests included once (/proc/stat).", nil, nil)
	hostMemoryDesc = prometheus.NewDesc("workload_host_memory_total_bytes",
		"Memory of the host (/proc/meminfo MemTotal).", nil, nil)
	hostAvailableDesc = prometheus.NewDesc("workload_host_memory_available_bytes",
		"Memory that new workloads could have without swapping (/proc/meminfo MemAvailable).", nil, nil)
	hostPressureDescs = map[string]pressureDescs{
		"cpu":    newPressureDescs("cpu", "CPU"),
		"memory": newPressureDescs("memory", "memory"),
		"io":     newPressureDescs("io", "I/O"),
	}
)

type pressureDescs struct{ waiting, stalled *prometheus.Desc }

func newPressureDescs(resource, called string) pressureDescs {
	name := "workload_host_pressure_" + resource
	return pressureDescs{
		waiting: prometheus.NewDesc(name+"_waiting_seconds_total",
			"Time in which some task on the host waited for "+called+" (/proc/pressure/"+resource+" some).", nil, nil),
		stalled: prometheus.NewDesc(name+"_stalled_seconds_total",
			"Time in which all tasks on the host waited for "+called+" (/proc/pressure/"+resource+" full).", nil, nil),
	}
}
