//go:build e2e && experiment

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// groups are the cgroups of both kinds' workloads, for a shell or perl.
const groups = `/sys/fs/cgroup/system.slice/docker-*.scope /sys/fs/cgroup/machine.slice/machine-qemu*.scope`

// watch starts the stopwatch: the kernel's own stamps of cgroups, virsh's of
// events, and a look at each cpu.stat twice a second.
func watch(t *testing.T) {
	t.Helper()
	inLab(t, "%s", traceOn)
	inLab(t, `cd /run/lab/experiment; cat >sample <<'END'
$| = 1;
while (1) {
	open(my $t, "<", "/proc/uptime"); my ($now) = split " ", <$t>;
	for my $d (glob("%s")) { open(my $h, "<", "$d/cpu.stat") or next; my ($u) = <$h> =~ /(\d+)/; printf "%%s %%d %%s\n", $now, $u, $d; }
	select(undef, undef, undef, 0.5);
}
END
cat >read <<'END'
open F, "/proc/uptime"; my ($now) = split " ", <F>; printf "time %%s\n", $now;
my %%m; open F, "/proc/meminfo"; while (<F>) { $m{$1} = $2 * 1024 if /^(\w+):\s+(\d+)/ }
printf "used %%d\n", $m{MemTotal} - $m{MemAvailable};
open F, "/proc/stat"; my @c = split " ", <F>;
printf "busy %%.2f\n", ($c[1] + $c[2] + $c[3] + $c[6] + $c[7]) / 100;
my $held = join "|", qw(anon shmem kernel_stack pagetables sec_pagetables percpu sock slab_unreclaimable);
for my $d (glob("%s")) {
	open F, "$d/cpu.stat" or next; my ($cpu) = <F> =~ /(\d+)/;
	open F, "$d/memory.current"; chomp(my $resident = <F>);
	my $sum = 0; open F, "$d/memory.stat"; while (<F>) { $sum += $2 if /^($held) (\d+)/ }
	printf "group %%.6f %%d %%d\n", $cpu / 1e6, $resident, $sum;
}
for my $f (glob("/proc/[0-9]*/cmdline")) {
	open F, $f or next; my $args = <F>; next unless $args =~ /^\S*containerd-shim/;
	$f =~ s/cmdline/status/; open F, $f or next; while (<F>) { printf "shim %%d\n", $1 * 1024 if /^VmRSS:\s+(\d+)/ }
}
END
systemd-run --quiet --collect --unit=experiment-events sh -c 'exec virsh -c qemu:///system event --loop --all --timestamp >/run/lab/experiment/events 2>&1'
systemd-run --quiet --collect --unit=experiment-samples sh -c 'exec perl /run/lab/experiment/sample >/run/lab/experiment/samples'`, groups, groups)
	t.Cleanup(func() { inLab(t, "systemctl stop experiment-events experiment-samples; %s", traceOff) })
}

// watched is what the stopwatch has seen of one stage.
type watched struct {
	begin  string  // on the clock on the wall
	booted float64 // the same, since the boot
	kernel string
	docker []event
	virsh  []event
}

// event is one thing that an engine told, at a time on the clock on the wall.
type event struct {
	at          float64
	what, whose string
}

func look(t *testing.T, begin string) watched {
	t.Helper()
	w := watched{begin: begin, kernel: inLab(t, "%s", traceRead)}
	for line := range strings.Lines(inLab(t, `docker events --since %s --until $(date +%%s.%%N) --filter type=container --format '{{.TimeNano}} {{.Action}} {{index .Actor.Attributes "name"}} {{.Actor.ID}}'`, begin)) {
		if f := strings.Fields(line); len(f) >= 4 {
			at, _ := seconds(f[0])
			w.docker = append(w.docker, event{at, f[1], f[len(f)-1]})
		}
	}
	from, _ := seconds(begin)
	for line := range strings.Lines(inLab(t, "cat /run/lab/experiment/events")) {
		if m := virshEvent.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			if at, ok := seconds(m[1]); ok && at >= from {
				w.virsh = append(w.virsh, event{at, strings.TrimSpace(m[2] + " " + m[4]), m[3]})
			}
		}
	}
	return w
}

var virshEvent = regexp.MustCompile(`^(\S+ \S+): event '([a-z-]+)' for domain '([^']+)':? ?(.*)$`)

// whose lists who has an event, once each: a reset is told of twice.
func whose(list []event, what string) (names []string) {
	for _, e := range list {
		if strings.HasPrefix(e.what, what) && !slices.Contains(names, e.whose) {
			names = append(names, e.whose)
		}
	}
	return names
}

