package footprint

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Machines looks at libvirt's machines, or rather has libvirt ask QEMU: its word
// on how much of a file is allocated is the file system's own, and it needs no
// leave to read. But of a raw image in which nothing is allocated libvirt tells the
// length instead: an image that seems to be full is looked at here, where that can
// be done.
type Machines struct {
	disks func(ctx context.Context, uuids []string) (map[string][]workload.Disk, error)
	guard *guard
}

// NewMachines returns a Source; libvirt.Source's Disks is what it asks.
func NewMachines(disks func(ctx context.Context, uuids []string) (map[string][]workload.Disk, error), mountinfo string) *Machines {
	return &Machines{disks, newGuard(mountinfo)}
}

// Name implements Source.
func (*Machines) Name() string { return "libvirt" }

// Wants implements Source.
func (*Machines) Wants(w *workload.Workload) bool {
	return w.Kind == workload.KindVM && w.Runtime == "libvirt"
}

// Look implements Source.
func (m *Machines) Look(ctx context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error) {
	uuids := make([]string, len(list))
	for i, w := range list {
		uuids[i] = uuidOf(w)
	}
	disks, err := m.disks(ctx, uuids)
	found := map[*workload.Workload]Holding{}
	for _, w := range list {
		if d, ok := disks[uuidOf(w)]; ok {
			m.check(ctx, d)
			found[w] = holdingOf(uuidOf(w), d)
		}
	}
	return found, err
}

// check looks at images that seem to be full. One that cannot be looked at, a block
// device and what hangs keep what libvirt told.
func (m *Machines) check(ctx context.Context, disks []workload.Disk) {
	for _, d := range disks {
		for i := range d.Layers {
			l := &d.Layers[i]
			if l.Path == "" || l.Allocated != l.Capacity {
				continue
			}
			path := l.Path
			n, err := guarded(ctx, m.guard, path, func(func() error) (uint64, error) { return allocated(path) })
			if err == nil {
				l.Allocated = workload.Known(n)
			}
		}
	}
}

// allocated is what a regular file takes.
func allocated(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Blocks < 0 {
		return 0, fmt.Errorf("%s: not a regular file", path)
	}
	return uint64(st.Blocks) * 512, nil
}

// uuidOf is the id without what tells it from another workload with the same.
func uuidOf(w *workload.Workload) string {
	uuid, _, _ := strings.Cut(w.ID, "~")
	return uuid
}

// holdingOf is what a machine has: what it writes to is its own, and all that is
// under that, and read-only and shareable disks, others could use too.
func holdingOf(uuid string, disks []workload.Disk) Holding {
	h := Holding{Allocated: workload.Known(0), Capacity: workload.Known(0)}
	for _, d := range disks {
		for i, l := range d.Layers {
			key := "file:" + l.Path
			if l.Path == "" {
				key = fmt.Sprintf("disk:%s:%s:%d", uuid, d.Target, i)
			}
			h.Items = append(h.Items, Item{Key: key, Bytes: l.Allocated, Shared: d.Common || i > 0})
		}
		if !d.Common && len(d.Layers) > 0 {
			h.Allocated = sum(h.Allocated, d.Layers[0].Allocated)
			h.Capacity = sum(h.Capacity, d.Layers[0].Capacity)
		}
	}
	return h
}

// sum is none where one of the two is not known.
func sum(a, b workload.Value) workload.Value {
	if a.State() == workload.StateAbsent || b.State() == workload.StateAbsent {
		return workload.Value{}
	}
	return a.Plus(b)
}
