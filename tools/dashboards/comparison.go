package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// What workloads cost: their cgroups, and what serves them from outside, which a container has and a VM does not.
const (
	cpuOfKind    = `sum by (kind) (host_kind:cpu_attributed_cores:sum{HOST})`
	memoryOfKind = `sum by (kind) (host_kind:memory_attributed_bytes:sum{HOST})`
	countOfKind  = `sum by (kind) (host_kind:workloads:sum{HOST})`
)

func comparison() board {
	return board{
		uid: "workload-comparison", title: "Containers vs VMs", from: "now-6h",
		description: "What containers and virtual machines cost and how fast they start, from the same source and on the same axes.",
		rows: []row{
			{"What they cost", []line{
				{8, []dashboard.Panel{
					graph(about{"Workloads", "Running workloads. A pod is one, and so is a VM.", short},
						query{`sum by (kind) (workload_host_workloads{HOST,state="running"})`, "{{kind}}"}),
					graph(about{"CPU", "Cores used, with what the host spends on a workload outside its cgroup (shims, conmon).", short},
						query{cpuOfKind, "{{kind}}"}),
				}},
				{8, []dashboard.Panel{
					graph(about{"Memory resident", "All that is charged, page cache included.", bytes},
						query{`sum by (kind) (workload_memory_resident_bytes{HOST})`, "{{kind}}"}),
					graph(about{"Memory working set", "Resident less inactive file pages.", bytes},
						query{`sum by (kind) (workload_memory_working_set_bytes{HOST})`, "{{kind}}"}),
					graph(about{"Memory unreclaimable", "What the host cannot take back without swapping or killing.", bytes},
						query{`sum by (kind) (workload_memory_unreclaimable_bytes{HOST})`, "{{kind}}"}),
				}},
			}},
			{"What one costs", []line{{8, []dashboard.Panel{
				graph(about{"CPU per workload", "Mean cores of a running workload, its overhead included.", short},
					query{cpuOfKind + " / " + countOfKind, "{{kind}} mean"}),
				graph(about{"Memory per workload", "Unreclaimable memory of a running workload, its overhead included: the mean, and what nine in ten stay below.", bytes},
					query{memoryOfKind + " / " + countOfKind, "{{kind}} mean"},
					query{`quantile by (kind) (0.9, workload:memory_attributed_bytes:sum{HOST})`, "{{kind}} p90"}),
				graph(about{"Overhead per workload", "Held by the host outside the workload's cgroup. A VM's emulator sits inside and is not here.", bytes},
					query{`avg by (kind) (workload_overhead_memory_bytes{HOST})`, "{{kind}} mean"}),
			}}, {8, []dashboard.Panel{
				graph(about{"CPU of one more", "Marginal cost: how the host's use has followed the number of its workloads in six hours, averaged over hosts. Nothing where that says nothing.", short},
					query{`avg by (kind) (host_kind:cpu_marginal_cores:slope6h{HOST})`, "{{kind}}"}),
				graph(about{"Memory of one more", "The same of memory: with daemons, kernel memory and shared pages, which no cgroup is charged for.", bytes},
					query{`avg by (kind) (host_kind:memory_marginal_bytes:slope6h{HOST})`, "{{kind}}"}),
			}}}},
			{"What they wait for", []line{{8, []dashboard.Panel{
				waiting("CPU", "cpu"), waiting("Memory", "memory"), waiting("I/O", "io"),
			}}, {8, []dashboard.Panel{
				graph(about{"Throttled", "Share of the quota's periods in which it was used up. Only workloads with a quota.", share},
					query{`sum by (kind) (rate(workload_cpu_throttled_periods_total{HOST}[RATE])) / (sum by (kind) (rate(workload_cpu_periods_total{HOST}[RATE])) > 0)`, "{{kind}}"}),
				graph(about{"Run delay of vCPUs", "Share of the time in which a vCPU wanted to run and had no CPU: the guest's steal.", share},
					query{`sum by (kind) (rate(workload_vm_run_delay_seconds_total{HOST}[RATE])) / sum by (kind) (workload_vm_vcpus{HOST})`, "{{kind}}"}),
			}}}},
			{"How fast they are", []line{{8, []dashboard.Panel{
				latency("Created, to running", "create_to_started", "The engine's work on one side, libvirt's and QEMU's on the other. A guest has not booted yet."),
				latency("Running, to settled", "start_to_settled", "Until the CPU burst of the start is over: a heuristic that is the same for both."),
				latency("Running, to ready", "start_to_ready", "Until it said that it is ready, where it says so: compare the same kind of word."),
			}}, {8, []dashboard.Panel{
				latency("Stop", "stop", "From the first request to stop, to the end. Containers: Docker's only."),
				latency("Reboot", "reboot", "From the end of one run to the start of the next of the same workload. A timeout is counted, never a duration."),
			}}, {8, []dashboard.Panel{
				graph(about{"VM : container", "How many times as long a VM takes, by the medians of a day, on hosts that saw enough of both.", short},
					query{`avg by (phase, outcome) (host:lifecycle_duration_seconds_vm_per_container:ratio_p50_1d{HOST})`, "{{phase}} {{outcome}}"}),
				graph(about{"Events in an hour", "What happened, by kind and event.", short},
					query{`sum by (kind, event) (increase(workload_lifecycle_events_total{HOST}[1h]))`, "{{kind}} {{event}}"}),
				graph(about{"Ends in an hour", "Why workloads ended, where that is known.", short},
					query{`sum by (kind, reason) (increase(workload_exits_total{HOST}[1h]))`, "{{kind}} {{reason}}"}),
			}}}},
			{"What they weigh", []line{{8, []dashboard.Panel{
				graph(about{"Images", "What the images of all workloads take on disk, each layer and file once.", bytes},
					query{`sum by (kind) (workload_host_image_bytes{HOST})`, "{{kind}}"}),
				graph(about{"Image of one", "What the mean workload would need to be moved elsewhere, shared layers in full.", bytes},
					query{`avg by (kind) (sum by (job, instance, kind, runtime, id) (workload_image_bytes{HOST}))`, "{{kind}} mean"}),
				graph(about{"Disks", "Allocated on disks that workloads can write to.", bytes},
					query{`sum by (kind) (workload_disk_allocated_bytes{HOST})`, "{{kind}}"}),
			}}}},
			{"2014, and now", []line{{13, []dashboard.Panel{
				note("Virtual Machines vs Containers, 2014", "The table that was quoted, and what its author's later data say.", history()),
				fleet(),
			}}}},
		},
	}
}

