package main

import (
	"bufio"
	"io"
)

// printClasses prints what each path is: those that are given, or those on the
// lines of in when none is.
func printClasses(out io.Writer, in io.Reader, paths []string, line func(path string) string) error {
	w := bufio.NewWriter(out)
	for _, path := range paths {
		_, _ = w.WriteString(line(path) + "\n")
	}
	if len(paths) == 0 {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = w.WriteString(line(lines.Text()) + "\n")
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	// The first failed write is kept until here.
	return w.Flush()
}
