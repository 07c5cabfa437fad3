package cgroupfs

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// devices knows which block devices are stacked on others (device mapper, md,
// loop): the kernel charges a bio once at each level, so that adding both up
// would count it twice.
type devices struct {
	sysRoot string
	mu      sync.Mutex
	stacked map[string]bool
}

func newDevices(sysRoot string) *devices {
	return &devices{sysRoot: sysRoot, stacked: map[string]bool{}}
}

// isStacked answers for "MAJ:MIN". A device is asked about once; a number that
// is used again for another device is a rare thing, and is then judged as the first.
func (d *devices) isStacked(device []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if stacked, ok := d.stacked[string(device)]; ok {
		return stacked
	}
	dir := filepath.Join(d.sysRoot, "dev/block", string(device))
	slaves, _ := os.ReadDir(filepath.Join(dir, "slaves"))
	backing, err := os.ReadFile(filepath.Join(dir, "loop/backing_file"))
	stacked := len(slaves) > 0 || err == nil && strings.TrimSpace(string(backing)) != ""
	d.stacked[string(device)] = stacked
	return stacked
}
