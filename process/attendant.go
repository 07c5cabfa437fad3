package process

import (
	"cmp"
	"slices"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// eldest is how many processes of a group are asked for their parent, oldest
// first: those that an engine started are among them.
const eldest = 64

// attended tells what the process says that stands beside a container and
// started it, conmon or containerd's shim. It is there before the container is.
func (r *Resolver) attended(c *workload.Candidate) {
	pids, err := r.cfg.PIDs(c.Cgroup)
	if err != nil {
		return
	}
	slices.Sort(pids)
	asked := map[int]bool{}
	for _, pid := range pids[:min(len(pids), eldest)] {
		s, err := r.proc.stat(pid)
		if err != nil || asked[s.ppid] {
			continue
		}
		asked[s.ppid] = true
		comm, err := r.proc.comm(s.ppid)
		if err != nil || comm != conmonComm && comm != shimComm {
			continue
		}
		args, err := r.proc.cmdline(s.ppid)
		if err == nil && attends(comm, args, c) {
			return
		}
	}
}

// attends reads the arguments of an attendant; false where it is another's.
func attends(comm string, args []string, c *workload.Candidate) bool {
	if comm == shimComm {
		id := optionOr(args, "id")
		if c.Runtime != "containerd" || id == "" || id != c.FullID && id != c.ID {
			return false
		}
		c.Metadata.Namespace = optionOr(args, "namespace")
		return true
	}
	name, own := optionOr(args, "n"), optionOr(args, "c") == c.FullID && c.FullID != ""
	switch c.Runtime {
	case "podman":
		if !own {
			return false
		}
		c.Name = cmp.Or(name, c.Name)
		return true
	case "cri-o", "kubernetes":
		k, container, ok := parseCRIOName(name)
		if !ok || !own && k.UID != c.ID {
			return false
		}
		c.Metadata.Kubernetes = k
		if c.Name = k.Pod; c.Runtime == "cri-o" {
			c.Name = container
		}
		return true
	}
	return false
}

// parseCRIOName reads the name that CRI-O gives to a container:
// k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT. None of them may have an underscore.
func parseCRIOName(name string) (k workload.Kubernetes, container string, ok bool) {
	parts := strings.SplitN(name, "_", 7)
	if len(parts) != 6 || parts[0] != "k8s" || slices.Contains(parts, "") {
		return workload.Kubernetes{}, "", false
	}
	return workload.Kubernetes{Namespace: parts[3], Pod: parts[2], UID: parts[4]}, parts[1], true
}
