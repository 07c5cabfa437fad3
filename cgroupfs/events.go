package cgroupfs

// groupEvents is cgroup.events: whether any process is in the subtree, and
// whether it is frozen.
type groupEvents struct{ populated, frozen bool }

// parseGroupEvents reads cgroup.events. A file without the key, as a captured
// tree may have, does not say that the group is empty.
func parseGroupEvents(b []byte) groupEvents {
	e := groupEvents{populated: true}
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, value := nextField(line)
		switch string(key) {
		case "populated":
			e.populated = string(value) != "0"
		case "frozen":
			e.frozen = string(value) == "1"
		}
	}
	return e
}
