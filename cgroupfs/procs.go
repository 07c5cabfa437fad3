package cgroupfs

// parseProcs reads cgroup.procs: one PID a line. What is no PID is skipped (a
// process outside our PID namespace reads as 0).
func parseProcs(b []byte, pids []int) []int {
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		if n, ok := parseNumber(line).Get(); ok && n > 0 && n <= 1<<31 {
			pids = append(pids, int(n))
		}
	}
	return pids
}
