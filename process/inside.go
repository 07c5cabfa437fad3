package process

import "errors"

var (
	// errNoMonitor: the processes of a group can be read, and none is it.
	errNoMonitor = errors.New("no such process in the group")
	// errHidden: there are processes, and none of them can be read (hidepid).
	errHidden = errors.New("processes are hidden")
)

// monitor is a machine monitor and what it was started with.
type monitor struct {
	hypervisor string
	args       []string
}

// monitor finds the machine monitor in a group.
func (r *Resolver) monitor(cgroup string) (monitor, error) {
	args, err := r.find(cgroup, func(name string) bool { return hypervisor(name) != "" })
	return monitor{hypervisor(program(args)), args}, err
}

// find returns the command line of the first process in a group whose program
// has the name that is looked for. Its comm is not asked: QEMU changes it on
// demand (-name process=), and there are few processes beside a monitor.
func (r *Resolver) find(cgroup string, wanted func(string) bool) ([]string, error) {
	pids, err := r.cfg.PIDs(cgroup)
	if err != nil {
		return nil, err
	}
	read := 0
	for _, pid := range pids {
		args, err := r.proc.cmdline(pid)
		if err != nil {
			continue
		}
		read++
		if wanted(program(args)) {
			return args, nil
		}
	}
	if len(pids) > 0 && read == 0 {
		return nil, errHidden
	}
	return nil, errNoMonitor
}
