package process

import "strings"

const kataShim = "containerd-shim-kata-v2"

// ofKata says that a machine monitor or its helper was started by Kata: by the
// places that only Kata uses, or by the name it gives to a sandbox's machine.
func ofKata(args []string) bool {
	for _, arg := range args {
		for _, place := range []string{"/run/vc/", "/run/kata/", "/kata-containers/", "/opt/kata/"} {
			if strings.Contains(arg, place) {
				return true
			}
		}
	}
	name, _ := guestName(optionOr(args, "name"))
	id, ok := strings.CutPrefix(name, "sandbox-")
	return ok && isFullID(id)
}

// kataSandbox is the id of the sandbox that a machine monitor of Kata's serves.
func kataSandbox(args []string) string {
	for _, arg := range args {
		if id, ok := fullID(arg); ok {
			return id
		}
	}
	return ""
}

func optionOr(args []string, name string) string {
	v, _ := option(args, name)
	return v
}

// launcher says that a process is KubeVirt's, by comm or program name: the
// monitor that a compute container starts with, or the launcher below it.
func launcher(name string) bool { return strings.HasPrefix(name, "virt-launcher") }
