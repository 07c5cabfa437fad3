package runtimes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	podUID    = "b1f3c2d4-0000-4111-8222-0123456789ab"
	staticUID = "0123456789abcdef0123456789abcdef"
)

func makeDir(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func podIn(runtime, uid string) *workload.Candidate {
	return &workload.Candidate{Identity: container(runtime, uid, uid), Cgroup: "/kubepods.slice/kubepods-pod" + uid + ".slice"}
}

func TestPodLogs(t *testing.T) {
	logs := t.TempDir()
	for _, name := range []string{"shop_cart-0_" + podUID, "kube-system_etcd-node1_" + staticUID, "unreadable", "a_b_c_d_e"} {
		makeDir(t, logs, "pods", name)
	}
	p := NewPodLogs(logs)
	cart := workload.Kubernetes{Namespace: "shop", Pod: "cart-0", UID: podUID}
	other := podIn("kubernetes", "11111111-0000-4111-8222-0123456789ab")
	told := podIn("kubernetes", podUID)
	told.Metadata.Kubernetes = workload.Kubernetes{Namespace: "x", Pod: "y"}
	machine := podIn("kubevirt", podUID)
	machine.Name = "my-vm"
	for _, tt := range []struct {
		what     string
		c        *workload.Candidate
		name     string
		metadata workload.Kubernetes
		opinion  workload.Opinion
	}{
		{"a pod", podIn("kubernetes", podUID), "cart-0", cart, workload.NoOpinion},
		{"Kata's", podIn("kata", podUID), "cart-0", cart, workload.NoOpinion},
		{"a machine keeps its name", machine, "my-vm", cart, workload.NoOpinion},
		{"a static pod", podIn("kubernetes", staticUID), "etcd-node1", workload.Kubernetes{Namespace: "kube-system", Pod: "etcd-node1", UID: staticUID}, workload.NoOpinion},
		{"one that is not there yet", other, other.ID, workload.Kubernetes{}, workload.Wait},
		{"one that was told of", told, podUID, told.Metadata.Kubernetes, workload.NoOpinion},
		{"no pod", &workload.Candidate{Identity: container("docker", podUID, podUID), Cgroup: "/kubepods"}, podUID, workload.Kubernetes{}, workload.NoOpinion},
		{"Kata's outside of a pod", &workload.Candidate{Identity: container("kata", "k", "k"), Cgroup: "/vc"}, "k", workload.Kubernetes{}, workload.NoOpinion},
	} {
		if got := p.Name(tt.c); got != tt.opinion || tt.c.Name != tt.name {
			t.Errorf("%s: opinion %d, name %q, want %d and %q", tt.what, got, tt.c.Name, tt.opinion, tt.name)
		}
		if diff := cmp.Diff(tt.metadata, tt.c.Metadata.Kubernetes); diff != "" {
			t.Errorf("%s: %s", tt.what, diff)
		}
	}
}

// TestPodLogsByLinks is kubelet's other directory, for where the first is closed.
func TestPodLogsByLinks(t *testing.T) {
	logs := t.TempDir()
	links := makeDir(t, logs, "containers")
	link := func(name, target string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	id := strings.Repeat("ab", 32)
	link("cart-0_shop_app-"+id+".log", "/var/log/pods/shop_cart-0_"+podUID+"/app/0.log")
	link("old_shop_app-"+id+".log", "/var/lib/docker/containers/"+id+"/"+id+"-json.log")
	c := podIn("kubernetes", podUID)
	if got := NewPodLogs(logs).Name(c); got != workload.NoOpinion || c.Name != "cart-0" || c.Metadata.Kubernetes.Namespace != "shop" {
		t.Errorf("opinion %d of %+v", got, c)
	}
}

func TestPodLogsAbsent(t *testing.T) {
	c := podIn("kubernetes", podUID)
	if got := NewPodLogs(t.TempDir()).Name(c); got != workload.NoOpinion || c.Name != podUID {
		t.Errorf("waits for a kubelet that is not there: %d, %q", got, c.Name)
	}
}

// TestPodLogsAreReadOnce has many newcomers and one directory, which is read
// again when it has changed, and when it may have.
func TestPodLogsAreReadOnce(t *testing.T) {
	logs := t.TempDir()
	dir := makeDir(t, logs, "pods")
	makeDir(t, dir, "shop_cart-0_"+podUID)
	now := time.Now()
	p := NewPodLogs(logs)
	p.now = func() time.Time { return now }
	made := func(at time.Time) {
		t.Helper()
		if err := os.Chtimes(dir, at, at); err != nil {
			t.Fatal(err)
		}
	}
	made(now.Add(-time.Hour))
	p.Name(podIn("kubernetes", podUID))
	makeDir(t, dir, "shop_new-0_"+staticUID)
	made(now.Add(-time.Hour))
	if c := podIn("kubernetes", staticUID); p.Name(c) != workload.Wait {
		t.Error("a directory that did not change is read again")
	}
	made(now.Add(-time.Millisecond))
	if c := podIn("kubernetes", staticUID); p.Name(c) != workload.NoOpinion || c.Name != "new-0" {
		t.Errorf("it changed, and the pod is %q", c.Name)
	}
	makeDir(t, dir, "shop_third_"+strings.Repeat("f", 32))
	made(now.Add(-time.Millisecond))
	if c := podIn("kubernetes", strings.Repeat("f", 32)); p.Name(c) != workload.NoOpinion || c.Name != "third" {
		t.Errorf("it changed within a tick, and the pod is %q", c.Name)
	}
}

func FuzzParsePodDirectory(f *testing.F) {
	f.Add("shop_cart-0_" + podUID)
	f.Add("__" + staticUID)
	f.Fuzz(func(t *testing.T, name string) {
		k, ok := parsePodDirectory(name)
		if ok && (name != k.Namespace+"_"+k.Pod+"_"+k.UID || k.Namespace == "" || k.Pod == "" || len(k.UID) < 32) {
			t.Errorf("%q is %+v", name, k)
		}
	})
}
