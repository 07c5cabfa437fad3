package runtimes

import (
	"context"
	"net"
	"strings"

	containers "github.com/containerd/containerd/api/services/containers/v1"
	namespaces "github.com/containerd/containerd/api/services/namespaces/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/workload-exporter/workload_exporter/workload"
)

const (
	// dockersNamespace has Docker's containers, of which containerd knows no name.
	dockersNamespace = "moby"
	// criNamespace has those that CRI tells more of.
	criNamespace = "k8s.io"
	// maxNamespaces is how many of containerd's are asked.
	maxNamespaces = 256
	// nerdctlName is the label under which nerdctl keeps what the user called it.
	nerdctlName = "nerdctl/name"
)

// NewContainerd returns an Asker of containerd: CRI, and the namespaces that are
// others' (nerdctl, ctr).
func NewContainerd(cfg AskerConfig) *Asker { return newAsker(cfg, containerdAPI{}) }

type containerdAPI struct{}

func (containerdAPI) list(ctx context.Context, conn net.Conn, labels []string) (map[string]told, error) {
	over, err := calls(conn)
	if err != nil {
		return nil, err
	}
	defer over.Close()
	all := map[string]told{}
	if err := listPods(ctx, over, labels, all); err != nil && !unimplemented(err) {
		return nil, err
	}
	spaces, err := namespaces.NewNamespacesClient(over).List(ctx, &namespaces.ListNamespacesRequest{})
	if err != nil {
		return nil, err
	}
	for i, n := range spaces.GetNamespaces() {
		if i == maxNamespaces {
			return nil, errTooMany
		}
		if name := n.GetName(); name != dockersNamespace && name != criNamespace {
			if err := listNamespace(ctx, over, name, labels, all); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// listNamespace has the containers come one by one, for each is sent with its
// whole OCI configuration.
func listNamespace(ctx context.Context, conn *grpc.ClientConn, namespace string, labels []string, all map[string]told) error {
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "containerd-namespace", namespace))
	defer cancel()
	stream, err := containers.NewContainersClient(conn).ListStream(ctx, &containers.ListContainersRequest{})
	if err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		switch {
		case ended(err):
			return nil
		case err != nil:
			return err
		case len(all) >= maxTold:
			return errTooMany
		}
		c := m.GetContainer()
		t := told{name: workload.Clean(c.GetLabels()[nerdctlName]), metadata: workload.Metadata{
			Image: workload.Clean(c.GetImage()), Namespace: workload.Clean(namespace), Labels: pick(labels, c.GetLabels()),
		}}
		if id := c.GetID(); isFullID(id) {
			all[id] = t
		} else {
			all[workload.Clean(namespace+"/"+id)] = t
		}
	}
}

// key is the container's id where that is unique, else its place: without a
// path of its own it lies in /NAMESPACE/ID.
func (containerdAPI) key(c *workload.Candidate) string {
	switch {
	case c.Runtime != "containerd":
		return podKey(c)
	case c.FullID != "":
		return c.FullID
	}
	return strings.TrimPrefix(c.Cgroup, "/")
}

func (containerdAPI) early(*workload.Candidate) string { return "" }
