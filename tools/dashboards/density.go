package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

const (
	cores       = "workload_host_cpu_cores{HOST}"
	memoryTotal = "workload_host_memory_total_bytes{HOST}"
	running     = `workload_host_workloads{HOST,state="running"}`
	memoryUsed  = "(" + memoryTotal + " - workload_host_memory_available_bytes{HOST})"
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
					number(about{"More containers that fit", "The sum of the headroom of all chosen hosts.", short}, query{`sum(clamp_min(host_kind:headroom_workloads:min{HOST,kind="container"}, 0))`, ""}),
					number(about{"More VMs that fit", "The sum of the headroom of all chosen hosts. Not beside the containers: instead of them.", short}, query{`sum(clamp_min(host_kind:headroom_workloads:min{HOST,kind="vm"}, 0))`, ""}),
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
			{"Headroom", []line{{8, []dashboard.Panel{
				graph(about{"How many more fit", "More of the kind as it runs now, by memory, CPU or the count that is allowed: the least of them. The kinds share the host: what one takes the other has not.", short},
					query{"host_kind:headroom_workloads:min{HOST}", "{{kind}} {{instance}}"}),
				graph(about{"What would bind", "How many more would fit if only this ran out.", short},
					query{"host_kind:headroom_workloads:by_resource{HOST}", "{{kind}} {{bound_by}} {{instance}}"}),
				grid(about{"What binds first", "The number that fit, and what stops the next one.", short},
					map[string]string{"instance": "Host", "kind": "Kind", "bound_by": "Bound by"},
					column{"sum by (instance, kind, bound_by) (host_kind:headroom_workloads:bound{HOST})", "More that fit", ""}),
			}}, {8, []dashboard.Panel{
				graph(about{"Memory of one more", "What the headroom counts with: what nine in ten workloads stay below, or the marginal cost where that is more.", bytes},
					query{"host_kind:memory_per_workload_bytes:max{HOST}", "{{kind}} {{instance}}"}),
				graph(about{"CPU of one more", "The same of CPU, of the day's busiest hours.", short},
					query{"host_kind:cpu_per_workload_cores:max{HOST}", "{{kind}} {{instance}}"}),
			}}}},
			{"Density", []line{{8, []dashboard.Panel{
				graph(about{"Workloads per core", "Workloads to physical cores.", short},
					query{"host_kind:workloads_per_core:ratio{HOST}", "{{kind}} {{instance}}"}),
				graph(about{"Workloads per GiB", "Workloads to installed memory.", short},
					query{"host_kind:workloads_per_gib:ratio{HOST}", "{{kind}} {{instance}}"}),
				graph(about{"vCPUs per core", "Allotted vCPUs to physical cores. Inventory: there is no right ratio, pressure says when it is too much.", short},
					query{"host:vcpus_per_core:ratio{HOST}", "{{instance}}"}),
			}}, {8, []dashboard.Panel{
				graph(about{"Memory promised", "RAM of VMs and limits of containers, to installed memory. Without a limit nothing in particular is promised.", share},
					query{"host_kind:memory_promised:ratio{HOST}", "{{kind}} {{instance}}"}),
				graph(about{"Memory touched", "Memory that workloads hold, to installed memory.", share},
					query{"host_kind:memory_touched:ratio{HOST}", "{{kind}} {{instance}}"}),
				graph(about{"CPU promised", "vCPUs of VMs and quotas of containers, to the host's CPUs.", share},
					query{"host_kind:cpu_promised:ratio{HOST}", "{{kind}} {{instance}}"}),
			}}}},
			{"Pain", []line{{8, []dashboard.Panel{
				hostPressure("CPU", "cpu"), hostPressure("Memory", "memory"), hostPressure("I/O", "io"),
			}}, {8, []dashboard.Panel{
				graph(about{"The ten workloads that wait most for CPU", "Share of time in which some task of the workload waited for a CPU.", share},
					query{"topk(10, rate(workload_pressure_cpu_waiting_seconds_total{HOST}[RATE]))", "{{kind}} {{name}} {{instance}}"}),
				graph(about{"OOM kills in an hour", "Processes that the kernel killed because their workload was at its limit.", short},
					query{`sum by (job, instance, kind) (increase(workload_memory_events_total{HOST,event="oom_kill"}[1h]))`, "{{kind}} {{instance}}"}),
			}}}},
			{"What nobody in particular uses", []line{{8, []dashboard.Panel{
				graph(about{"Memory used and attributed", "All that is used on a host, and what its workloads and their overhead hold.", bytes},
					query{"host:memory_used_bytes:sub{HOST}", "used {{instance}}"},
					query{"sum by (job, instance) (host_kind:memory_attributed_bytes:sum{HOST})", "attributed {{instance}}"}),
				graph(about{"The shared remainder, memory", "Used less attributed: daemons, the kernel. Below zero when workloads hold what counts as available.", bytes},
					query{"host:memory_remainder_bytes:sub{HOST}", "{{instance}}"}),
				graph(about{"The shared remainder, CPU", "Cores used on the host less those of workloads.", short},
					query{"host:cpu_remainder_cores:sub{HOST}", "{{instance}}"}),
			}}}},
		},
	}
}

func hostPressure(what, resource string) dashboard.Panel {
	return graph(about{what + " pressure of the host", "Share of time in which some task waited, and in which all did (PSI some and full).", share},
		query{"rate(workload_host_pressure_" + resource + "_waiting_seconds_total{HOST}[RATE])", "waiting {{instance}}"},
		query{"rate(workload_host_pressure_" + resource + "_stalled_seconds_total{HOST}[RATE])", "stalled {{instance}}"})
}
