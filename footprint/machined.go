package footprint

import "strings"

// registeredRoot is the ROOT of one of systemd-machined's files, which are
// environment files: quoted where need be, with a backslash before what the shell
// would take for its own.
func registeredRoot(file []byte) string {
	for line := range strings.Lines(string(file)) {
		v, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ROOT=")
		if !ok {
			continue
		}
		if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		var b strings.Builder
		for i := 0; i < len(v); i++ {
			if v[i] == '\\' && i+1 < len(v) {
				i++
			}
			b.WriteByte(v[i])
		}
		if root := b.String(); strings.HasPrefix(root, "/") {
			return root
		}
	}
	return ""
}
