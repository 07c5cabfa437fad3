package workload

// Kind is what a workload is to the one who compares.
type Kind string

// The kinds of DESIGN section 1.
const (
	KindContainer Kind = "container"
	KindVM        Kind = "vm"
	KindService   Kind = "service"
)

// Identity is the four labels that every per-workload series carries.
type Identity struct {
	Kind    Kind
	Runtime string
	// ID is what the runtime's own command line shows.
	ID string
	// Name is the human name, or ID where nobody will tell us.
	Name string
}

// Origin says where a workload's numbers come from: the source label of workload_info.
type Origin string

// The origins of a workload's numbers.
const (
	// OriginCgroup: the workload's own top cgroup.
	OriginCgroup Origin = "cgroup"
	// OriginLibvirt: libvirt's own numbers, for a domain with no cgroup of its own.
	OriginLibvirt Origin = "libvirt"
	// OriginProcess: /proc, for a machine monitor with no cgroup of its own.
	OriginProcess Origin = "process"
)

// Domain is libvirt's numbering of a machine, as a cgroup path carries it.
type Domain struct {
	// Driver is libvirt's driver: "qemu", "lxc", "ch". Empty: not libvirt's.
	Driver string
	// ID is the number of this run; it changes at each start.
	ID int
	// Private is set where a session or embedded daemon numbers by itself, so
	// that its ID says nothing to the system daemon.
	Private bool
}

// Candidate is something that a source found and that may be a workload: what
// its path or its process told, before the Resolvers have had their word.
type Candidate struct {
	Identity
	// FullID is the runtime's long id (64 hex for Docker), when it is longer than ID.
	FullID string
	Origin Origin
	// Cgroup is the top cgroup's path below the mount, "/..."; empty without one.
	Cgroup string
	// Inode is the top cgroup's inode: the same path with another inode is another run.
	Inode uint64
	// Domain is libvirt's numbering, where the path carries one.
	Domain Domain
	// Hypervisor names the machine monitor, where a process told: "qemu", "firecracker".
	Hypervisor string
	// Shared is set where one workload may own several groups with one id
	// (Garden's good and bad): their numbers are added up.
	Shared bool
	Group  Group
	// Metadata is the Namers' to fill in.
	Metadata Metadata
}

// Group is a thing whose usage can be read: a cgroup, or a process.
type Group interface {
	// Read fills u with what the kernel says now. ErrGone means that the
	// workload ended and must be left out; anything else that went wrong is
	// in u as unreadable values.
	Read(u *Usage) error
	// Running says whether any process is inside, without reading the rest.
	Running() bool
	// Holds says whether this group has the full id of a container inside it
	// (a pod's), which is how a shim finds the pod it belongs to.
	Holds(fullID string) bool
}

// Machine is what libvirt tells of one active domain.
type Machine struct {
	UUID     string
	Name     string
	DomainID int
	// PID is QEMU's, 0 when unknown.
	PID int
	// Cgroup is any cgroup path that PID is in, empty when unknown.
	Cgroup string
	Paused bool
	// OpenStack is what Nova has noted of the machine, or nil. It is the same
	// for as long as what it says is.
	OpenStack *OpenStack
	// Stats is what was last heard of the machine; see Stats.Updated.
	Stats MachineStats
}
