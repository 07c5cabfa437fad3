package workload

// Metadata is what somebody told of a workload beyond what it is called. It is
// decided together with the name and, like it, stays for as long as the run does.
type Metadata struct {
	Image string
	// Namespace is containerd's own; Project is that of Incus and LXD.
	Namespace, Project string
	Kubernetes         Kubernetes
	// Labels are those that were asked for, in the order of their keys.
	Labels []Label
}

// Kubernetes is how a cluster knows a pod. Pod is empty where nobody told.
type Kubernetes struct{ Namespace, Pod, UID string }

// Label is one that a runtime keeps for its user, under the user's own key.
type Label struct{ Key, Value string }

// OpenStack is what Nova notes of a machine in its definition: the words of its
// tenant and its operator.
type OpenStack struct {
	Instance, Flavor, Image          string
	Project, ProjectID, User, UserID string
}
