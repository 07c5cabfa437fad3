package cgroupfs

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/prometheus/procfs"
)

// Host is the size of the machine: the capacity of a workload without limits.
type Host struct {
	// CPUs is the number of CPUs online.
	CPUs uint64
	// Memory is the machine's memory in bytes.
	Memory uint64
}

// ReadHost reads devices/system/cpu/online of sysfs and MemTotal of procfs's
// meminfo. What it could not read is zero, which sets no capacity.
func ReadHost(procRoot, sysRoot string) (Host, error) {
	var h Host
	online := filepath.Join(sysRoot, "devices/system/cpu/online")
	b, err := os.ReadFile(online)
	if err != nil {
		return h, fmt.Errorf("counting CPUs: %w", err)
	}
	cores, ok := parseCPUSet(b).Get()
	if !ok {
		return h, fmt.Errorf("counting CPUs: %s holds %q", online, b)
	}
	h.CPUs = cores / oneCore
	fs, err := procfs.NewFS(procRoot)
	if err != nil {
		return h, fmt.Errorf("reading the host's memory: %w", err)
	}
	info, err := fs.Meminfo()
	if err != nil {
		return h, fmt.Errorf("reading the host's memory: %w", err)
	}
	if info.MemTotalBytes != nil {
		h.Memory = *info.MemTotalBytes
	}
	return h, nil
}
