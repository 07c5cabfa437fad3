package cgroupfs

import (
	"regexp"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// rule is how one runtime names its groups. A rule without a kind is about
// groups that are no workload, nor is anything below them.
type rule struct {
	kind    workload.Kind
	runtime string
	forms   []form
	// read completes the class where the groups of the form are not enough.
	// False: this is not one of the runtime's after all.
	read func(m *match) bool
	// child reads the component right below the top, which may tell more.
	child func(name string, c *Class)
	// owner says whom a group that is no workload serves.
	owner func(m match) workload.Owner
}

// form is one shape of a name. Both patterns are whole: nothing may come before
// or after. The groups that have a meaning are full (64 hex, shown cut to 12),
// id, and name where it differs from id.
type form struct {
	// in is the path above, "" at the root; left out: anywhere. After a leading
	// ".*" it says something of the last two components at most, and no more of
	// the path is looked at: a hostile one is deep.
	in string
	// as is the component itself.
	as string
	// free is set where as leaves the name to the user: what is named like a
	// unit is systemd's then.
	free bool
	// lift is set where the parent is the top.
	lift bool
	// shared is Class.Shared.
	shared bool

	above, shape *regexp.Regexp
	prefix       string
	unit, near   bool
}

// The pieces that forms are made of.
const (
	full64  = `(?P<full>[0-9a-f]{64})`
	uuid    = `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`
	build25 = `(?P<id>[0-9a-z]{25})`
	// word is what containerd and its like take for an id.
	word = `(?P<id>[A-Za-z0-9]+(?:[._+-]+[A-Za-z0-9]+)*)`
	// literal is before a name that was meant for systemd, where the runtime
	// made a plain directory of it.
	literal = `(?:.+\.slice)?:`
	// managed is where systemd puts units: below slices, its own or a user's.
	managed = `(?:/[^/]+\.slice)*(?:/user@[0-9]+\.service(?:/[^/]+\.slice)*)?`
)

// place is one component of a clean path.
type place struct {
	path       string
	start, end int
}

func (p place) above() string { return p.path[:p.start-1] }

// match is a place that a rule holds for.
type match struct {
	place
	rule   *rule
	form   *form
	name   string
	groups []string
	class  Class
}

func (m *match) group(name string) string {
	if i := m.form.shape.SubexpIndex(name); i >= 0 {
		return m.groups[i]
	}
	return ""
}

func compile(list []rule) []rule {
	for i := range list {
		for j := range list[i].forms {
			f := &list[i].forms[j]
			f.shape = regexp.MustCompile(`(?s)^(?:` + f.as + `)$`)
			f.prefix, _ = regexp.MustCompile(f.as).LiteralPrefix()
			f.unit = strings.HasSuffix(f.as, `\.scope`) || strings.HasSuffix(f.as, `\.service`) || strings.HasSuffix(f.as, `\.slice`)
			if f.in != "" {
				f.above, f.near = regexp.MustCompile(`(?s)^(?:`+f.in+`)$`), strings.HasPrefix(f.in, ".*")
			}
		}
	}
	return list
}

// decide walks a clean path down to the first component that a rule holds for.
func decide(list []rule, path string) (match, bool) {
	for start := 1; start < len(path); {
		end := len(path)
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		m, ok := decideOne(list, place{path: path, start: start, end: end})
		if ok {
			if m.rule.child != nil && end < len(path) {
				below, _, _ := strings.Cut(path[end+1:], "/")
				m.rule.child(below, &m.class)
			}
			return m, true
		}
		start = end + 1
	}
	return match{}, false
}

func decideOne(list []rule, p place) (match, bool) {
	name := unescapeGroup(p.path[p.start:p.end])
	unit := isUnit(name)
	for i := range list {
		for j := range list[i].forms {
			f := &list[i].forms[j]
			if f.free && unit || f.unit && !unit || !f.matches(name, p.above()) {
				continue
			}
			m := match{place: p, rule: &list[i], form: f, name: name}
			if m.read() {
				return m, true
			}
		}
	}
	return match{}, false
}

func (f *form) matches(name, above string) bool {
	if !strings.HasPrefix(name, f.prefix) || !f.shape.MatchString(name) {
		return false
	}
	if f.near {
		above = lastTwo(above)
	}
	return f.above == nil || f.above.MatchString(above)
}

func lastTwo(path string) string {
	last := max(strings.LastIndexByte(path, '/'), 0)
	return path[max(strings.LastIndexByte(path[:last], '/'), 0):]
}

// read makes the class of a place that the form holds for, if the rule does too.
func (m *match) read() bool {
	f := m.form
	m.groups = f.shape.FindStringSubmatch(m.name)
	m.class = Class{
		Identity: workload.Identity{Kind: m.rule.kind, Runtime: m.rule.runtime},
		Top:      m.path[:m.end],
		Shared:   f.shared,
	}
	c := &m.class
	if f.lift {
		c.Top = m.above()
		m.name = unescapeGroup(c.Top[strings.LastIndexByte(c.Top, '/')+1:])
	}
	c.ID, c.Name = m.group("id"), m.group("name")
	if f.unit || f.lift {
		c.Unit = m.name
		c.ID, c.Name = unescapeUnit(c.ID), unescapeUnit(c.Name)
	}
	if c.FullID = m.group("full"); c.FullID != "" {
		c.ID = c.FullID[:12]
	}
	if m.rule.read != nil && !m.rule.read(m) {
		return false
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	return true
}
