package cgroupfs

import (
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Options say what is read of each group, and how.
type Options struct {
	Mount Mount
	// SysRoot is where sysfs is mounted.
	SysRoot string
	Host    Host
	// Subjects are those that are read; a subject that nobody exports costs nothing.
	Subjects [workload.Subjects]bool
	// Classifier knows a pod's containers by their names.
	Classifier *Classifier
	Budget     *Budget
	Now        func() time.Time
	// ForeignPIDs is set for a captured tree without its procfs: what it lists
	// are other processes here, and nobody may look at them.
	ForeignPIDs bool
}

// FS reads groups below one mount.
type FS struct {
	opts    Options
	files   []file
	names   []cname
	buffers *buffers
	devices *devices
	passes  [workload.Subjects]pass
	// skip is devices.isStacked, made once: a method value is an allocation.
	skip func([]byte) bool
	// unreadable counts, by file, what could not be read or understood.
	unreadable []atomic.Uint64
	reads      atomic.Uint64
}

// NewFS prepares to read groups below a mount.
func NewFS(opts Options) *FS {
	if opts.SysRoot == "" {
		opts.SysRoot = "/sys"
	}
	if opts.Budget == nil {
		opts.Budget = LimitBudget(0)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	fs := &FS{opts: opts, files: fixedFiles(), buffers: newBuffers(), devices: newDevices(opts.SysRoot)}
	if !opts.Mount.HugetlbAccounted {
		fs.files = append(fs.files, hugetlbFiles(opts.SysRoot)...)
	}
	for _, f := range fs.files {
		fs.names = append(fs.names, newCName(f.name))
	}
	fs.passes, fs.skip = fs.subjectPasses(), fs.devices.isStacked
	fs.unreadable = make([]atomic.Uint64, len(fs.files))
	return fs
}

// Unreadable is how often each file held something unexpected or could not be read.
func (fs *FS) Unreadable() map[string]uint64 {
	counts := make(map[string]uint64, len(fs.files))
	for i := range fs.files {
		counts[fs.files[i].name] = fs.unreadable[i].Load()
	}
	return counts
}

// Reads is how many cgroup files were read so far.
func (fs *FS) Reads() uint64 { return fs.reads.Load() }

// wanted says whether a file is read at all.
func (fs *FS) wanted(id fileID) bool {
	s := fs.files[id].subject
	return s < 0 || fs.opts.Subjects[s]
}

func (fs *FS) abs(path string) string { return filepath.Join(fs.opts.Mount.Path, path) }

func (o *Options) isContainer(name string) bool {
	if o.Classifier == nil {
		return false
	}
	_, ok := o.Classifier.Inner("/" + name)
	return ok
}
