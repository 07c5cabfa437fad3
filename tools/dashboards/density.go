package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

// perHost divides a sum over workloads by something that a host has once.
func perHost(expr, base string) string {
	return "sum by (job, instance) (" + expr + ") / on (job, instance) " + base
}

const (
	cores       = "workload_host_cpu_cores{HOST}"
	memoryTotal = "workload_host_memory_total_bytes{HOST}"
	running     = `workload_host_workloads{HOST,state="running"}`
	memoryUsed  = "(" + memoryTotal + " - workload_host_memory_available_bytes{HOST})"
	attributed  = `sum by (job, instance) (workload_memory_unreclaimable_bytes{HOST} or label_replace(workload_overhead_memory_bytes{HOST}, "part", "overhead", "", ""))`
)

func density() board {
	return board{
		uid: "workload-density", title: "Density and headroom", from: "now-24h",
		description: "How full hosts are, what hurts on them, and how many more workloads fit.",
		rows: []row{
			{"The fleet", []line{
				{4, []dashboard.Panel{
					number(about{"Hosts", "Hosts that report.", short}, query{"count(" + cores + ")", ""}),
					number(about{"Containers", "Running containers and pods.", short}, query{`sum(workload_host_workloads{HOST,kind="container",state="running"})`, ""}),
					number(about{"VMs", "Running virtual machines.", short}, query{`sum(workload_host_workloads{HOST,kind="vm",state="running"})`, ""}),
					number(about{"Workloads per core", "Running workloads to physical cores, of all chosen hosts.", short}, query{"sum(" + running + ") / sum(" + cores + ")", ""}),
					number(about{"Workloads per GiB", "Running workloads to installed memory, of all chosen hosts.", short}, query{"sum(" + running + ") / (sum(" + memoryTotal + ") / 2^30)", ""}),
					number(about{"Memory used", "Share of memory that is not available, of all chosen hosts.", share}, query{"sum(" + memoryUsed + ") / sum(" + memoryTotal + ")", ""}),
				}},
				{9, []dashboard.Panel{
					grid(about{"Hosts", "Each host: how many it runs, what it has, and what presses.", short},
						map[string]string{"instance": "Host"},
						column{"sum by (instance) (" + running + ")", "Workloads", ""},
						column{"sum by (instance) (" + cores + ")", "Cores", ""},
						column{"sum by (instance) (" + memoryTotal + ")", "Memory", bytes},
						column{"sum by (instance) (" + memoryUsed + ") / sum by (instance) (" + memoryTotal + ")", "Memory used", share},
						column{"sum by (instance) (rate(workload_host_cpu_usage_seconds_total{HOST}[RATE])) / sum by (instance) (workload_host_cpu_threads{HOST})", "CPU used", share},
						column{"sum by (instance) (rate(workload_host_pressure_cpu_waiting_seconds_total{HOST}[RATE]))", "CPU pressure", share},
						column{"sum by (instance) (rate(workload_host_pressure_memory_waiting_seconds_total{HOST}[RATE]))", "Memory pressure", share}),
				}},
			}},
			{"Density", []line{{8, []dashboard.Panel{
				graph(about{"Workloads per core", "Running workloads to physical cores.", short},
					query{"sum by (job, instance, kind) (" + running + ") / on (job, instance) group_left () " + cores, "{{kind}} {{instance}}"}),
				graph(about{"Workloads per GiB", "Running workloads to installed memory.", short},
					query{"sum by (job, instance, kind) (" + running + ") / on (job, instance) group_left () (" + memoryTotal + " / 2^30)", "{{kind}} {{instance}}"}),
				graph(about{"vCPUs per core", "Allotted vCPUs to physical cores. Inventory: there is no right ratio, pressure says when it is too much.", short},
					query{perHost("workload_vm_vcpus{HOST}", cores), "{{instance}}"}),
			}}, {8, []dashboard.Panel{
				graph(about{"Memory promised", "Capacity of VMs and limits of containers, to installed memory. Containers without a limit are promised nothing.", share},
					query{perHost(`workload_memory_capacity_bytes{HOST,kind="vm"}`, memoryTotal), "vm {{instance}}"},
					query{perHost(`workload_memory_limit_bytes{HOST,kind="container"}`, memoryTotal), "container {{instance}}"}),
				graph(about{"Memory touched", "Unreclaimable memory of all workloads, to installed memory.", share},
					query{"sum by (job, instance, kind) (workload_memory_unreclaimable_bytes{HOST}) / on (job, instance) group_left () " + memoryTotal, "{{kind}} {{instance}}"}),
				graph(about{"CPU promised to containers", "Quotas of containers, to the CPUs. Without a quota nothing is promised.", share},
					query{perHost(`workload_cpu_limit_cores{HOST,kind="container"}`, "workload_host_cpu_threads{HOST}"), "{{instance}}"}),
			}}}},
			{"Pain", []line{{8, []dashboard.Panel{
				hostPressure("CPU", "cpu"), hostPressure("Memory", "memory"), hostPressure("I/O", "io"),
			}}, {8, []dashboard.Panel{
				graph(about{"The ten workloads that wait most for CPU", "Share of time in which some task of the workload waited for a CPU.", share},
					query{"topk(10, rate(workload_pressure_cpu_waiting_seconds_total{HOST}[RATE]))", "{{kind}} {{name}} {{instance}}"}),
				graph(about{"OOM kills in an hour", "Processes that the kernel killed because their workload was at its limit.", short},
					query{`sum by (job, instance, kind) (increase(workload_memory_events_total{HOST,event="oom_kill"}[1h]))`, "{{kind}} {{instance}}"}),
			}}}},
			{"Where the host's memory is", []line{{8, []dashboard.Panel{
				graph(about{"Used and attributed", "All that is used, and the part that workloads and their overhead hold unreclaimably.", bytes},
					query{memoryUsed, "used {{instance}}"}, query{attributed, "attributed {{instance}}"}),
				graph(about{"The shared remainder", "Used less attributed: daemons, the kernel, what nobody in particular holds. Below zero when workloads hold what counts as available.", bytes},
					query{memoryUsed + " - on (job, instance) (" + attributed + ")", "{{instance}}"}),
			}}}},
		},
	}
}

func hostPressure(what, resource string) dashboard.Panel {
	return graph(about{what + " pressure of the host", "Share of time in which some task waited, and in which all did (PSI some and full).", share},
		query{"rate(workload_host_pressure_" + resource + "_waiting_seconds_total{HOST}[RATE])", "waiting {{instance}}"},
		query{"rate(workload_host_pressure_" + resource + "_stalled_seconds_total{HOST}[RATE])", "stalled {{instance}}"})
}
