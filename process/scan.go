package process

import (
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// looks is how often a newcomer is looked at: the first time it may not
	// have turned into its program yet.
	looks = 2
	// rounds is how many scans pass until each known process was looked at
	// again, a few at a time: one may exec late, and its PID may be another's.
	rounds = 12
	// settling is how long a machine without a name must have lived to be no
	// libvirt or Incus that asks QEMU what it can do.
	settling = 5 * time.Second
)

// scan brings the Registry up to the host's processes of now.
func (s *Source) scan() {
	s.fresh = s.fresh[:0]
	s.cfg.HostPIDs(func(_ string, pids []int) {
		for _, pid := range pids {
			s.look(pid)
		}
	})
	for pid, l := range s.seen {
		if l.round != s.round {
			delete(s.seen, pid)
		}
	}
	for _, f := range s.found {
		// It ended, or went into the group of a workload.
		if f.round != s.round {
			s.drop(f)
		}
	}
	s.register()
}

func (s *Source) look(pid int) {
	turn := (pid+s.round)%rounds == 0
	if f := s.found[pid]; f != nil {
		if f.candidate == nil && !turn || f.group.Running() {
			f.round = s.round
			return
		}
		s.drop(f)
	}
	l := s.seen[pid]
	l.round = s.round
	if l.times < looks || turn {
		l.times++
		comm, err := s.proc.comm(pid)
		if err != nil {
			return
		}
		if s.inspect(pid, comm) {
			l.times = 0
		}
	}
	s.seen[pid] = l
}

// inspect looks closer at a process by its name; again says that it is too
// early to tell.
func (s *Source) inspect(pid int, comm string) (again bool) {
	named := hypervisor(comm)
	if named == "" && !helper(comm) {
		return false
	}
	args, err := s.proc.cmdline(pid)
	if err != nil || len(args) == 0 {
		return false
	}
	st, err := s.proc.stat(pid)
	if err != nil || st.ended() {
		return false
	}
	f := &served{
		pid: pid, ppid: st.ppid, round: s.round,
		key:  "process:" + strconv.Itoa(pid) + ":" + strconv.FormatUint(st.starttime, 10),
		args: maphash.String(s.seed, strings.Join(args, "\x00")),
	}
	switch {
	case named == "":
		o, ok := owner(comm, args)
		if !ok {
			return false
		}
		f.owner = o
	case hypervisor(program(args)) != named:
		// A script that is called kvm, or a fork that is not QEMU yet.
		return false
	case ofKata(args) && kataSandbox(args) != "":
		// Its sandbox has a group, which is the workload.
		f.owner.FullID = kataSandbox(args)
	default:
		m, ok := identify(pid, named, args)
		if !ok {
			return false
		}
		if m.unnamed && st.age(s.cfg.Uptime()) < settling {
			return true
		}
		f.candidate = &workload.Candidate{
			Identity: m.Identity, Origin: workload.OriginProcess, Hypervisor: m.hypervisor,
			Inode: inode(pid, st.starttime), Metadata: workload.Metadata{Project: m.project},
		}
	}
	f.group = newGroup(s.proc, pid, st.starttime, s.cfg.Host, s.cfg.Budget, f.candidate == nil)
	s.found[pid] = f
	s.fresh = append(s.fresh, f)
	return false
}

// inode makes one number of what names a process for good: PIDs have 22 bits.
func inode(pid int, starttime uint64) uint64 { return starttime<<22 | uint64(pid) }

// register tells the Registry of what is new. QEMU's -daemonize forks, and for
// as long as the parent waits there are two of one machine: the child is it.
func (s *Source) register() {
	for _, f := range s.fresh {
		if f.candidate == nil {
			continue
		}
		for _, g := range s.found {
			switch {
			case g.args != f.args:
			case g.pid == f.ppid:
				s.drop(g)
			case g.ppid == f.pid:
				s.drop(f)
			}
		}
	}
	for _, f := range s.fresh {
		switch {
		case s.found[f.pid] != f:
		case f.candidate == nil:
			s.registry.FoundOverhead(f.key, f.owner, f.group)
		default:
			c := *f.candidate
			c.Group = f.group
			s.registry.Found(f.key, c)
		}
	}
}

func (s *Source) drop(f *served) {
	delete(s.found, f.pid)
	if f.candidate == nil {
		s.registry.GoneOverhead(f.key)
	} else {
		s.registry.Gone(f.key)
	}
	f.group.close()
}
