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

// A Namer tells what a workload is called, and its Metadata, once the Resolvers
// have said what it is. It is asked like they are; what it does not know it
// leaves as it is.
type Namer interface {
	// Name is asked once per run. Wait: the answer is on its way.
	Name(c *Candidate) Opinion
	// Expect tells of a newcomer as soon as it is found and before anything
	// else is known of it, so that who has to ask does not begin with a scrape.
	Expect(c *Candidate)
}
