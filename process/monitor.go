package process

import (
	"path"
	"strconv"
	"strings"
)

// The machine monitors, as workload_info calls them.
const (
	hypervisorQEMU        = "qemu"
	hypervisorCH          = "cloud-hypervisor"
	hypervisorFirecracker = "firecracker"
	hypervisorDragonball  = "dragonball"
)

// hypervisor tells a machine monitor by the name of its program, which in comm
// is cut at 15 characters. Programs that are called qemu-img, qemu-ga or
// qemu-aarch64 run no machine.
func hypervisor(name string) string {
	// Nix puts its wrapped programs behind a dot.
	name = strings.TrimPrefix(name, ".")
	switch {
	case strings.HasPrefix(name, "qemu-system-"), strings.HasPrefix(name, "qemu-vanilla"), name == "qemu-kvm", name == "kvm":
		return hypervisorQEMU
	case strings.HasPrefix(name, "cloud-hypervis"):
		return hypervisorCH
	case name == "firecracker":
		return hypervisorFirecracker
	case name == "dragonball":
		return hypervisorDragonball
	}
	return ""
}

// monitorName is what a firecracker or cloud-hypervisor was called when it was
// started: its --id, else what its API socket is called.
func monitorName(args []string) string {
	if id, ok := option(args, "id"); ok && id != "" && id != "anonymous-instance" {
		return id
	}
	for _, flag := range []string{"api-socket", "api-sock"} {
		if v, ok := option(args, flag); ok {
			return socketName(v)
		}
	}
	return ""
}

// socketName is the name that an API socket carries. Where the file is called
// like every other (api.sock), the directory it is in has the name.
func socketName(value string) string {
	value, _, _ = strings.Cut(strings.TrimPrefix(value, "path="), ",")
	if !strings.HasPrefix(value, "/") {
		return ""
	}
	name := path.Base(value)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".sock"), ".socket")
	switch name {
	case "api", "clh-api", "ch", "clh", "fc", "vmm", "cloud-hypervisor", "firecracker":
		name = path.Base(path.Dir(value))
		if name == "run" || name == "tmp" || name == "root" || name == "/" {
			return ""
		}
	}
	return name
}

// byPID is the name of a machine that nobody gave one.
func byPID(pid int) string { return "pid-" + strconv.Itoa(pid) }
