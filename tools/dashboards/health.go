package main

import "github.com/grafana/grafana-foundation-sdk/go/dashboard"

func health() board {
	return board{
		uid: "workload-exporter", title: "Exporter health", from: "now-6h",
		description: "Whether the exporter sees all that it should, and what it costs itself.",
		rows: []row{
			{"Is it there", []line{{7, []dashboard.Panel{
				graph(about{"Targets up", "1 where Prometheus got the last scrape.", short}, query{"up{HOST}", "{{instance}}"}),
				graph(about{"Sources up", "1 where a source answers. No libvirt at all is a 0 too.", short}, query{"workload_source_up{HOST}", "{{source}} {{instance}}"}),
				graph(about{"Collectors that succeeded", "0 where a collector could not read all that it should.", short}, query{"workload_scrape_collector_success{HOST}", "{{collector}} {{instance}}"}),
			}}, {7, []dashboard.Panel{
				graph(about{"Age of what sources said", "Seconds since a source that is asked in the background last answered.", seconds}, query{"workload_source_age_seconds{HOST}", "{{source}} {{instance}}"}),
				graph(about{"Unreadable in an hour", "Files that held something unexpected.", short}, query{"sum by (job, instance, file) (increase(workload_exporter_unreadable_total{HOST}[1h]))", "{{file}} {{instance}}"}),
				graph(about{"Missed in an hour", "What could not be measured of starts and ends, and why.", short}, query{"sum by (phase, reason) (increase(workload_lifecycle_observations_missed_total{HOST}[1h]))", "{{phase}} {{reason}}"}),
			}}}},
			{"What it costs", []line{{7, []dashboard.Panel{
				graph(about{"Scrape", "How long Prometheus waited.", seconds}, query{"scrape_duration_seconds{HOST}", "{{instance}}"}),
				graph(about{"Collectors", "How long each part of a scrape took.", seconds}, query{"workload_scrape_collector_duration_seconds{HOST}", "{{collector}} {{instance}}"}),
				graph(about{"Samples", "Series in a scrape.", short}, query{"scrape_samples_scraped{HOST}", "{{instance}}"}),
			}}, {7, []dashboard.Panel{
				graph(about{"CPU", "Cores that the exporter uses.", short}, query{"rate(process_cpu_seconds_total{HOST}[RATE])", "{{instance}}"}),
				graph(about{"Memory", "Resident memory of the exporter. Each open cgroup file costs some 4.8 KiB of the kernel's besides.", bytes}, query{"process_resident_memory_bytes{HOST}", "{{instance}}"}),
				graph(about{"Descriptors", "Cgroup files that are kept open, and how many may be.", short},
					query{"workload_exporter_descriptors{HOST}", "open {{instance}}"}, query{"workload_exporter_descriptors_budget{HOST}", "budget {{instance}}"}),
			}}, {7, []dashboard.Panel{
				graph(about{"libvirt calls", "95th percentile of each call. No scrape waits for it.", seconds},
					query{"histogram_quantile(0.95, sum by (call, le) (rate(workload_libvirt_rpc_duration_seconds_bucket{HOST}[RATE])))", "{{call}} p95"}),
				graph(about{"Goroutines", "Of the exporter.", short}, query{"go_goroutines{HOST}", "{{instance}}"}),
				grid(about{"Versions", "Which build runs where.", short}, map[string]string{"instance": "Host", "version": "Version", "revision": "Revision", "goversion": "Go"},
					column{"count by (instance, version, revision, goversion) (workload_exporter_build_info{HOST})", "Targets", ""}),
			}}}},
		},
	}
}
