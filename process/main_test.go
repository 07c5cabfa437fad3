package process

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

const childEnv = "PROCESS_TEST_CHILD"

// TestMain is also the program of the children that tests start: it says that
// it runs, and ends with its standard input.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// fakeProc is a procfs made of files.
type fakeProc struct {
	t    *testing.T
	root string
}

func newFakeProc(t *testing.T) fakeProc {
	f := fakeProc{t, t.TempDir()}
	f.put(1, "systemd", 1, "/sbin/init")
	return f
}

// put adds a process that started at a tick.
func (f fakeProc) put(pid int, comm string, start uint64, args ...string) {
	f.t.Helper()
	f.putChild(pid, 1, comm, start, args...)
}

func (f fakeProc) putChild(pid, ppid int, comm string, start uint64, args ...string) {
	f.t.Helper()
	cmdline := strings.Join(args, "\x00")
	if cmdline != "" {
		cmdline += "\x00"
	}
	f.write(pid, "comm", comm+"\n")
	f.write(pid, "cmdline", cmdline)
	f.write(pid, "stat", fmt.Sprintf("%d (%s) S %d 9 9 0 -1 4194304 1 2 3 4 250 50 0 0 20 0 7 0 %d 2359296 327 18446744073709551615 1 1\n",
		pid, comm, ppid, start))
	f.write(pid, "status", "Name:\t"+comm+"\nVmRSS:\t    1436 kB\nVmSwap:\t      12 kB\nHugetlbPages:\t    2048 kB\n")
	f.write(pid, "io", "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n")
}

func (f fakeProc) write(pid int, name, content string) {
	f.t.Helper()
	dir := filepath.Join(f.root, strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeProc) remove(pid int, name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.root, strconv.Itoa(pid), name)); err != nil {
		f.t.Fatal(err)
	}
}

// example is a command line of testdata/cmdline, one argument a line. Those of
// LXD and Kata are from public reports, the others are written after what each
// runtime is known to say; what was seen in the lab is in testdata/lab.
func example(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/cmdline", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func testLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
