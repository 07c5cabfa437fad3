package runtimes

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"github.com/workload-exporter/workload_exporter/workload"
)

// MachinedConfig is what a Machined needs to know.
type MachinedConfig struct {
	// Dir is where systemd-machined keeps its machines; "/run/systemd/machines" if empty.
	Dir    string
	Logger *slog.Logger
}

// Machined names a candidate by what systemd-machined has registered for its
// unit: the files that sd-login reads, not D-Bus. It keeps nothing.
type Machined struct {
	dir    string
	logger *slog.Logger
	// failed is set while the files cannot be read, to say so once.
	failed atomic.Bool
}

// NewMachined returns a Machined.
func NewMachined(cfg MachinedConfig) *Machined {
	if cfg.Dir == "" {
		cfg.Dir = "/run/systemd/machines"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Machined{dir: cfg.Dir, logger: cfg.Logger}
}

// Resolve tells what machined says of c's unit.
func (m *Machined) Resolve(c *workload.Candidate) workload.Opinion {
	u := unit(c.Cgroup)
	if !strings.HasSuffix(u, ".scope") && !strings.HasSuffix(u, ".service") {
		return workload.NoOpinion
	}
	r, err := m.registered(u)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if expected(c, u) && m.present() {
			return workload.Wait
		}
		return workload.NoOpinion
	case err != nil:
		if !m.failed.Swap(true) {
			m.logger.Warn("Registered machines cannot be read", "path", m.dir, "err", err)
		}
		return workload.NoOpinion
	}
	if m.failed.Swap(false) {
		m.logger.Info("Registered machines can be read again", "path", m.dir)
	}
	return r.apply(c)
}

// registered is what machined says of the machine in a unit.
func (m *Machined) registered(unit string) (registration, error) {
	name, err := os.Readlink(path.Join(m.dir, "unit:"+unit))
	if err != nil {
		return registration{}, err
	}
	b, err := os.ReadFile(path.Join(m.dir, path.Base(name)))
	if err != nil {
		return registration{}, err
	}
	return parseRegistration(b), nil
}

// present says whether there is a machined to wait for.
func (m *Machined) present() bool {
	_, err := os.Stat(m.dir)
	return err == nil
}

// expected says that a unit is one that registers itself, a moment after it
// starts. A nspawn that was told not to has another name.
func expected(c *workload.Candidate, unit string) bool {
	switch c.Runtime {
	case "libvirt-lxc":
		return strings.HasPrefix(unit, "machine-")
	case "nspawn", "vmspawn":
		return strings.HasPrefix(unit, "machine-") || strings.HasPrefix(unit, "systemd-"+c.Runtime+"@")
	}
	return false
}

// unit is the name of the unit that a top cgroup belongs to. systemd puts one
// underscore before a name that would collide with a file of the cgroup.
func unit(cgroup string) string {
	return strings.TrimPrefix(path.Base(cgroup), "_")
}
