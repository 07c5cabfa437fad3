package process

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// ResolverConfig is what a Resolver needs to know.
type ResolverConfig struct {
	// ProcRoot is where procfs is mounted; "/proc" if empty.
	ProcRoot string
	// PIDs lists the processes in a cgroup and below it, by the cgroup's path
	// below the mount.
	PIDs func(cgroup string) ([]int, error)
	// Uptime is the clock that process start times are counted on; the
	// kernel's if nil.
	Uptime func() time.Duration
}

// Resolver names a candidate by the processes inside its group. It keeps nothing.
type Resolver struct {
	cfg  ResolverConfig
	proc proc
}

// NewResolver returns a Resolver.
func NewResolver(cfg ResolverConfig) *Resolver {
	if cfg.ProcRoot == "" {
		cfg.ProcRoot = defaultProcRoot
	}
	if cfg.Uptime == nil {
		cfg.Uptime = uptime
	}
	return &Resolver{cfg: cfg, proc: proc{cfg.ProcRoot}}
}

// Resolve tells what the processes inside say of c.
func (r *Resolver) Resolve(c *workload.Candidate) workload.Opinion {
	switch {
	case c.Cgroup == "":
		return workload.NoOpinion
	case c.Runtime == "lxc":
		return r.lxc(c)
	case c.Domain.Driver == "lxc" || c.Runtime == "libvirt-lxc":
		return r.libvirtLXC(c)
	case c.Kind == workload.KindVM:
		return r.machine(c)
	}
	switch c.Runtime {
	case "podman":
		r.attended(c)
	case "kubernetes", "cri-o", "containerd", "kata", "unknown":
		r.attended(c)
		return r.promote(c)
	}
	// A Docker or Podman container in which somebody runs QEMU stays a container.
	return workload.NoOpinion
}

// machine finds the monitor of what is a machine by its path.
func (r *Resolver) machine(c *workload.Candidate) workload.Opinion {
	m, err := r.monitor(c.Cgroup)
	switch {
	case errors.Is(err, errNoMonitor) && c.Runtime != "kata":
		// libvirtd's fork stands in the group before it turns into QEMU.
		return workload.Wait
	case err != nil:
		return workload.NoOpinion
	}
	c.Hypervisor = m.hypervisor
	switch c.Runtime {
	case "libvirt":
		if m.hypervisor != hypervisorQEMU {
			return workload.NoOpinion
		}
		q := parseQEMU(m.args)
		c.ID, c.Name = cmp.Or(q.uuid, c.ID), cmp.Or(q.name, c.Name)
		if q.uuid == "" || q.name == "" {
			return workload.NoOpinion
		}
		return workload.Settled
	case "proxmox":
		c.Name = cmp.Or(parseQEMU(m.args).name, c.Name)
		return workload.Settled
	case hypervisorFirecracker, hypervisorCH:
		name := monitorName(m.args)
		c.ID = cmp.Or(c.ID, name)
		c.Name = cmp.Or(c.Name, name)
		return workload.Settled
	}
	// vmspawn's name is machined's to tell; Kata's is the path's.
	return workload.NoOpinion
}

// libvirtLXC takes the name from the controller, which runs in the group. The
// UUID is not in its arguments: somebody else settles.
func (r *Resolver) libvirtLXC(c *workload.Candidate) workload.Opinion {
	args, err := r.find(c.Cgroup, func(name string) bool { return name == "libvirt_lxc" })
	switch {
	case errors.Is(err, errNoMonitor):
		return workload.Wait
	case err != nil:
		return workload.NoOpinion
	}
	c.Name = cmp.Or(optionOr(args, "name"), c.Name)
	return workload.NoOpinion
}

// lxc asks the monitor that stands beside the payload what the container is
// called, and whose it is.
func (r *Resolver) lxc(c *workload.Candidate) workload.Opinion {
	for _, group := range monitorGroups(c.Cgroup) {
		pids, err := r.cfg.PIDs(group)
		if err != nil {
			continue
		}
		for _, pid := range pids {
			args, err := r.proc.cmdline(pid)
			if err != nil {
				continue
			}
			m, ok := parseLXCMonitor(args)
			if !ok || !m.serves(c.Cgroup) {
				continue
			}
			c.Runtime, c.ID, c.Name = m.runtime(), m.name, m.name
			if c.Runtime != "lxc" {
				// Two projects may each have a c1: the id keeps the project.
				c.Name, c.Metadata.Project = instanceName(m.name), project(m.name)
			}
			return workload.Settled
		}
	}
	if r.young(c.Cgroup) {
		return workload.Wait
	}
	return workload.NoOpinion
}

// promote makes a machine of what looks like a container, where KubeVirt or
// Kata is inside.
func (r *Resolver) promote(c *workload.Candidate) workload.Opinion {
	pids, err := r.cfg.PIDs(c.Cgroup)
	if err != nil {
		return workload.NoOpinion
	}
	kata, machine := false, ""
	for _, pid := range pids {
		comm, err := r.proc.comm(pid)
		if err != nil || !launcher(comm) && comm != shimComm && hypervisor(comm) == "" {
			continue
		}
		args, err := r.proc.cmdline(pid)
		if err != nil {
			continue
		}
		name := program(args)
		switch {
		case launcher(name):
			c.Kind, c.Runtime, c.Hypervisor = workload.KindVM, "kubevirt", hypervisorQEMU
			// The machine's own name, which is part of the pod's.
			c.Name = cmp.Or(optionOr(args, "name"), c.Name)
			c.Metadata.Kubernetes.Namespace = cmp.Or(optionOr(args, "namespace"), c.Metadata.Kubernetes.Namespace)
			return workload.Settled
		case name == kataShim:
			kata = true
		case hypervisor(name) != "" && ofKata(args):
			kata, machine = true, hypervisor(name)
		}
	}
	if !kata {
		return workload.NoOpinion
	}
	c.Kind, c.Runtime, c.Hypervisor = workload.KindVM, "kata", machine
	return workload.Settled
}

// youth is how long a newcomer's companions may take to appear.
const youth = time.Second

// young says that a group's first process started only now.
func (r *Resolver) young(cgroup string) bool {
	pids, err := r.cfg.PIDs(cgroup)
	if err != nil || len(pids) == 0 {
		return false
	}
	s, err := r.proc.stat(slices.Min(pids))
	return err == nil && s.age(r.cfg.Uptime()) < youth
}
