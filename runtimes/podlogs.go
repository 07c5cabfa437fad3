package runtimes

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/workload-exporter/workload_exporter/workload"
)

// PodLogs names a pod by the directories that kubelet makes for its logs, which
// everybody may list: /var/log/pods/NAMESPACE_POD_UID, made before the pod's
// first process, or where that may not be read the links of
// /var/log/containers, made when a container of the pod starts.
type PodLogs struct {
	dir string

	mu   sync.Mutex
	last podList
	now  func() time.Time
}

// podList is what a directory had when it was read.
type podList struct {
	dir        string
	made, read time.Time
	byUID      map[string]workload.Kubernetes
}

// NewPodLogs returns a PodLogs of kubelet's directories below dir; "/var/log" if empty.
func NewPodLogs(dir string) *PodLogs {
	if dir == "" {
		dir = "/var/log"
	}
	return &PodLogs{dir: dir, now: time.Now}
}

// Expect implements workload.Namer.
func (*PodLogs) Expect(*workload.Candidate) {}

// Name tells which pod c is.
func (p *PodLogs) Name(c *workload.Candidate) workload.Opinion {
	switch c.Runtime {
	case "kubernetes", "kubevirt", "kata":
	default:
		return workload.NoOpinion
	}
	if c.Metadata.Kubernetes.Pod != "" || !strings.Contains(c.Cgroup, "kubepods") {
		return workload.NoOpinion
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	pods := p.list()
	k, ok := pods[c.ID]
	switch {
	case !ok && len(pods) > 0:
		return workload.Wait
	case !ok:
		return workload.NoOpinion
	}
	c.Metadata.Kubernetes = k
	if c.Name == c.ID {
		c.Name = k.Pod
	}
	return workload.NoOpinion
}

// list is the pods by UID.
func (p *PodLogs) list() map[string]workload.Kubernetes {
	pods, err := p.read(filepath.Join(p.dir, "pods"), podDirectories)
	if err != nil {
		pods, _ = p.read(filepath.Join(p.dir, "containers"), podLinks)
	}
	return pods
}

// read lists a directory, unless it has not changed since.
func (p *PodLogs) read(dir string, parse func(dir string, names []string) map[string]workload.Kubernetes) (map[string]workload.Kubernetes, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// Within a tick of its clock a directory may change twice and not say so.
	if last := &p.last; last.dir == dir && last.made.Equal(info.ModTime()) && last.read.Sub(last.made) > time.Second {
		return last.byUID, nil
	}
	now := p.now()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	p.last = podList{dir: dir, made: info.ModTime(), read: now, byUID: parse(dir, names)}
	return p.last.byUID, nil
}

func podDirectories(_ string, names []string) map[string]workload.Kubernetes {
	pods := make(map[string]workload.Kubernetes, len(names))
	for _, name := range names {
		if k, ok := parsePodDirectory(name); ok {
			pods[k.UID] = k
		}
	}
	return pods
}

// podLinks reads where the links point to, since their names have no UID.
func podLinks(dir string, names []string) map[string]workload.Kubernetes {
	pods := make(map[string]workload.Kubernetes, len(names))
	for _, name := range names {
		target, err := os.Readlink(path.Join(dir, name))
		if err != nil {
			continue
		}
		for component := range strings.SplitSeq(target, "/") {
			if k, ok := parsePodDirectory(component); ok {
				pods[k.UID] = k
			}
		}
	}
	return pods
}

// parsePodDirectory reads NAMESPACE_POD_UID. None of them may have an underscore.
func parsePodDirectory(name string) (workload.Kubernetes, bool) {
	parts := strings.SplitN(name, "_", 4)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || len(parts[2]) < 32 {
		return workload.Kubernetes{}, false
	}
	return workload.Kubernetes{Namespace: parts[0], Pod: parts[1], UID: parts[2]}, true
}
