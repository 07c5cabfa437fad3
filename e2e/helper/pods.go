package main

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	containerdSocket = "unix:///run/containerd/containerd.sock"
	image            = "localhost/bb:1"
	namespace        = "lab"
)

// pod is one of those that the helper makes.
type pod struct{ name, uid, parent string }

func (p pod) slice() string {
	return p.parent + "-pod" + strings.ReplaceAll(p.uid, "-", "_") + ".slice"
}

// wanted are a Guaranteed pod and a BestEffort one.
func wanted() []pod {
	return []pod{
		{"guaranteed", "aaaaaaaa-0000-4000-8000-000000000001", "kubepods"},
		{"besteffort", "bbbbbbbb-0000-4000-8000-000000000002", "kubepods-besteffort"},
	}
}

func pods(ctx context.Context, verb string) error {
	conn, err := grpc.NewClient(containerdSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	switch verb {
	case "up":
		for _, p := range wanted() {
			if err := start(ctx, client, p); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		return nil
	case "down", "list":
		return stop(ctx, client, verb == "down")
	}
	return fmt.Errorf("%s", usage)
}

// start asks for what kubelet asks for, less the network.
func start(ctx context.Context, client cri.RuntimeServiceClient, p pod) error {
	config := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: p.name, Namespace: namespace, Uid: p.uid},
		Labels: map[string]string{
			"app": p.name, "io.kubernetes.pod.name": p.name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": p.uid,
		},
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: p.slice(),
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER},
			},
		},
	}
	sandbox, err := client.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config})
	if err != nil {
		return err
	}
	made, err := client.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: sandbox.GetPodSandboxId(), SandboxConfig: config,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: "app"}, Image: &cri.ImageSpec{Image: image},
			Command: []string{"/bin/sleep", "100000"},
			Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER},
			}},
		},
	})
	if err != nil {
		return err
	}
	_, err = client.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.GetContainerId()})
	return err
}

// stop removes all pods, or lists them: runtime id, UID, name.
func stop(ctx context.Context, client cri.RuntimeServiceClient, remove bool) error {
	list, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, p := range list.GetItems() {
		if !remove {
			fmt.Printf("%s\t%s\t%s\n", p.GetId(), p.GetMetadata().GetUid(), p.GetMetadata().GetName())
			continue
		}
		if _, err := client.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.GetId()}); err != nil {
			return err
		}
		if _, err := client.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.GetId()}); err != nil {
			return err
		}
	}
	return nil
}
