package process

import (
	"path"
	"strings"
)

const monitorTitle = "[lxc monitor] "

// lxcMonitor is what the title of an LXC monitor says: `[lxc monitor] <lxcpath> <name>`.
type lxcMonitor struct{ path, name string }

func parseLXCMonitor(args []string) (lxcMonitor, bool) {
	// The title replaces all arguments, and a space is a space in it.
	title, ok := strings.CutPrefix(strings.Join(args, " "), monitorTitle)
	if !ok {
		return lxcMonitor{}, false
	}
	title = strings.TrimRight(title, " ")
	i := strings.LastIndexByte(title, ' ')
	if i <= 0 || i+1 == len(title) {
		return lxcMonitor{}, false
	}
	return lxcMonitor{path: title[:i], name: title[i+1:]}, true
}

// runtime is who keeps its containers under the monitor's lxcpath.
func (m lxcMonitor) runtime() string {
	for component := range strings.SplitSeq(m.path, "/") {
		if component == "incus" || component == "lxd" {
			return component
		}
	}
	return "lxc"
}

// instanceName is the name of an Incus or LXD instance without its project.
// Instance names are host names and have no underscore; project names may.
func instanceName(full string) string {
	return full[strings.LastIndexByte(full, '_')+1:]
}

// project is the other part of that name.
func project(full string) string {
	if i := strings.LastIndexByte(full, '_'); i > 0 {
		return full[:i]
	}
	return "default"
}

// monitorGroups lists where the monitor of a payload may be, likeliest first:
// LXC counts up from NAME to NAME-1 where an old directory is in the way, and
// does so for payload and monitor each on its own.
func monitorGroups(payload string) []string {
	parent, last := path.Split(payload)
	name, prefix := "", ""
	if n, ok := strings.CutPrefix(last, "lxc.payload."); ok {
		name, prefix = n, parent+"lxc.monitor."
	} else {
		name, prefix = last, path.Join(path.Dir(strings.TrimSuffix(parent, "/")), "lxc.monitor")+"/"
	}
	names := []string{name}
	if base, ok := withoutRetry(name); ok {
		names = append(names, base, base+"-1", base+"-2")
	} else {
		names = append(names, name+"-1", name+"-2")
	}
	var groups []string
	for i, n := range names {
		if i == 0 || n != name {
			groups = append(groups, prefix+n)
		}
	}
	return groups
}

// withoutRetry strips the number that LXC appends to a group's name.
func withoutRetry(name string) (string, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || i+1 == len(name) {
		return name, false
	}
	if _, ok := parseUint([]byte(name[i+1:])); !ok {
		return name, false
	}
	return name[:i], true
}

// serves says that the monitor of a container can be that of the payload group:
// another container's may be where a retried one was looked for.
func (m lxcMonitor) serves(payload string) bool {
	group := strings.TrimPrefix(path.Base(payload), "lxc.payload.")
	if m.name == group {
		return true
	}
	base, ok := withoutRetry(group)
	return ok && m.name == base
}
