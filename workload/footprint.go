package workload

// Footprint is what a workload takes of the host's storage, as of when somebody
// last looked.
type Footprint struct {
	// Unique is what this workload alone holds; Shared is what others could
	// use too, in full, whoever else does.
	Unique, Shared Value
	// Allocated and Capacity are of what it can write to: what is taken, and
	// the most that could be.
	Allocated, Capacity Value
	// Updated is when that was so, in nanoseconds since the epoch.
	Updated Value
}

// HostFootprint is what the workloads of one kind and runtime take together, what
// they share counted once.
type HostFootprint struct {
	Kind           Kind
	Runtime        string
	Unique, Shared uint64
}

// Disk is one disk of a machine.
type Disk struct {
	// Target is what libvirt calls it: "vda".
	Target string
	// Common is set where others may have it too: read-only or shareable.
	Common bool
	// Layers is its image, and the backing files under that.
	Layers []DiskLayer
}

// DiskLayer is one image.
type DiskLayer struct {
	// Path is of a file or device of the host; empty for one of the network.
	Path string
	// Capacity is the size that the guest sees, Allocated what the host's
	// storage holds of it.
	Capacity, Allocated Value
}

// Storage is what a container engine tells of one container's.
type Storage struct {
	// ID is the container's, Pod that of its pod; empty without one.
	ID, Pod string
	// Written is the layer that it writes to.
	Written Value
	// Layers is its image's. One that two containers have has one key.
	Layers []Layer
}

// Layer is one of an image.
type Layer struct {
	Key   string
	Bytes Value
}

// Volume is the root of an Incus or LXD instance.
type Volume struct {
	// ID is the instance's, with its project where that is not the default.
	ID string
	// Used is what it alone takes, absent where the storage does not count;
	// Size is its quota, absent without one.
	Used, Size Value
	// Directory is where its files are below the daemon's directory, where the
	// storage is one of directories.
	Directory string
}
