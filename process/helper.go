package process

import (
	"slices"

	"github.com/workload-exporter/workload_exporter/workload"
)

// The names of helpers as comm has them, cut at 15 characters.
const (
	shimComm   = "containerd-shim"
	conmonComm = "conmon"
)

// helper says that a process of that name may serve one workload from outside.
func helper(comm string) bool {
	switch comm {
	case shimComm, conmonComm, "passt", "passt.avx2", "pasta", "pasta.avx2", "slirp4netns", "docker-proxy", "rootlessport":
		return true
	}
	return false
}

// owner is the workload that a helper serves, where its arguments tell.
func owner(comm string, args []string) (workload.Owner, bool) {
	switch comm {
	case shimComm:
		return shimOwner(args)
	case conmonComm:
		id := optionOr(args, "c")
		return workload.Owner{FullID: id}, isFullID(id)
	}
	for _, arg := range args {
		if id, ok := fullID(arg); ok {
			return workload.Owner{FullID: id}, true
		}
	}
	return workload.Owner{}, false
}

// shimOwner reads `-namespace NS -id ID`. An id that somebody chose freely says
// which workload it is only together with the group that containerd makes of it.
func shimOwner(args []string) (workload.Owner, bool) {
	if slices.Contains(args, "start") || slices.Contains(args, "delete") {
		// The shim's own launcher and cleaner live for a moment.
		return workload.Owner{}, false
	}
	id, namespace := optionOr(args, "id"), optionOr(args, "namespace")
	switch {
	case isFullID(id):
		return workload.Owner{FullID: id}, true
	case id != "" && namespace != "":
		return workload.Owner{Cgroup: "/" + namespace + "/" + id}, true
	}
	return workload.Owner{}, false
}
