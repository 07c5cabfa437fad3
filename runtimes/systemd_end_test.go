package runtimes

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// TestSystemdStops asks for services that have ended since when they had to.
func TestSystemdStops(t *testing.T) {
	const group = "/machine.slice/nsp.service"
	f := startSystemd(t, filepath.Join(t.TempDir(), "s"))
	d := newDesk(t, f.path)
	at := func(s int) time.Duration { return d.now - time.Minute + time.Duration(s)*time.Second }
	unit := func(start, exit, main int, result string) {
		stamped := func(property string, s int) {
			if s == 0 {
				f.set("nsp.service", property, uint64(0))
				f.set("nsp.service", property+"Monotonic", uint64(0))
			} else {
				f.stamped("nsp.service", property, at(s))
			}
		}
		stamped("ExecMainStartTimestamp", start)
		stamped("ActiveExitTimestamp", exit)
		stamped("ExecMainExitTimestamp", main)
		f.set("nsp.service", "Result", result)
	}
	end := func(cgroup string, witness workload.Witness) {
		d.Systemd.Happened(workload.Event{Kind: workload.EventEmpty, When: at(30), Witness: witness, Source: "cgroup", Cgroup: cgroup, Inode: 3})
		d.Systemd.Happened(workload.Event{Kind: workload.EventRemoved, When: at(30), Cgroup: cgroup, Inode: 3})
		d.step()
	}
	asked := fmt.Sprintf("systemd unit_stops %s 3 %v 0", group, at(20))
	nobody := fmt.Sprintf("systemd unit_stops %s 3 %v 1", group, at(30))
	for name, tt := range map[string]struct {
		start, exit, main int
		result, want      string
	}{
		"asked":                           {1, 20, 25, "success", asked},
		"asked, and not yet reaped":       {1, 20, 0, "success", asked},
		"killed after a time":             {1, 20, 25, "timeout", asked},
		"ended by itself":                 {1, 26, 25, "success", nobody},
		"ended, and systemd knows not":    {1, 0, 0, "success", nobody},
		"stamps of the run before":        {10, 5, 4, "success", nobody},
		"noticed after the last had gone": {1, 40, 41, "success", nobody},
	} {
		t.Run(name, func(t *testing.T) {
			d.t = t
			unit(tt.start, tt.exit, tt.main, tt.result)
			end(group, workload.Witnessed)
			d.want(tt.want)
		})
	}
	d.t = t
	// One that is gone, one that is no service, one whose end was found out afterwards.
	end("/machine.slice/gone.service", workload.Witnessed)
	d.want(fmt.Sprintf("systemd unit_stops /machine.slice/gone.service 3 %v 1", at(30)))
	end("/machine.slice/a.scope", workload.Witnessed)
	end(group, workload.Late)
	d.want()
	// Nobody to ask.
	f.drop()
	end(group, workload.Witnessed)
	end(group, workload.Witnessed)
	d.want()
}
