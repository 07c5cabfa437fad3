package footprint

import (
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// overlay is the mount of a container's root: the directory that it writes to,
// and those that it reads, topmost first.
type overlay struct {
	upper string
	lower []string
}

// parseOverlay takes the directories from an overlay's options. With many layers
// containerd mounts them from inside the directory that has them all: they are
// then relative to it, and only upperdir is whole. What has an escaped character
// is not understood.
func parseOverlay(m *mountinfo.Info) (overlay, bool) {
	var o overlay
	for option := range strings.SplitSeq(m.VFSOptions, ",") {
		key, value, ok := strings.Cut(option, "=")
		if !ok || strings.ContainsRune(value, '\\') {
			continue
		}
		switch key {
		case "upperdir":
			o.upper = value
		case "lowerdir", "lowerdir+":
			// Directories with nothing but metadata or data in them come after two colons.
			for dir := range strings.SplitSeq(value, ":") {
				if dir != "" {
					o.lower = append(o.lower, dir)
				}
			}
		}
	}
	if !filepath.IsAbs(o.upper) || len(o.lower) == 0 {
		return overlay{}, false
	}
	base := filepath.Dir(filepath.Dir(o.upper))
	for i, dir := range o.lower {
		if !filepath.IsAbs(dir) {
			o.lower[i] = filepath.Join(base, dir)
		}
	}
	return o, true
}
