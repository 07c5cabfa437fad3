//go:build e2e && experiment

package e2e

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	countOfContainers = flag.Int("containers", 15, "how many containers the experiment starts")
	countOfVMs        = flag.Int("vms", 8, "how many machines the experiment starts")
	countOfReboots    = flag.Int("reboots", 5, "how many of each kind the experiment reboots; 2014 did so with five")
	report            = flag.String("report", "../docs/experiment.md", "where the experiment's table is written to")
)

// rest is how long workloads that have settled are looked at.
const rest = 30 * time.Second

// experiment is the measurement of 2014 on one host: by the exporter, as a
// Prometheus with our rules tells it, and by a stopwatch that is not ours.
type experiment struct {
	t *testing.T
	p prometheus
	// kind is whose turn it is, and n how many of them there are.
	kind string
	n    int
	// turns is how many of them took part in the last stage.
	turns   int
	figures figures
}

// The experiment drives a host over a shell: the lab, or with WORKLOAD_LAB_SHELL
// and WORKLOAD_LAB_READY=1 another one; see docs/experiment.md. The kinds have
// labs of their own, since one might not outlive both.

// TestExperimentContainers leaves its figures for TestExperimentVMs.
func TestExperimentContainers(t *testing.T) {
	x := begin(t, "container", *countOfContainers)
	x.live(containerPart)
	x.save()
	x.hold()
}

