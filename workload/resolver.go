package workload

// Opinion is what a Resolver has to say of a Candidate.
type Opinion int

// The opinions.
const (
	// NoOpinion: ask the next resolver.
	NoOpinion Opinion = iota
	// Wait: the answer is on its way (a process that has not yet exec'ed its
	// monitor); ask again soon. The others are asked all the same: what they
	// said serves when the Registry's patience has run out.
	Wait
	// Settled: what the candidate now says is final for this run.
	Settled
)

// A Resolver tells what a path cannot: the true name, the machine inside what
// looks like a container. It is asked once per run, and again when the Registry
// is told that the group changed inside. It may read files, and never blocks
// on anybody's answer, nor on a lock under which somebody calls the Registry.
type Resolver interface {
	Resolve(c *Candidate) Opinion
}
