package footprint

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Directories looks at containers that are a directory of their own: nspawn's,
// as systemd-machined has them registered, and LXC's, as configured.
type Directories struct {
	walker *Walker
	// machines is systemd-machined's directory, containers LXC's.
	machines, containers string
}

// NewDirectories returns a Source. The directories are "/run/systemd/machines" and
// "/var/lib/lxc", as a rule.
func NewDirectories(walker *Walker, machines, containers string) *Directories {
	return &Directories{walker: walker, machines: machines, containers: containers}
}

// Name implements Source.
func (*Directories) Name() string { return "directories" }

// Wants implements Source.
func (*Directories) Wants(w *workload.Workload) bool {
	return w.Kind == workload.KindContainer && (w.Runtime == "nspawn" || w.Runtime == "lxc" && !strings.HasPrefix(w.Cgroup, "/user.slice/"))
}

// Look implements Source.
func (d *Directories) Look(ctx context.Context, list []*workload.Workload) (map[*workload.Workload]Holding, error) {
	found, errs := map[*workload.Workload]Holding{}, []error(nil)
	for _, w := range list {
		h, err := d.look(ctx, w)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if len(h.Items) > 0 {
			found[w] = h
		}
	}
	return found, errors.Join(errs...)
}

func (d *Directories) look(ctx context.Context, w *workload.Workload) (Holding, error) {
	root, err := d.rootOf(w)
	if err != nil {
		return Holding{}, err
	}
	var h Holding
	for _, lower := range root.lower {
		n, err := d.walker.size(ctx, lower)
		if err != nil {
			return Holding{}, err
		}
		h.Items = append(h.Items, Item{Key: n.key, Bytes: workload.Known(n.bytes), Shared: true})
	}
	if root.own == "" {
		return h, nil
	}
	n, err := d.walker.size(ctx, root.own)
	if err != nil {
		return Holding{}, err
	}
	h.Items = append(h.Items, Item{Key: n.key, Bytes: workload.Known(n.bytes)})
	h.Allocated = workload.Known(n.bytes)
	return h, nil
}

// root is where a container's files are; empty where nobody can tell.
type root struct {
	own   string
	lower []string
}

func (d *Directories) rootOf(w *workload.Workload) (root, error) {
	if strings.ContainsRune(w.Name, '/') {
		return root{}, nil
	}
	if w.Runtime == "nspawn" {
		b, err := os.ReadFile(filepath.Join(d.machines, w.Name))
		if errors.Is(err, os.ErrNotExist) {
			// It was told not to register, or has just ended.
			return root{}, nil
		}
		return root{own: registeredRoot(b)}, err
	}
	b, err := os.ReadFile(filepath.Join(d.containers, w.Name, "config"))
	if errors.Is(err, os.ErrNotExist) {
		return root{}, nil
	}
	return lxcRoot(b), err
}

// lxcRoot is the lxc.rootfs.path of a container's configuration: a directory, or
// an overlay of some. Other kinds of storage are not a tree of the host's.
func lxcRoot(config []byte) root {
	var r root
	for line := range strings.Lines(string(config)) {
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(key) != "lxc.rootfs.path" {
			continue
		}
		value = strings.TrimSpace(value)
		kind, rest, ok := strings.Cut(value, ":")
		switch {
		case strings.HasPrefix(value, "/"):
			r = root{own: value}
		case ok && kind == "dir" && strings.HasPrefix(rest, "/"):
			r = root{own: rest}
		case ok && (kind == "overlay" || kind == "overlayfs"):
			parts := strings.Split(rest, ":")
			r = root{own: parts[len(parts)-1], lower: parts[:len(parts)-1]}
		default:
			r = root{}
		}
	}
	return r
}
