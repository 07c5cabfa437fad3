package collector

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// fakeGroup reads whatever a test says.
type fakeGroup struct {
	usage workload.Usage
	read  func(*workload.Usage) error
}

func (g *fakeGroup) Read(u *workload.Usage) error {
	if g.read != nil {
		return g.read(u)
	}
	*u = g.usage
	return nil
}

func (*fakeGroup) Running() bool     { return true }
func (*fakeGroup) Holds(string) bool { return false }

// clock is when all tests take place.
func clock() time.Time { return time.Unix(1_700_000_000, 0) }

func newRegistry(candidates ...workload.Candidate) *workload.Registry {
	r := workload.NewRegistry(workload.Config{Now: clock})
	for i, c := range candidates {
		r.Found(strconv.Itoa(i), c)
	}
	return r
}

// workloadsOnly is the page alone.
func workloadsOnly() Enabled {
	on := All()
	delete(on, Host)
	delete(on, Sources)
	delete(on, Self)
	return on
}

// container is a Docker container whose every number is another one.
func container(n int) workload.Candidate {
	return workload.Candidate{
		Identity: workload.Identity{Kind: workload.KindContainer, Runtime: "docker", ID: fmt.Sprintf("%012x", n), Name: fmt.Sprintf("web-%d", n)},
		FullID:   fmt.Sprintf("%064x", n),
		Origin:   workload.OriginCgroup,
		Cgroup:   fmt.Sprintf("/system.slice/docker-%064x.scope", n),
		Inode:    uint64(n),
		Group:    &fakeGroup{usage: hostView()},
	}
}

// hostView is a Usage with every number that a cgroup can give, no two alike.
func hostView() workload.Usage {
	const second, core, mebi = 1_000_000_000, 1_000_000_000, 1 << 20
	known := workload.Known
	return workload.Usage{
		CPU: workload.CPU{
			Usage: known(12.5 * second), User: known(8.25 * second), System: known(4.25 * second),
			Periods: known(1000), ThrottledPeriods: known(10), Throttled: known(0.75 * second),
			Limit: known(1.5 * core), Capacity: known(1.25 * core),
		},
		Memory: workload.Memory{
			Resident: known(64 * mebi), WorkingSet: known(48 * mebi), Unreclaimable: known(32 * mebi), Peak: known(96 * mebi),
			Swap: known(1 * mebi), Limit: known(128 * mebi), Capacity: known(127 * mebi), GuestBacking: known(30 * mebi),
			Events: workload.MemoryEvents{Low: known(1), High: known(2), Max: known(3), OOM: known(4), OOMKill: known(5)},
		},
		Pressure: workload.Pressure{
			CPU:    workload.Stall{Waiting: known(1.5 * second), Stalled: known(0.5 * second)},
			Memory: workload.Stall{Waiting: known(2.5 * second), Stalled: known(1.25 * second)},
			IO:     workload.Stall{Waiting: known(3.5 * second), Stalled: known(2.25 * second)},
		},
		IO:       workload.IO{ReadBytes: known(4096), WrittenBytes: known(8192), Reads: known(11), Writes: known(22)},
		Tasks:    known(7),
		Overhead: workload.Overhead{CPU: known(0.25 * second), Memory: known(3 * mebi)},
		Spent:    [workload.Subjects]time.Duration{1000, 2000, 3000, 4000, 5000, 6000, 7000},
	}
}

// machineStats is everything that libvirt can tell.
func machineStats() workload.MachineStats {
	const second, mebi = 1_000_000_000, 1 << 20
	known := workload.Known
	return workload.MachineStats{
		Updated: clock(),
		CPUTime: known(13 * second), CPUUser: known(9 * second), CPUSystem: known(4 * second),
		RSS: known(70 * mebi), VCPUs: known(2), VCPUTime: known(10 * second), RunDelay: known(0.125 * second),
		Maximum: known(512 * mebi), Balloon: known(256 * mebi),
		Guest: workload.GuestMemory{
			Total: known(240 * mebi), Usable: known(200 * mebi), Unused: known(180 * mebi), Updated: known(1_699_999_990),
		},
	}
}

// text is what a Gatherer says, in the text format.
func text(t testing.TB, g *Gatherer) string {
	t.Helper()
	families, done, err := g.Gather()
	defer done()
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, families)
}

func encode(t testing.TB, families []*dto.MetricFamily) string {
	t.Helper()
	var b bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