// TestExperimentVMs writes the table.
func TestExperimentVMs(t *testing.T) {
	x := begin(t, "vm", *countOfVMs)
	x.live(vmPart)
	x.save()
	text := writing{containers: load(t, "container"), vms: load(t, "vm")}.report()
	t.Log("\n" + text)
	if err := os.WriteFile(*report, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	x.hold()
}

// begin starts what measures on a host without workloads.
func begin(t *testing.T, kind string, n int) *experiment {
	t.Helper()
	if running := strings.TrimSpace(inLab(t, "docker ps -q; virsh -q -c qemu:///system list --name")); running != "" {
		t.Fatalf("this host has workloads already:\n%s", running)
	}
	inLab(t, `mkdir -p /run/lab/experiment /run/systemd/system/workload_exporter.service.d
		printf '[Service]\nSupplementaryGroups=docker\n' >/run/systemd/system/workload_exporter.service.d/experiment.conf
		systemctl daemon-reload; systemctl stop workload_exporter; rm -rf /var/lib/private/workload_exporter/*; systemctl start workload_exporter`)
	t.Cleanup(func() {
		inLab(t, "rm -r /run/systemd/system/workload_exporter.service.d/experiment.conf; systemctl daemon-reload; systemctl restart workload_exporter")
	})
	rules := rulesAsShipped(t)
	// There are minutes, where a host has hours: a workload counts once it is ten seconds old.
	withThreshold(t, rules, "settle_seconds", 10)
	const group = `(?m)^ +interval: .*\n`
	replace(t, rules, "marginal.yaml", group, "")
	x := &experiment{t: t, kind: kind, n: n, p: startPrometheus(t, 2*time.Second, 10*time.Second, rules), figures: figures{N: n, Cells: map[string]cell{}, Why: map[string]string{}}}
	x.figures.Host = inLab(t, "%s", describe)
	watch(t)
	return x
}

// part is what differs between the kinds: scripts, which print what the stopwatch
// has seen, and what that says.
type part struct {
	start, reboot, stop string // once for each workload, as $n
	clean               string
	// started, rebooted, stopped read the stopwatch.
	started, rebooted func(x *experiment, log watched)
	stopped           func(x *experiment, log watched, before tally)
	image             string // prints how large it is
}

func (x *experiment) live(p part) {
	each := func(n int, script string) watched {
		x.t.Helper()
		x.turns = n
		now := strings.Fields(inLab(x.t, "date +%%s.%%N; cat /proc/uptime"))
		for i := 1; i <= n; i++ {
			inLab(x.t, "n=%d; %s", i, script)
		}
		log := look(x.t, now[0])
		log.booted, _ = seconds(now[1])
		return log
	}
	time.Sleep(10 * time.Second) // what was before has been scraped
	idle := x.resting()

	log := each(x.n, p.start)
	p.started(x, log)
	x.settled(log.booted)

	busy := x.resting()
	x.costs(idle, busy)
	image, err := strconv.ParseFloat(strings.TrimSpace(inLab(x.t, "%s", p.image)), 64)
	if err != nil {
		x.t.Fatal(err)
	}
	x.set("image", x.ask(`avg(sum by (id) (workload_image_bytes{kind="%s"}))`, x.kind), image)

	log = each(min(x.n, *countOfReboots), p.reboot)
	p.rebooted(x, log)

	// Docker's restart is a stop, too.
	before := x.tally("stop", "")
	log = each(x.n, p.stop)
	p.stopped(x, log, before)
	inLab(x.t, "%s", p.clean)
	eventually(x.t, "all to be gone", time.Minute, func() bool {
		list, err := x.p.query(fmt.Sprintf(`workload_info{kind=%q}`, x.kind))
		return err == nil && len(list) == 0
	})
}

// ask is for one number.
func (x *experiment) ask(format string, args ...any) float64 {
	x.t.Helper()
	v, ok := x.may(format, args...)
	if !ok {
		x.t.Fatalf("no answer to "+format, args...)
	}
	return v
}

// may is for one number that may not be there.
func (x *experiment) may(format string, args ...any) (float64, bool) {
	x.t.Helper()
	list, err := x.p.query(fmt.Sprintf(format, args...))
	if err != nil || len(list) > 1 {
		x.t.Fatalf("%d answers to %s: %v", len(list), fmt.Sprintf(format, args...), err)
	}
	if len(list) == 0 {
		return 0, false
	}
	return list[0].value, true
}

// tally is how often a phase was observed, and for how long in all.
type tally struct{ count, sum float64 }

func (x *experiment) tally(phase, more string) (now tally) {
	x.t.Helper()
	of := fmt.Sprintf(`{kind="%s",phase="%s",%s}`, x.kind, phase, more)
	now.count, _ = x.may(`sum(workload_lifecycle_duration_seconds_count%s)`, of)
	now.sum, _ = x.may(`sum(workload_lifecycle_duration_seconds_sum%s)`, of)
	return now
}

// observed waits until a phase was observed once more of each, and is the mean of that.
func (x *experiment) observed(phase, more string, before tally) float64 {
	x.t.Helper()
	begin := time.Now()
	for {
		// The sum is asked for after the count, and may be of one more: twice the same is none.
		now := x.tally(phase, more)
		if n := int(now.count - before.count); n == x.turns && x.tally(phase, more) == now {
			return (now.sum - before.sum) / float64(n)
		} else if n > x.turns || time.Since(begin) > 2*time.Minute {
			x.t.Fatalf("%s of %s: %d times, want %d", phase, x.kind, n, x.turns)
		}
		time.Sleep(time.Second)
	}
}

// settled waits until all have settled, which takes 30 s of quiet, and compares
// with the same rule applied to what the kernel's own counters were.
func (x *experiment) settled(since float64) {
	x.t.Helper()
	begin := time.Now()
	var settled tally
	for int(settled.count) < x.n && time.Since(begin) < 100*time.Second {
		time.Sleep(2 * time.Second)
		settled = x.tally("start_to_settled", "")
	}
	if settled.count == 0 {
		x.why("settled", "none was quiet for 30 s")
		return
	}
	theirs, all := samplesOf(x.t).settle(since)
	if x.kind == "vm" {
		// A machine starts when its vCPUs do, the stopwatch with its group.
		theirs -= x.figures.Cells["created"].Theirs
	}
	x.set("settled", settled.sum/settled.count, theirs)
	if int(settled.count) < x.n || all < x.n {
		x.why("settled", fmt.Sprintf("%.0f of %d had settled, %d by the stopwatch", settled.count, x.n, all))
	}
}
