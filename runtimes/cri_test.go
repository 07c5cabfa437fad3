package runtimes

import (
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	containers "github.com/containerd/containerd/api/services/containers/v1"
	namespaces "github.com/containerd/containerd/api/services/namespaces/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/workload-exporter/workload_exporter/workload"
)

// fakeCRI is a daemon that speaks CRI.
type fakeCRI struct {
	cri.UnimplementedRuntimeServiceServer
	pods       []*cri.PodSandbox
	containers []*cri.Container
}

func (f *fakeCRI) ListPodSandbox(ctx context.Context, _ *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	if f.pods == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &cri.ListPodSandboxResponse{Items: f.pods}, nil
}

func (f *fakeCRI) ListContainers(context.Context, *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	return &cri.ListContainersResponse{Containers: f.containers}, nil
}

// fakeNamespaces is containerd's own API.
type fakeNamespaces struct {
	namespaces.UnimplementedNamespacesServer
	t  *testing.T
	in map[string][]*containers.Container
}

func (f *fakeNamespaces) List(context.Context, *namespaces.ListNamespacesRequest) (*namespaces.ListNamespacesResponse, error) {
	r := &namespaces.ListNamespacesResponse{}
	for name := range f.in {
		r.Namespaces = append(r.Namespaces, &namespaces.Namespace{Name: name})
	}
	return r, nil
}

// fakeContainers is apart, for both services have a List.
type fakeContainers struct {
	containers.UnimplementedContainersServer
	all *fakeNamespaces
}

func (f fakeContainers) ListStream(_ *containers.ListContainersRequest, s containers.Containers_ListStreamServer) error {
	m, _ := metadata.FromIncomingContext(s.Context())
	name := strings.Join(m.Get("containerd-namespace"), ",")
	if name == dockersNamespace || name == criNamespace {
		f.all.t.Errorf("asks for %s", name)
	}
	for _, c := range f.all.in[name] {
		if err := s.Send(&containers.ListContainerMessage{Container: c}); err != nil {
			return err
		}
	}
	return nil
}

// startGRPC serves on a unix socket.
func startGRPC(t *testing.T, register func(*grpc.Server)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	register(s)
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return path
}

func (f *fakeCRI) register(s *grpc.Server) { cri.RegisterRuntimeServiceServer(s, f) }

func pods() *fakeCRI {
	sandbox := func(id, name string, state cri.PodSandboxState) *cri.PodSandbox {
		return &cri.PodSandbox{
			Id: id, State: state, Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "kube-system", Uid: podUID},
			Labels: map[string]string{"app": "dns", "x": "y"},
		}
	}
	return &fakeCRI{
		pods: []*cri.PodSandbox{
			sandbox("older", "coredns-1-old", cri.PodSandboxState_SANDBOX_NOTREADY),
			sandbox(fullID, "coredns-1", cri.PodSandboxState_SANDBOX_READY),
			sandbox("old", "coredns-1-old", cri.PodSandboxState_SANDBOX_NOTREADY),
			{Id: "bare"},
		},
		containers: []*cri.Container{{
			Id: otherID, PodSandboxId: fullID, Metadata: &cri.ContainerMetadata{Name: "coredns"}, State: cri.ContainerState_CONTAINER_RUNNING,
			Image: &cri.ImageSpec{Image: "sha256:1", UserSpecifiedImage: "registry.k8s.io/coredns:1"},
		}, {
			// Of a sandbox that is told of by another id, and twice.
			Id: "log", PodSandboxId: "old", Metadata: &cri.ContainerMetadata{Name: "autopath"}, State: cri.ContainerState_CONTAINER_RUNNING,
		}, {
			Id: "again", PodSandboxId: fullID, Metadata: &cri.ContainerMetadata{Name: "coredns"}, State: cri.ContainerState_CONTAINER_RUNNING,
		}, {
			Id: "init", PodSandboxId: fullID, Metadata: &cri.ContainerMetadata{Name: "init"}, State: cri.ContainerState_CONTAINER_EXITED,
		}, {Id: "lost", State: cri.ContainerState_CONTAINER_RUNNING}},
	}
}

