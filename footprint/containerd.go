package footprint

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Containerd looks at containers of containerd, those in pods included, whose
// snapshots are overlays: the host's list of mounts has their directories, under
// a path that has the container's id. Its own words for their sizes are the same
// blocks, and its socket is root.
type Containerd struct {
	walker    *Walker
	mountinfo string
	// state is containerd's directory of tasks.
	state string
	// layers is the sizes of those that were seen: they never change.
	layers map[string]size
}

// NewContainerd returns a Source. State is "/run/containerd", as a rule.
func NewContainerd(walker *Walker, mountinfo, state string) *Containerd {
	return &Containerd{walker: walker, mountinfo: mountinfo, state: state, layers: map[string]size{}}
}

// Name implements Source.
func (*Containerd) Name() string { return "containerd" }

// Wants implements Source.
func (*Containerd) Wants(w *workload.Workload) bool {
	return w.Kind == workload.KindContainer && (w.Runtime == "containerd" || w.Runtime == "kubernetes")
}

// Look implements Source.
func (c *Containerd) Look(ctx context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error) {
	mounts, err := c.mounts()
	if err != nil {
		return nil, err
	}
	found, errs := map[*workload.Workload]Holding{}, []error(nil)
	for _, w := range list {
		var h Holding
		var failed error
		for id, o := range mounts {
			if w.Holds(id) && failed == nil {
				failed = c.add(ctx, &h, o)
			}
		}
		if failed != nil {
			errs = append(errs, failed)
		} else if len(h.Items) > 0 {
			found[w] = h
		}
	}
	c.forget(mounts)
	return found, errors.Join(errs...)
}

// add is what one container has.
func (c *Containerd) add(ctx context.Context, h *Holding, o overlay) error {
	for _, dir := range o.lower {
		n, ok := c.layers[dir]
		if !ok {
			var err error
			if n, err = c.walker.size(ctx, dir); err != nil {
				return err
			}
			c.layers[dir] = n
		}
		h.Items = append(h.Items, Item{Key: n.key, Bytes: workload.Known(n.bytes), Shared: true})
	}
	n, err := c.walker.size(ctx, o.upper)
	if err != nil {
		return err
	}
	h.Items = append(h.Items, Item{Key: n.key, Bytes: workload.Known(n.bytes)})
	h.Allocated = h.Allocated.Plus(workload.Known(n.bytes))
	return nil
}

// forget drops the layers that no container has.
func (c *Containerd) forget(mounts map[string]overlay) {
	used := map[string]bool{}
	for _, o := range mounts {
		for _, dir := range o.lower {
			used[dir] = true
		}
	}
	for dir := range c.layers {
		if !used[dir] {
			delete(c.layers, dir)
		}
	}
}

// mounts is the overlays of containers by id.
func (c *Containerd) mounts() (map[string]overlay, error) {
	f, err := os.Open(c.mountinfo)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found := map[string]overlay{}
	_, err = mountinfo.GetMountsFromReader(f, func(m *mountinfo.Info) (skip, stop bool) {
		if id := c.task(m); id != "" {
			if o, ok := parseOverlay(m); ok {
				found[id] = o
			}
		}
		return true, false
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.mountinfo, err)
	}
	return found, nil
}

// task is the id of the container whose root is mounted here:
// STATE/io.containerd.runtime.v2.task/NAMESPACE/ID/rootfs.
func (c *Containerd) task(m *mountinfo.Info) string {
	rest, ok := strings.CutPrefix(m.Mountpoint, c.state+"/io.containerd.runtime.v2.task/")
	part := strings.Split(rest, "/")
	if !ok || m.FSType != "overlay" || len(part) != 3 || part[2] != "rootfs" {
		return ""
	}
	return part[1]
}