// first is when the first such thing was told after another, or ever.
func first(t *testing.T, list []event, name, what string, after float64) float64 {
	t.Helper()
	for _, e := range list {
		if e.whose == name && strings.HasPrefix(e.what, what) && e.at > after {
			return e.at
		}
	}
	t.Fatalf("%s: no %s after %f among %v", name, what, after, list)
	return 0
}

func (w watched) group(t *testing.T, path string) stamps {
	t.Helper()
	return traced(t, w.kernel, path)
}

// machineGroup is the cgroup that the kernel saw made for a machine.
func (w watched) machineGroup(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`path=(/machine\.slice/machine-qemu\\x2d\d+\\x2d` + name + `\.scope)\s`).FindStringSubmatch(w.kernel + "\n")
	if m == nil {
		t.Fatalf("no cgroup of %s was made", name)
	}
	return m[1]
}

// standing is one look at a host and its workloads.
type standing struct {
	at, used, busy       float64
	cpu                  float64 // of all workloads
	resident, held, shim float64 // of all
	groups               int
}

func standingOf(t *testing.T) standing {
	t.Helper()
	var s standing
	for line := range strings.Lines(inLab(t, "perl /run/lab/experiment/read")) {
		f := strings.Fields(line)
		n := make([]float64, len(f))
		for i, text := range f[1:] {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			n[i+1] = v
		}
		switch f[0] {
		case "time":
			s.at = n[1]
		case "used":
			s.used = n[1]
		case "busy":
			s.busy = n[1]
		case "group":
			s.cpu, s.resident, s.held = s.cpu+n[1], s.resident+n[2], s.held+n[3]
			s.groups++
		case "shim":
			s.shim += n[1]
		}
	}
	return s
}

// resting looks at a host for a while. What it says of memory is as of the end.
type resting struct {
	from, to standing
	// As Prometheus has it.
	used, busy, cpu float64
}

func (x *experiment) resting() resting {
	x.t.Helper()
	r := resting{from: standingOf(x.t)}
	time.Sleep(rest)
	r.to = standingOf(x.t)
	window := fmt.Sprintf("%ds", int(rest.Seconds()))
	r.used = x.ask(`host:memory_used_bytes:sub`)
	r.busy = x.ask(`rate(workload_host_cpu_usage_seconds_total[%s])`, window)
	r.cpu, _ = x.may(`avg(rate(workload_cpu_usage_seconds_total{kind="%s"}[%s]))`, x.kind, window)
	return r
}

func (r resting) theirBusy() float64 { return (r.to.busy - r.from.busy) / (r.to.at - r.from.at) }

// samples is what cpu.stat was of each group, again and again.
type samples map[string][]usedAt

type usedAt struct{ at, cpu float64 }

func samplesOf(t *testing.T) samples {
	t.Helper()
	s := samples{}
	for line := range strings.Lines(inLab(t, "cat /run/lab/experiment/samples")) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue
		}
		at, err := strconv.ParseFloat(f[0], 64)
		usec, also := strconv.ParseFloat(f[1], 64)
		if err != nil || also != nil {
			continue // the last line may be half written
		}
		s[f[2]] = append(s[f[2]], usedAt{at, usec / 1e6})
	}
	return s
}

// settle is how long after their first sample those settled that began since:
// on average, and of how many. The rule is that of docs/lifecycle.md.
func (s samples) settle(since float64) (mean float64, n int) {
	const window, quiet, idle, share = 5, 30, 0.05, 0.25
	for _, list := range s {
		begin := list[0].at
		if begin < since {
			continue
		}
		busy, peak := begin, 0.0
		for _, now := range list {
			use := (now.cpu - at(list, now.at-window)) / window
			peak = max(peak, use)
			if use > max(idle, share*peak) {
				busy = now.at
			}
			if now.at-busy >= quiet {
				mean += busy - begin
				n++
				break
			}
		}
	}
	return mean / float64(max(n, 1)), n
}

// at is the counter at some time, on a line between two samples.
func at(list []usedAt, when float64) float64 {
	before := usedAt{list[0].at - 1e-9, 0}
	for _, s := range list {
		if s.at >= when {
			if when <= before.at {
				return before.cpu
			}
			return before.cpu + (s.cpu-before.cpu)*(when-before.at)/(s.at-before.at)
		}
		before = s
	}
	return before.cpu
}
