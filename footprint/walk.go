package footprint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// breath is how many files are looked at between two pauses, so that a walk
	// of millions takes no disk and no CPU for itself.
	breath = 256
	pause  = 5 * time.Millisecond
	// deepest bounds the directories that are open at once, and linksMax the
	// memory: who is in a container may make any tree.
	deepest  = 256
	linksMax = 1 << 18
)

var errTree = errors.New("too deep or too many hard links")

// Size is a tree's or a file's.
type size struct {
	bytes uint64
	// key is of the top: device and inode.
	key string
}

// sizeOf is what a tree takes on its file system, as du -x counts it: blocks, a
// file with several names once. Nothing in it is opened but directories.
func sizeOf(ctx context.Context, g *guard, path string) (size, error) {
	return guarded(ctx, g, path, func(beat func() error) (size, error) {
		w := &walk{ctx: ctx, beat: beat, links: map[uint64]struct{}{}}
		return w.top(path)
	})
}

// walk is one tree's. It leaves the tree's file system nowhere.
type walk struct {
	ctx   context.Context
	beat  func() error
	dev   uint64
	bytes uint64
	files uint64
	// links is the inodes with several names that were met.
	links map[uint64]struct{}
}

func (w *walk) top(path string) (size, error) {
	if err := w.beat(); err != nil {
		return size{}, err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return size{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	w.dev = st.Dev
	w.count(&st)
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := w.enter(unix.AT_FDCWD, path, 0, 0); err != nil {
			return size{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	return size{w.bytes, inodeKey(&st)}, nil
}

func inodeKey(st *unix.Stat_t) string { return fmt.Sprintf("inode:%d:%d", st.Dev, st.Ino) }

// count adds one file.
func (w *walk) count(st *unix.Stat_t) {
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		if _, met := w.links[st.Ino]; met {
			return
		}
		w.links[st.Ino] = struct{}{}
	}
	if st.Blocks > 0 {
		w.bytes += uint64(st.Blocks) * 512
	}
}

// enter reads a directory. Flags say what else is refused.
func (w *walk) enter(parent int, name string, flags, depth int) error {
	if depth > deepest {
		return errTree
	}
	if err := w.beat(); err != nil {
		return err
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	for {
		if err := w.beat(); err != nil {
			return err
		}
		names, err := dir.Readdirnames(breath)
		for _, name := range names {
			if err := w.file(fd, name, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// file looks at one name in a directory. What is gone meanwhile is not there.
func (w *walk) file(dir int, name string, depth int) error {
	if w.files++; w.files%breath == 0 {
		time.Sleep(pause)
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	if err := w.beat(); err != nil {
		return err
	}
	var st unix.Stat_t
	err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Dev != w.dev:
		return nil
	case len(w.links) > linksMax:
		return errTree
	}
	w.count(&st)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	err = w.enter(dir, name, unix.O_NOFOLLOW, depth+1)
	// It may have been removed, or replaced by something else.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}
