package footprint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func newTestWalker() *Walker { return NewWalker("/proc/self/mountinfo") }

// tree is one with all that a walk may meet.
func tree(t *testing.T) string {
	t.Helper()
	dir := files(t, map[string]int{"a": 100_000, "d/b": 5000, "d/e/f/c": 1, "empty": 0})
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer sparse.Close()
	if _, err := sparse.WriteAt([]byte("x"), 1<<30); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "d/again")),
		os.Symlink("/", filepath.Join(dir, "d/root")),
		os.Symlink("..", filepath.Join(dir, "d/up")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 * breath {
		put(t, filepath.Join(dir, "many", strconv.Itoa(i)), nil)
	}
	return dir
}

func TestSizeIsDu(t *testing.T) {
	dir := tree(t)
	for _, path := range []string{dir, filepath.Join(dir, "a"), filepath.Join(dir, "d/root")} {
		if path == filepath.Join(dir, "d/root") {
			// What is asked for may be a link, as an image's path may.
			if err := os.Symlink(dir, filepath.Join(t.TempDir(), "link")); err != nil {
				t.Fatal(err)
			}
			continue
		}
		out, err := exec.CommandContext(t.Context(), "du", "-sx", "--block-size=1", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		want, err := strconv.ParseUint(strings.Fields(string(out))[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		got, err := newTestWalker().size(t.Context(), path)
		if err != nil || got.bytes != want || got.key == "" {
			t.Errorf("%s: %+v, %v; du says %d", path, got, err, want)
		}
	}
}

func TestSizeFollowsTheTop(t *testing.T) {
	dir := files(t, map[string]int{"x/y": 9000})
	link := filepath.Join(dir, "link")
	if err := os.Symlink("x", link); err != nil {
		t.Fatal(err)
	}
	w := newTestWalker()
	want, err := w.size(t.Context(), filepath.Join(dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.size(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "by a link", got, want)
}

func TestSizeErrors(t *testing.T) {
	if _, err := newTestWalker().size(t.Context(), "/nowhere"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("absent: %v", err)
	}
	dir := t.TempDir()
	deep := dir
	for range deepest + 2 {
		deep = filepath.Join(deep, "d")
	}
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := newTestWalker().size(t.Context(), dir); !errors.Is(err, errTree) {
		t.Errorf("deep: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newTestWalker().size(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if os.Geteuid() != 0 {
		closed := files(t, map[string]int{"a": 1, "closed/b": 1})
		if err := os.Chmod(filepath.Join(closed, "closed"), 0); err != nil {
			t.Fatal(err)
		}
		// A sum with a hole is no sum.
		if n, err := newTestWalker().size(t.Context(), closed); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("forbidden: %+v, %v", n, err)
		}
	}
}

// hang is a call that does not come back before it is let go.
func hang(g *guard, path string, release <-chan struct{}) error {
	_, err := guarded(context.Background(), g, path, func(beat func() error) (int, error) {
		_ = beat()
		<-release
		return 1, beat()
	})
	return err
}

func newTestGuard(t *testing.T) *guard {
	t.Helper()
	mounts := filepath.Join(t.TempDir(), "mountinfo")
	var b strings.Builder
	for i := range 20 {
		fmt.Fprintf(&b, "%d 1 0:%d / /mnt/%d rw - nfs server:/ rw\n", i+30, i+30, i)
	}
	put(t, mounts, []byte("29 1 0:29 / / rw - ext4 /dev/vda rw\n"+b.String()))
	g := newGuard(mounts)
	return g
}

// What hangs is left behind, once for each path, and others go on.
func TestStuck(t *testing.T) { synctest.Test(t, testStuck) }

func testStuck(t *testing.T) {
	g, release := newTestGuard(t), make(chan struct{})
	fine := func(path string) error {
		_, err := guarded(context.Background(), g, path, func(func() error) (int, error) { return 1, nil })
		return err
	}
	for what, err := range map[string]error{
		"hangs": hang(g, "/mnt/1/a", release), "again": hang(g, "/mnt/1/a", release),
	} {
		if !errors.Is(err, errStuck) || !strings.Contains(err.Error(), "/mnt/1/a") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(g.inside) != 1 {
		t.Errorf("%d goroutines for one path", len(g.inside))
	}
	if err := fine("/mnt/1/b"); err != nil {
		t.Errorf("another path: %v", err)
	}
	_ = hang(g, "/mnt/1/b", release)
	if err := fine("/mnt/1/c"); !errors.Is(err, errStuck) {
		t.Errorf("a mount with %d stuck: %v", stuckPerMount, err)
	}
	if err := fine("/mnt/10/c"); err != nil {
		t.Errorf("another mount: %v", err)
	}
	for i := 2; i < 20; i++ {
		_ = hang(g, fmt.Sprintf("/mnt/%d/a", i), release)
	}
	if len(g.inside) != stuckMax {
		t.Errorf("%d are left behind, want %d", len(g.inside), stuckMax)
	}
	if err := fine("/elsewhere"); !errors.Is(err, errStuck) {
		t.Errorf("too many: %v", err)
	}
	close(release)
	synctest.Wait()
	if err := fine("/mnt/1/a"); err != nil {
		t.Errorf("what came back is still held to be stuck: %v", err)
	}
}

// A walk that takes long is not one that hangs.
func TestSlowIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newTestGuard(t)
		n, err := guarded(t.Context(), g, "/x", func(beat func() error) (int, error) {
			for range 1000 {
				time.Sleep(g.patience / 2)
				if err := beat(); err != nil {
					return 0, err
				}
			}
			return 7, nil
		})
		if n != 7 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestOtherFileSystem(t *testing.T) {
	dir, err := os.Open(files(t, map[string]int{"d/a": 100_000}))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for dev, counted := range map[uint64]bool{deviceOf(t, dir): true, 1 << 60: false} {
		w := &walk{ctx: t.Context(), beat: func() error { return nil }, dev: dev, links: map[uint64]struct{}{}}
		if err := w.file(int(dir.Fd()), "d", 0); err != nil || (w.bytes > 0) != counted {
			t.Errorf("device %d: %d bytes, %v", dev, w.bytes, err)
		}
	}
}

func deviceOf(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Dev
}
