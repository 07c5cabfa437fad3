package collector

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/procfs/sysfs"
)

// topology counts physical cores. That takes a few files of every CPU, so it is
// done again only when other CPUs are online.
type topology struct {
	root   string
	online string
	count  int
}

// cores is the number of physical cores online; 0 where sysfs does not tell.
func (t *topology) cores() (int, error) {
	online, err := os.ReadFile(filepath.Join(t.root, "devices/system/cpu/online"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if string(online) == t.online {
		return t.count, nil
	}
	sys, err := sysfs.NewFS(t.root)
	if err != nil {
		return 0, err
	}
	cpus, err := sys.CPUs()
	if err != nil {
		return 0, err
	}
	siblings := map[string]bool{}
	for _, cpu := range cpus {
		// A CPU that is offline has no topology.
		if topo, err := cpu.Topology(); err == nil {
			siblings[topo.ThreadSiblingsList] = true
		}
	}
	t.online, t.count = string(online), len(siblings)
	return t.count, nil
}
