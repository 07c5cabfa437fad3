package runtimes

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/workload-exporter/workload_exporter/workload"
)

// NewCRI returns an Asker of what speaks the Container Runtime Interface: CRI-O, or
// cri-dockerd.
func NewCRI(cfg AskerConfig) *Asker { return newAsker(cfg, criAPI{}) }

type criAPI struct{}

func (criAPI) list(ctx context.Context, conn net.Conn, labels []string) (map[string]told, error) {
	over, err := calls(conn)
	if err != nil {
		return nil, err
	}
	defer over.Close()
	all := map[string]told{}
	return all, listPods(ctx, over, labels, all)
}

// listPods adds the pods by their UID, which their cgroup has, and each sandbox
// and container by its id: outside of a kubelet's groups those are workloads.
func listPods(ctx context.Context, conn *grpc.ClientConn, labels []string, all map[string]told) error {
	client := cri.NewRuntimeServiceClient(conn)
	pods, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	containers, err := client.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return err
	}
	sandboxes, inside := map[string]workload.Kubernetes{}, map[string][]workload.Container{}
	for _, p := range pods.GetItems() {
		if len(all) >= maxTold {
			return errTooMany
		}
		pod := kubernetes(p.GetMetadata())
		sandboxes[p.GetId()] = pod
		t := told{name: pod.Pod, metadata: workload.Metadata{Kubernetes: pod, Labels: pick(labels, p.GetLabels())}}
		all[workload.Clean(p.GetId())] = t
		if _, ok := all[pod.UID]; pod.UID != "" && (!ok || p.GetState() == cri.PodSandboxState_SANDBOX_READY) {
			// A sandbox that died is listed beside the one in its place.
			all[pod.UID] = t
		}
	}
	for _, c := range containers.GetContainers() {
		if len(all) >= maxTold {
			return errTooMany
		}
		name, pod := workload.Clean(c.GetMetadata().GetName()), sandboxes[c.GetPodSandboxId()]
		image := workload.Clean(cmp.Or(c.GetImage().GetUserSpecifiedImage(), c.GetImage().GetImage()))
		all[workload.Clean(c.GetId())] = told{name: name, metadata: workload.Metadata{
			Image: image, Kubernetes: pod, Labels: pick(labels, c.GetLabels()),
		}}
		if c.GetState() == cri.ContainerState_CONTAINER_RUNNING {
			inside[pod.UID] = append(inside[pod.UID], workload.Container{Name: name, Image: image})
		}
	}
	for uid, list := range inside {
		if t, ok := all[uid]; ok {
			t.inside = byName(list)
			all[uid] = t
		}
	}
	return nil
}

// byName orders containers, each there once: a container's label is its name.
func byName(list []workload.Container) []workload.Container {
	slices.SortFunc(list, func(a, b workload.Container) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b workload.Container) bool { return a.Name == b.Name })
}

func kubernetes(m *cri.PodSandboxMetadata) workload.Kubernetes {
	return workload.Kubernetes{Namespace: workload.Clean(m.GetNamespace()), Pod: workload.Clean(m.GetName()), UID: workload.Clean(m.GetUid())}
}

func (criAPI) key(c *workload.Candidate) string {
	if c.Runtime == "cri-o" {
		return c.FullID
	}
	return podKey(c)
}

// podKey is the UID of what is a pod by its path, whatever is inside.
func podKey(c *workload.Candidate) string {
	switch c.Runtime {
	case "kubernetes", "kubevirt":
		return c.ID
	case "kata":
		return cmp.Or(c.FullID, c.ID)
	}
	return ""
}

func (criAPI) early(*workload.Candidate) string { return "" }
