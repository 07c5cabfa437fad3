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
