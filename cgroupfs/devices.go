package cgroupfs

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// devices knows which block devices are stacked on others: the kernel charges a
// bio once at each level, so that adding both up would count it twice. Seen on
// Linux 6.12: device mapper is charged beside what it maps to, a loop device
// beside its file's disk when it uses direct I/O. Without, what a loop device
// writes back later is charged to nobody in io.stat, and the loop device counts.
type devices struct {
	sysRoot string
	mu      sync.Mutex
	stacked map[string]bool
}

func newDevices(sysRoot string) *devices {
	return &devices{sysRoot: sysRoot, stacked: map[string]bool{}}
}

// forget lets numbers be asked about anew: they are used again for other devices.
func (d *devices) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.stacked)
}

// isStacked answers for "MAJ:MIN".
func (d *devices) isStacked(device []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if stacked, ok := d.stacked[string(device)]; ok {
		return stacked
	}
	dir := filepath.Join(d.sysRoot, "dev/block", string(device))
	slaves, _ := os.ReadDir(filepath.Join(dir, "slaves"))
	direct, _ := os.ReadFile(filepath.Join(dir, "loop/dio"))
	stacked := len(slaves) > 0 || strings.TrimSpace(string(direct)) == "1"
	d.stacked[string(device)] = stacked
	return stacked
}
