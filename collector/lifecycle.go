package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/workload-exporter/workload_exporter/workload"
)

// History is what was seen of the workloads' past; *lifecycle.Tracker is one.
type History interface {
	// Settle is told at each scrape who runs.
	Settle(list []*workload.Workload)
	Of(w *workload.Workload) workload.Lifecycle
}

// Lifecycle counts what happened to workloads, those that are gone included. It
// is a lifecycle.Recorder.
type Lifecycle struct {
	durations *prometheus.HistogramVec
	events    *prometheus.CounterVec
	restarts  *prometheus.CounterVec
	exits     *prometheus.CounterVec
	missed    *prometheus.CounterVec
}

// NewLifecycle returns a Lifecycle that has counted nothing.
func NewLifecycle() *Lifecycle {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return &Lifecycle{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "workload_lifecycle_duration_seconds",
			Help: "How long a phase of a workload's life took, of those phases of which both ends were seen (cgroup.events and inotify; libvirt's and the container engine's events; systemd's unit stamps; a guest's own notices). " +
				"Each source that tells of a phase is one observation. " +
				"start_to_settled is a heuristic: the end of the last 5 s that used more CPU (usage_usec in cpu.stat) than 0.05 cores and a quarter of the start's peak, if 30 s of quiet followed.",
			Buckets: []float64{
				.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600,
			},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
			NativeHistogramZeroThreshold:    .001,
		}, []string{"kind", "runtime", "phase", "source", "outcome"}),
		events: counters("workload_lifecycle_events_total",
			"What happened to workloads (cgroup.events, memory.events, inotify; libvirt's events).", "kind", "runtime", "event"),
		restarts: counters("workload_restarts_total",
			"Starts of a workload within 300 s of the end of its run before. The reset of a machine is none.", "kind", "runtime"),
		exits: counters("workload_exits_total",
			"Ends of workloads of which the reason is known (libvirt's STOPPED event; the engine's die event; oom: oom_kill in memory.events shortly before).", "kind", "runtime", "reason"),
		missed: counters("workload_lifecycle_observations_missed_total",
			"What could not be measured, and why.", "phase", "reason"),
	}
}

// Duration implements lifecycle.Recorder.
func (l *Lifecycle) Duration(who workload.Identity, phase, source, outcome string, took time.Duration) {
	l.durations.WithLabelValues(string(who.Kind), workload.Clean(who.Runtime), phase, source, outcome).Observe(took.Seconds())
}

// Event implements lifecycle.Recorder.
func (l *Lifecycle) Event(who workload.Identity, event string) {
	l.events.WithLabelValues(string(who.Kind), workload.Clean(who.Runtime), event).Inc()
}

// Restarted implements lifecycle.Recorder.
func (l *Lifecycle) Restarted(who workload.Identity) {
	l.restarts.WithLabelValues(string(who.Kind), workload.Clean(who.Runtime)).Inc()
}

// Exited implements lifecycle.Recorder.
func (l *Lifecycle) Exited(who workload.Identity, reason string) {
	l.exits.WithLabelValues(string(who.Kind), workload.Clean(who.Runtime), reason).Inc()
}

// Missed implements lifecycle.Recorder.
func (l *Lifecycle) Missed(phase, reason string) { l.missed.WithLabelValues(phase, reason).Inc() }

// Describe implements prometheus.Collector.
func (l *Lifecycle) Describe(ch chan<- *prometheus.Desc) {
	l.each(func(c prometheus.Collector) { c.Describe(ch) })
}

// Collect implements prometheus.Collector.
func (l *Lifecycle) Collect(ch chan<- prometheus.Metric) {
	l.each(func(c prometheus.Collector) { c.Collect(ch) })
}

func (l *Lifecycle) each(do func(prometheus.Collector)) {
	for _, c := range []prometheus.Collector{l.durations, l.events, l.restarts, l.exits, l.missed} {
		do(c)
	}
}

// lifecycleFamilies is what is shown of each workload that runs.
func lifecycleFamilies() []family {
	const subject = workload.SubjectLifecycle
	phase := func(name string, value func(*workload.Lifecycle) workload.Value) series {
		return series{name, func(u *workload.Usage) workload.Value { return value(&u.Lifecycle) }}
	}
	return []family{
		{
			name: "workload_start_timestamp_seconds",
			help: "When this run started, in seconds since the epoch (cgroup.events or libvirt's STARTED; of one that ran before the exporter InactiveExitTimestampMonotonic of its unit, or starttime in /proc/PID/stat of its oldest process).",
			typ:  gauge, subject: subject, unit: nanoseconds,
			series: one(func(u *workload.Usage) workload.Value { return u.Lifecycle.Started }),
		},
		{
			name: "workload_ready_timestamp_seconds",
			help: "When this run was first ready (health_status of the container engine, ActiveEnterTimestampMonotonic of a unit of Type=notify, READY=1 of a guest), in seconds since the epoch. Absent without one that tells, and when it was not seen.",
			typ:  gauge, subject: subject, unit: nanoseconds,
			series: one(func(u *workload.Usage) workload.Value { return u.Lifecycle.Ready }),
		},
		{
			name: "workload_phase_duration_seconds",
			help: "How long a phase of this run's life took when it was last seen, as in workload_lifecycle_duration_seconds. Of several sources the first to tell counts.",
			typ:  gauge, subject: subject, unit: nanoseconds, label: "phase",
			series: []series{
				phase("create_to_started", func(l *workload.Lifecycle) workload.Value { return l.CreateToStarted }),
				phase("start_to_guest_up", func(l *workload.Lifecycle) workload.Value { return l.StartToGuestUp }),
				phase("start_to_ready", func(l *workload.Lifecycle) workload.Value { return l.StartToReady }),
				phase("start_to_settled", func(l *workload.Lifecycle) workload.Value { return l.StartToSettled }),
				phase("reboot", func(l *workload.Lifecycle) workload.Value { return l.Reboot }),
			},
		},
	}
}
