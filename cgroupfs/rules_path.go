package cgroupfs

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanPath brings a path to the form "/a/b". False: it names nothing below the
// root that we see, as /proc/PID/cgroup says of a process outside our cgroup
// namespace.
//
// The kernel ends the path of a removed group with " (deleted)". A group that is
// truly called that cannot be told from one that is gone.
func cleanPath(path string) (string, bool) {
	path = strings.TrimSuffix(path, " (deleted)")
	if isClean(path) {
		return path, len(path) > 1
	}
	var b strings.Builder
	for c := range strings.SplitSeq(path, "/") {
		switch c {
		case "", ".":
		case "..":
			return "", false
		default:
			b.WriteByte('/')
			b.WriteString(c)
		}
	}
	return b.String(), b.Len() > 0
}

func isClean(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/") &&
		!strings.Contains(path, "//") && !strings.Contains(path, "/.")
}

// unescapeGroup undoes the "_" that systemd and libvirt put before a name of
// theirs that would collide with one of the kernel's files. Nobody else does,
// so that it belongs to the name of anything else.
func unescapeGroup(name string) string {
	if strings.HasPrefix(name, "_") && (isUnit(name) || strings.Contains(name, ".libvirt-")) {
		return name[1:]
	}
	return name
}

// isUnit says whether a component is named like a systemd unit of any type.
func isUnit(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	if dot < 1 {
		return false
	}
	switch name[dot+1:] {
	case "service", "scope", "slice", "mount", "automount", "swap", "socket", "target", "timer", "path", "device":
		return true
	}
	return false
}

// unescapeUnit undoes the \xNN of a unit's name. What would then not be fit to be
// shown stays escaped. A dash stays a dash: it stands for a slash in paths alone.
func unescapeUnit(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] == 'x' {
			if n, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	plain := b.String()
	if !utf8.ValidString(plain) || strings.ContainsFunc(plain, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	return plain
}