func TestCRI(t *testing.T) {
	path := startGRPC(t, pods().register)
	a := NewCRI(AskerConfig{Source: "cri", Usual: []string{path}, Labels: []string{"app"}})
	_, got, err := a.ask(t.Context())
	pod := workload.Kubernetes{Namespace: "kube-system", Pod: "coredns-1", UID: podUID}
	labels := []workload.Label{{Key: "app", Value: "dns"}}
	old := pod
	old.Pod = "coredns-1-old"
	want := map[string]told{
		podUID: {
			name: "coredns-1", metadata: workload.Metadata{Kubernetes: pod, Labels: labels},
			inside: []workload.Container{{Name: "autopath"}, {Name: "coredns", Image: "registry.k8s.io/coredns:1"}},
		},
		fullID:  {name: "coredns-1", metadata: workload.Metadata{Kubernetes: pod, Labels: labels}},
		"old":   {name: "coredns-1-old", metadata: workload.Metadata{Kubernetes: old, Labels: labels}},
		"older": {name: "coredns-1-old", metadata: workload.Metadata{Kubernetes: old, Labels: labels}},
		otherID: {name: "coredns", metadata: workload.Metadata{Image: "registry.k8s.io/coredns:1", Kubernetes: pod}},
		"log":   {name: "autopath", metadata: workload.Metadata{Kubernetes: old}},
		"again": {name: "coredns", metadata: workload.Metadata{Kubernetes: pod}},
		"init":  {name: "init", metadata: workload.Metadata{Kubernetes: pod}},
		"bare":  {}, "lost": {},
	}
	if err != nil || !cmp.Equal(got, want, cmp.AllowUnexported(told{})) {
		t.Fatalf("%v\n%s", err, cmp.Diff(want, got, cmp.AllowUnexported(told{})))
	}
	a.book.replace(got)
	for _, c := range []struct {
		runtime, id, full, name string
		pod                     workload.Kubernetes
	}{
		{"kubernetes", podUID, "", "coredns-1", pod},
		{"kubevirt", podUID, "", "coredns-1", pod},
		{"kata", fullID[:12], fullID, "coredns-1", pod},
		{"cri-o", otherID[:12], otherID, "coredns", pod},
		{"docker", fullID[:12], fullID, fullID[:12], workload.Kubernetes{}},
	} {
		w := workload.Candidate{Identity: container(c.runtime, c.id, c.id), FullID: c.full}
		if a.Name(&w); w.Name != c.name || w.Metadata.Kubernetes != c.pod {
			t.Errorf("%s: %q %+v", c.runtime, w.Name, w.Metadata)
		}
	}
}

// TestCRIFaults costs names only, and says whose socket it was.
func TestCRIFaults(t *testing.T) {
	long := pods()
	long.pods[0].Annotations = map[string]string{"x": strings.Repeat("x", maxAnswer)}
	many := &fakeCRI{pods: make([]*cri.PodSandbox, maxTold+1)}
	for i := range many.pods {
		many.pods[i] = &cri.PodSandbox{Id: strconv.Itoa(i)}
	}
	garbage := filepath.Join(t.TempDir(), "s")
	l := accept(t, garbage)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(strings.Repeat("HTTP/1.0 200 OK\r\n\r\n<html>", 1000)))
			_ = c.Close()
		}
	}()
	for name, fault := range map[string]struct{ path, want string }{
		"hangs":    {startGRPC(t, (&fakeCRI{}).register), "DeadlineExceeded"},
		"too long": {startGRPC(t, long.register), "ResourceExhausted"},
		"too many": {startGRPC(t, many.register), errTooMany.Error()},
		"no CRI":   {startGRPC(t, func(*grpc.Server) {}), "Unimplemented"},
		"garbage":  {garbage, ""},
	} {
		a := NewCRI(AskerConfig{Source: "cri", Socket: fault.path})
		ctx := t.Context()
		if name == "hangs" {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
		}
		_, all, err := a.ask(ctx)
		if err == nil || !strings.HasPrefix(err.Error(), fault.path+": ") || !strings.Contains(err.Error(), fault.want) {
			t.Errorf("%s: %d %v", name, len(all), err)
		}
	}
}

func TestContainerd(t *testing.T) {
	own := &fakeNamespaces{t: t, in: map[string][]*containers.Container{
		"moby": nil, "k8s.io": nil,
		"default": {
			{ID: "ctr1", Image: "docker.io/library/bb:1"},
			{ID: fullID, Image: "nginx", Labels: map[string]string{nerdctlName: "web", "team": "a"}},
		},
		"other": {{ID: "ctr1", Image: "redis"}},
	}}
	for name, withCRI := range map[string]bool{"with CRI": true, "CRI is off": false} {
		a := NewContainerd(AskerConfig{Source: "containerd", Labels: []string{"team"}, Usual: []string{startGRPC(t, func(s *grpc.Server) {
			if withCRI {
				pods().register(s)
			}
			namespaces.RegisterNamespacesServer(s, own)
			containers.RegisterContainersServer(s, fakeContainers{all: own})
		})}})
		_, all, err := a.ask(t.Context())
		if err != nil {
			t.Fatal(name, err)
		}
		a.book.replace(all)
		for _, c := range []struct {
			runtime, id, full, cgroup, name string
			want                            workload.Metadata
		}{
			{"containerd", "ctr1", "", "/default/ctr1", "ctr1", workload.Metadata{Image: "docker.io/library/bb:1", Namespace: "default"}},
			{"containerd", "ctr1", "", "/other/ctr1", "ctr1", workload.Metadata{Image: "redis", Namespace: "other"}},
			{
				"unknown", fullID[:12], fullID, "/other/" + fullID, "web",
				workload.Metadata{Image: "nginx", Namespace: "default", Labels: []workload.Label{{Key: "team", Value: "a"}}},
			},
		} {
			w := workload.Candidate{Identity: container(c.runtime, c.id, c.id), FullID: c.full, Cgroup: c.cgroup}
			if opinion := a.Name(&w); opinion != workload.Settled || w.Name != c.name || !cmp.Equal(w.Metadata, c.want) {
				t.Errorf("%s: %v %q %+v", name, opinion, w.Name, w.Metadata)
			}
		}
		pod := workload.Candidate{Identity: container("kubernetes", podUID, podUID)}
		if got := a.Name(&pod) == workload.Settled; got != withCRI {
			t.Errorf("%s: a pod is known: %v", name, got)
		}
	}
}
