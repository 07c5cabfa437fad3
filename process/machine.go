package process

import (
	"cmp"
	"path"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// machine is what a machine monitor on the host says it is.
type machine struct {
	workload.Identity
	hypervisor string
	// project is Incus' or LXD's, empty for everybody else's.
	project string
	// unnamed is set where nobody gave it a name: it may be a probe that ends
	// in a moment.
	unnamed bool
}

// identify tells what a machine monitor outside of all workloads runs; false if
// it runs no machine.
func identify(pid int, hypervisor string, args []string) (machine, bool) {
	m := machine{hypervisor: hypervisor}
	m.Kind = workload.KindVM
	if hypervisor != hypervisorQEMU {
		name := monitorName(args)
		m.Runtime, m.unnamed = hypervisor, name == ""
		m.ID = cmp.Or(name, byPID(pid))
		m.Name = m.ID
		return m, true
	}
	q := parseQEMU(args)
	if q.probe {
		return machine{}, false
	}
	m.ID, m.Name = q.uuid, q.name
	if runtime, instance, ok := incusInstance(args, q.name); ok {
		m.Runtime, m.ID, m.Name, m.project = runtime, instance, instanceName(instance), project(instance)
		return m, true
	}
	m.Runtime = "qemu"
	if q.guest && q.uuid != "" {
		// Nobody but libvirt writes both: a domain of a session daemon.
		m.Runtime = "libvirt"
	}
	m.unnamed = q.uuid == "" && q.name == ""
	m.ID = cmp.Or(m.ID, m.Name, byPID(pid))
	m.Name = cmp.Or(m.Name, m.ID)
	return m, true
}

// incusInstance finds Incus' or LXD's own directory for an instance among the
// places that QEMU was pointed to: .../incus/[logs/]<project>_<name>/qemu.conf.
// That its last part is the machine's name is what proves it.
func incusInstance(args []string, name string) (runtime, instance string, ok bool) {
	if name == "" {
		return "", "", false
	}
	for _, flag := range []string{"readconfig", "pidfile", "D"} {
		dir := path.Dir(optionOr(args, flag))
		last := path.Base(dir)
		if last != name && !strings.HasSuffix(last, "_"+name) {
			continue
		}
		for component := range strings.SplitSeq(path.Dir(dir), "/") {
			if component == "incus" || component == "lxd" {
				return component, last, true
			}
		}
	}
	return "", "", false
}