// waiting is the share of time that a mean and the worst workload wait.
func waiting(what, resource string) dashboard.Panel {
	rate := fmt.Sprintf("rate(workload_pressure_%s_waiting_seconds_total{HOST}[RATE])", resource)
	return graph(about{what + " pressure", "Share of time in which some task of the workload waited (PSI some): the mean workload and the worst.", share},
		query{"avg by (kind) (" + rate + ")", "{{kind}} mean"},
		query{"max by (kind) (" + rate + ")", "{{kind}} worst"})
}

// quantile never mixes phases. by and where keep apart what is not the same: the source that told, and the
// outcome. Where nothing happened there is no answer, where histogram_quantile says NaN.
func quantile(q float64, phase, where, by, window string) string {
	return fmt.Sprintf(`histogram_quantile(%g, sum by (%s, le) (increase(workload_lifecycle_duration_seconds_bucket{HOST,phase=%q%s}[%s]))) >= 0`,
		q, by, phase, where, window)
}

func latency(title, phase, description string) dashboard.Panel {
	const by, name = "kind, source, outcome", "{{kind}} {{source}} {{outcome}} "
	return graph(about{title, description + " Median and 95th percentile of each hour, by who told and how it went.", seconds},
		query{quantile(0.5, phase, "", by, "1h"), name + "median"},
		query{quantile(0.95, phase, "", by, "1h"), name + "p95"})
}

// figure is one row of the 2014 table. container and vm are queries for the same today.
type figure struct {
	name              string
	quoted, corrected float64 // VM : container; 0 where there is none
	remark            string
	container, vm     string
}

