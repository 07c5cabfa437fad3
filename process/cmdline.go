package process

import (
	"bytes"
	"path"
	"strings"
)

func parseComm(b []byte) string {
	return strings.TrimSuffix(string(b), "\n")
}

// parseCmdline splits /proc/PID/cmdline. A kernel thread, a process that ended
// and one that is being exec'ed have none.
func parseCmdline(b []byte) []string {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}

// wholeArguments drops the last argument of a command line that was cut.
func wholeArguments(b []byte) []byte {
	return b[:bytes.LastIndexByte(b, 0)+1]
}

// program is the base name of what was executed, as its first argument says.
func program(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return path.Base(args[0])
}

// option is the value of an option in the forms `-name value`, `--name value`
// and `--name=value`; the last one counts, as it does for those who read them.
func option(args []string, name string) (string, bool) {
	value, found := "", false
	for i := 1; i < len(args); i++ {
		flag, ok := strings.CutPrefix(args[i], "-")
		if !ok {
			continue
		}
		flag = strings.TrimPrefix(flag, "-")
		key, inline, joined := strings.Cut(flag, "=")
		switch {
		case key != name:
		case joined:
			value, found = inline, true
		case i+1 < len(args):
			i++
			value, found = args[i], true
		}
	}
	return value, found
}

const fullIDLength = 64

// fullID finds the 64 hexadecimal digits of a container's id in text.
func fullID(text string) (string, bool) {
	run := 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && isHex(text[i]) {
			run++
			continue
		}
		if run == fullIDLength {
			return text[i-run : i], true
		}
		run = 0
	}
	return "", false
}

func isFullID(text string) bool {
	id, ok := fullID(text)
	return ok && id == text
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
