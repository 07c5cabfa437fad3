package cgroupfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// ErrNoCgroup2 says that no cgroup v2 hierarchy is mounted.
var ErrNoCgroup2 = errors.New("no cgroup v2 hierarchy is mounted")

// Mount is the directory that the tree is read from.
type Mount struct {
	Path string
	// Kernel is false for a plain directory that holds a captured tree.
	Kernel bool
	// HugetlbAccounted is the mount option memory_hugetlb_accounting: hugetlb
	// pages are then in memory.current.
	HugetlbAccounted bool
}

// Find looks for the cgroup2 mount in a mountinfo file such as
// /proc/self/mountinfo. On a hybrid host it is below the v1 hierarchies.
func Find(mountinfoPath string) (Mount, error) {
	f, err := os.Open(mountinfoPath)
	if err != nil {
		return Mount{}, fmt.Errorf("looking for the cgroup2 mount: %w", err)
	}
	defer f.Close()
	mounts, err := mountinfo.GetMountsFromReader(f, mountinfo.FSTypeFilter("cgroup2", "cgroup"))
	if err != nil {
		return Mount{}, fmt.Errorf("parsing %s: %w", mountinfoPath, err)
	}
	// Several mounts of one hierarchy may be there; one that begins at its
	// root, or outside our namespace ("/.."), shows the whole host.
	slices.SortStableFunc(mounts, func(a, b *mountinfo.Info) int { return len(a.Root) - len(b.Root) })
	legacy := false
	for _, m := range mounts {
		if m.FSType == "cgroup" {
			legacy = true
			continue
		}
		if !isCgroup2(m.Mountpoint) {
			continue
		}
		options := strings.Split(m.VFSOptions, ",")
		return Mount{
			Path:             m.Mountpoint,
			Kernel:           true,
			HugetlbAccounted: slices.Contains(options, "memory_hugetlb_accounting"),
		}, nil
	}
	if legacy {
		return Mount{}, fmt.Errorf("%w: this host has cgroup v1 only; boot it with systemd.unified_cgroup_hierarchy=1", ErrNoCgroup2)
	}
	return Mount{}, fmt.Errorf("%w (looked in %s); --path.cgroupfs names one that is mounted elsewhere", ErrNoCgroup2, mountinfoPath)
}

// Open takes a directory that the user named: a cgroup2 mount, the parent of a
// hybrid host's "unified", or a plain directory that holds a captured tree.
func Open(path, mountinfoPath string) (Mount, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Mount{}, fmt.Errorf("opening the cgroup root: %w", err)
	}
	if !info.IsDir() {
		return Mount{}, fmt.Errorf("opening the cgroup root: %s is not a directory", path)
	}
	if unified := filepath.Join(path, "unified"); !isCgroup2(path) && isCgroup2(unified) {
		path = unified
	}
	m := Mount{Path: filepath.Clean(path), Kernel: isCgroup2(path)}
	if !m.Kernel && isCgroup1(path) {
		return Mount{}, fmt.Errorf("%w: %s is a cgroup v1 hierarchy", ErrNoCgroup2, path)
	}
	if found, err := Find(mountinfoPath); err == nil && m.Kernel {
		m.HugetlbAccounted = found.HugetlbAccounted
	}
	return m, nil
}

func isCgroup2(path string) bool { return magic(path) == unix.CGROUP2_SUPER_MAGIC }

// isCgroup1 also knows the tmpfs that v1 hierarchies are mounted on.
func isCgroup1(path string) bool {
	return magic(path) == unix.CGROUP_SUPER_MAGIC || magic(filepath.Join(path, "cpu")) == unix.CGROUP_SUPER_MAGIC
}

func magic(path string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0
	}
	return int64(st.Type) //nolint:unconvert // 32 bits wide on some architectures
}
