package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func single() board {
	return board{
		uid: "workload-single", title: "Workload", from: "now-3h",
		description: "One workload: what the host spends on it, what its guest says, and its life.",
		variables: []cog.Builder[dashboard.VariableModel]{
			choice("kind", `workload_info{job=~"$job",instance=~"$instance"}`),
			one("name", `workload_info{job=~"$job",instance=~"$instance",kind=~"$kind"}`),
		},
		rows: []row{
			{"What it is", []line{
				{4, []dashboard.Panel{
					number(about{"Runs since", "Start of this run, where it was seen.", units.DateTimeFromNow}, query{"workload_start_timestamp_seconds{ONE} * 1000", "{{instance}}"}),
					number(about{"CPU", "Cores used.", short}, query{"rate(workload_cpu_usage_seconds_total{ONE}[RATE])", "{{instance}}"}),
					number(about{"CPU capacity", "The most that it could use.", short}, query{"workload_cpu_capacity_cores{ONE}", "{{instance}}"}),
					number(about{"Memory unreclaimable", "What the host cannot take back.", bytes}, query{"workload_memory_unreclaimable_bytes{ONE}", "{{instance}}"}),
					number(about{"Memory capacity", "The most that it could use.", bytes}, query{"workload_memory_capacity_bytes{ONE}", "{{instance}}"}),
					number(about{"Tasks", "Processes and threads on the host.", short}, query{"workload_tasks{ONE}", "{{instance}}"}),
				}},
				{5, []dashboard.Panel{grid(about{"Identity", "All that is known of what it is.", short},
					map[string]string{"instance": "Host", "kind": "Kind", "runtime": "Runtime", "name": "Name", "id": "ID", "cgroup": "Cgroup", "source": "Source"},
					column{"workload_info{ONE}", "Known", ""})}},
			}},
			{"CPU", []line{{8, []dashboard.Panel{
				graph(about{"CPU, seen by the host", "Cores: all, and the user and system part. Of a VM all guest time is user time.", short},
					query{"rate(workload_cpu_usage_seconds_total{ONE}[RATE])", "all {{instance}}"},
					query{"rate(workload_cpu_user_seconds_total{ONE}[RATE])", "user {{instance}}"},
					query{"rate(workload_cpu_system_seconds_total{ONE}[RATE])", "system {{instance}}"},
					query{"rate(workload_overhead_cpu_seconds_total{ONE}[RATE])", "overhead outside {{instance}}"}),
				graph(about{"CPU, vCPUs and the rest", "VMs only: what the vCPUs used, what QEMU did besides, and how long vCPUs waited to run.", short},
					query{"rate(workload_vm_vcpu_seconds_total{ONE}[RATE])", "vCPUs {{instance}}"},
					query{"rate(workload_vm_emulator_cpu_seconds_total{ONE}[RATE])", "emulator {{instance}}"},
					query{"rate(workload_vm_run_delay_seconds_total{ONE}[RATE])", "run delay {{instance}}"}),
				graph(about{"CPU against capacity", "Share of the most that it could use, and of its quota's periods that were throttled.", share},
					query{"rate(workload_cpu_usage_seconds_total{ONE}[RATE]) / workload_cpu_capacity_cores{ONE}", "used {{instance}}"},
					query{"rate(workload_cpu_throttled_periods_total{ONE}[RATE]) / (rate(workload_cpu_periods_total{ONE}[RATE]) > 0)", "throttled {{instance}}"}),
			}}}},
			{"Memory", []line{{8, []dashboard.Panel{
				graph(about{"Memory, seen by the host", "Three ways to count it, its peak, its swap and its limit.", bytes},
					query{"workload_memory_resident_bytes{ONE}", "resident {{instance}}"},
					query{"workload_memory_working_set_bytes{ONE}", "working set {{instance}}"},
					query{"workload_memory_unreclaimable_bytes{ONE}", "unreclaimable {{instance}}"},
					query{"workload_memory_peak_bytes{ONE}", "peak {{instance}}"},
					query{"workload_memory_swap_bytes{ONE}", "swap {{instance}}"},
					query{"workload_memory_limit_bytes{ONE}", "limit {{instance}}"}),
				graph(about{"Memory, seen by the guest", "VMs only: what the guest's driver last said, and the balloon.", bytes},
					query{"workload_vm_guest_memory_total_bytes{ONE}", "total {{instance}}"},
					query{"workload_vm_guest_memory_usable_bytes{ONE}", "usable {{instance}}"},
					query{"workload_vm_guest_memory_unused_bytes{ONE}", "unused {{instance}}"},
					query{"workload_vm_balloon_bytes{ONE}", "balloon {{instance}}"}),
				graph(about{"Memory beyond it", "What is held beyond the guest's RAM (VMs), and outside the cgroup (shims, conmon).", bytes},
					query{"workload_vm_memory_overhead_bytes{ONE}", "beyond guest RAM {{instance}}"},
					query{"workload_overhead_memory_bytes{ONE}", "overhead outside {{instance}}"}),
			}}}},
			{"Waiting, and I/O", []line{{8, []dashboard.Panel{
				onePressure("waiting", "some task waited (PSI some)"),
				onePressure("stalled", "all tasks waited (PSI full)"),
				graph(about{"I/O", "Bytes of block devices.", units.BytesPerSecondIEC},
					query{"rate(workload_io_read_bytes_total{ONE}[RATE])", "read {{instance}}"},
					query{"rate(workload_io_written_bytes_total{ONE}[RATE])", "written {{instance}}"}),
			}}}},
			{"Life", []line{{8, []dashboard.Panel{
				graph(about{"How long each phase took", "The last one seen of each phase.", seconds}, query{"workload_phase_duration_seconds{ONE}", "{{phase}} {{instance}}"}),
				graph(about{"Restarts in an hour", "Of its kind and runtime: counters have no workload's name, or they would not outlive it.", short},
					query{`sum by (kind, runtime, instance) (increase(workload_restarts_total{job=~"$job",instance=~"$instance",kind=~"$kind"}[1h]))`, "{{kind}} {{runtime}} {{instance}}"}),
				graph(about{"Memory events in an hour", "How often it met a limit, and what was killed.", short}, query{"increase(workload_memory_events_total{ONE}[1h])", "{{event}} {{instance}}"}),
			}}}},
		},
	}
}

func onePressure(how, means string) dashboard.Panel {
	rate := func(resource string) query {
		return query{"rate(workload_pressure_" + resource + "_" + how + "_seconds_total{ONE}[RATE])", resource + " {{instance}}"}
	}
	return graph(about{"Time " + how, "Share of time in which " + means + ".", share}, rate("cpu"), rate("memory"), rate("io"))
}