func figures() []figure {
	of := func(expr, kind string) string {
		return "sum(" + strings.ReplaceAll(expr, "{HOST", `{HOST,kind="`+kind+`"`) + ")"
	}
	measured := func(f figure, expr string) figure {
		f.container, f.vm = of(expr, "container"), of(expr, "vm")
		return f
	}
	median := func(f figure, phase, where string) figure {
		return measured(f, quantile(0.5, phase, where, "kind", "$__range"))
	}
	return []figure{
		median(figure{
			name: "1 Start, until it runs (s)", quoted: 1.5, corrected: 1.64,
			remark: "OpenStack's call until *ACTIVE*: 3.53 s and 5.78 s. Nova was 3.36 s of the container's; no guest had booted yet.",
		}, "create_to_started", `,source!="engine"`),
		median(figure{
			name: "2 Start, until it settled (s)", corrected: 3.1,
			remark: "95 s and 31 s until the CPU was quiet after 15 were started at once. Not in the quoted table.",
		}, "start_to_settled", ""),
		median(figure{
			name: "3 Reboot (s)", quoted: 18.9,
			remark: "A timeout: every VM ignored ACPI, and Nova waits 120 s. 10 of 25 reboots ran. No ratio follows from it.",
		}, "reboot", ""),
		measured(figure{
			name: "4 CPU of one (cores)", quoted: 26, corrected: 10,
			remark: "The quoted slope was over seconds, not workloads, with R² 0.018 for containers. At rest: 0.022 cores a VM; 15 containers could not be told from an idle host.",
		}, cpuOfKind+" / "+countOfKind),
		measured(figure{
			name: "5 Memory of one (MiB)", quoted: 3, corrected: 6,
			remark: "Slopes over seconds again. At rest 49 MB a container and 292 MB a VM, with KSM on.",
		}, memoryOfKind+" / "+countOfKind+" / 1048576"),
		measured(figure{name: "6 Image of one (MiB)", quoted: 3.2, corrected: 2.83, remark: "1080 MB and 381.5 MB."},
			`avg by (kind) (sum by (job, instance, kind, runtime, id) (workload_image_bytes{HOST})) / 1048576`),
	}
}

// history is the 2014 table in Markdown.
func history() string {
	ratio := func(v float64) string {
		if v == 0 {
			return "none"
		}
		return fmt.Sprintf("%gx", v)
	}
	var b strings.Builder
	b.WriteString("VM : container, from 15 of each on one host, once. *Quoted* is the post of 1 May 2014; *corrected* is its author's second edition of 11 May, which took parts of the first back.\n\n")
	b.WriteString("| | quoted | corrected | what was measured |\n|---|---|---|---|\n")
	for _, f := range figures() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.name, ratio(f.quoted), ratio(f.corrected), f.remark)
	}
	return b.String()
}

// fleet is the same table as the chosen hosts measure it.
func fleet() dashboard.Panel {
	var quoted, corrected, container, vm, ratio []string
	named := func(expr, name string) string {
		return fmt.Sprintf(`label_replace(%s, "figure", %q, "", "")`, expr, name)
	}
	for _, f := range figures() {
		if f.quoted != 0 {
			quoted = append(quoted, named(fmt.Sprintf("vector(%g)", f.quoted), f.name))
		}
		if f.corrected != 0 {
			corrected = append(corrected, named(fmt.Sprintf("vector(%g)", f.corrected), f.name))
		}
		if f.container != "" {
			container = append(container, named(f.container, f.name))
			vm = append(vm, named(f.vm, f.name))
			ratio = append(ratio, named(f.vm+" / "+f.container, f.name))
		}
	}
	either := func(parts []string) string { return strings.Join(parts, " or ") }
	return grid(about{"As your hosts measure it", "Medians of the shown time and means of now, over the chosen hosts; VM : container in the ratios. An empty cell was not measured.", short},
		map[string]string{"figure": "Figure"},
		column{either(quoted), "Quoted 2014", ""}, column{either(corrected), "Corrected 2014", ""},
		column{either(container), "Container", ""}, column{either(vm), "VM", ""}, column{either(ratio), "Ratio", ""})
}
