package cgroupfs

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Class is what a cgroup path says by itself.
type Class struct {
	// Identity has an empty ID where the path does not tell it (a libvirt
	// domain's UUID). The Name is never empty.
	workload.Identity
	// FullID is the 64-hex id that ID was cut from, or empty when ID is all.
	FullID string
	// Top is the path of the workload's top cgroup: the path itself, or the
	// ancestor that owns it.
	Top string
	// Domain is libvirt's numbering, where the path carries one.
	Domain workload.Domain
	// Shared is set where other top cgroups may carry the same identity, and
	// make one workload together.
	Shared bool
	// Unit is the systemd unit that the top cgroup is, \x-escaped as systemd
	// writes it; empty where it is none.
	Unit string
}

// Classifier tells workloads from everything else by the text of a path. It
// reads no file, and may be used from any goroutine.
type Classifier struct {
	rules []rule
	inner []rule
}

// NewClassifier returns a Classifier. The service units whose name services
// matches are workloads too; nil means none.
func NewClassifier(services *regexp.Regexp) *Classifier {
	return &Classifier{rules: compile(rules(services)), inner: compile(innerRules())}
}

// Classify says what workload a path belongs to, itself or by an ancestor: the
// outermost workload owns everything below it. False: none.
//
// Two tops are told by a child alone, and read on their own as nothing or as
// less: the unit of an nspawn machine, by its payload group, and the pod of a
// Kata sandbox, by its kata_ group.
func (c *Classifier) Classify(path string) (Class, bool) {
	p, ok := cleanPath(path)
	if !ok {
		return Class{}, false
	}
	m, ok := decide(c.rules, p)
	if !ok || m.rule.kind == "" {
		return Class{}, false
	}
	return m.class, true
}

// Monitors says whom a group outside every workload serves: a conmon's scope, an
// LXC monitor, the half of a Kata sandbox that is kept apart. Only the top of
// such a group is an answer, so that nothing is added up twice.
func (c *Classifier) Monitors(path string) (workload.Owner, bool) {
	p, ok := cleanPath(path)
	if !ok {
		return workload.Owner{}, false
	}
	m, ok := decide(c.rules, p)
	if !ok || m.rule.owner == nil || m.end != len(p) {
		return workload.Owner{}, false
	}
	return m.rule.owner(m), true
}

// Inner reads the last component of a path by itself, as the group of one
// container: what it is called inside a pod.
func (c *Classifier) Inner(path string) (fullID string, ok bool) {
	p, ok := cleanPath(path)
	if !ok {
		return "", false
	}
	slash := strings.LastIndexByte(p, '/')
	m, ok := decideOne(c.inner, place{path: p, start: slash + 1, end: len(p)})
	return m.class.FullID, ok
}

// Line is the answer to an operator: PATH, kind, runtime, id, name and TOP with
// tabs between them, the five after the path "-" where it is not a workload's.
// The name serves for an id that a path cannot tell.
func (c *Classifier) Line(path string) string {
	fields := []string{path, "-", "-", "-", "-", "-"}
	if k, ok := c.Classify(path); ok {
		fields = []string{path, string(k.Kind), k.Runtime, cmp.Or(k.ID, k.Name), k.Name, k.Top}
	}
	for i, f := range fields {
		fields[i] = printable(f)
	}
	return strings.Join(fields, "\t")
}

// printable escapes what would break a line. A backslash stays as it is, for
// systemd's own escapes are full of them.
func printable(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			q := strconv.Quote(s[i : i+1])
			b.WriteString(q[1 : len(q)-1])
		case !strconv.IsPrint(r):
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
