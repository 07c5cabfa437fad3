package cgroupfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchMask is what tells of groups that come and go. A captured tree is an
// ordinary directory, in which things can also be moved.
const watchMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK

// bufferOfNotices holds some eighty, and one of the longest name: what one read brings is
// taken whole, however long that takes.
const bufferOfNotices = 4 << 10

// notice is one inotify event on a watched directory or file.
type notice struct {
	// at is when it was taken from the queue.
	at   time.Duration
	wd   int32
	mask uint32
	name string
}

// inotify is the kernel's queue of notices. fsnotify would do but for one
// thing: a scrape must be able to take, without waiting, all that the kernel
// has queued up to now, so that what started before the scrape is in it.
type inotify struct {
	file *os.File
	conn syscall.RawConn
	buf  []byte
	now  func() time.Duration
}

func newInotify(now func() time.Duration) (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	// os.NewFile sees that the descriptor does not block and gives it to the
	// runtime's poller: waiting costs no thread.
	f := os.NewFile(uintptr(fd), "inotify")
	conn, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("inotify: %w", err)
	}
	return &inotify{file: f, conn: conn, buf: make([]byte, bufferOfNotices), now: now}, nil
}

// add watches a directory or a file.
func (in *inotify) add(path string, mask uint32) (wd int32, err error) {
	ctlErr := in.conn.Control(func(fd uintptr) {
		var n int
		n, err = unix.InotifyAddWatch(int(fd), path, mask)
		wd = int32(n)
	})
	return wd, errors.Join(ctlErr, err)
}

// remove ends a watch. It must be called for a group that is gone as well:
// kernels up to 6.18 say nothing, and count the watch for ever.
func (in *inotify) remove(wd int32) {
	_ = in.conn.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(wd)) })
}

// take hands over what is queued now, and does not wait. There may be more when
// that takes longer than it may.
func (in *inotify) take(within time.Duration, each func(notice)) (more bool, err error) {
	var readErr error
	err = in.conn.Control(func(fd uintptr) {
		more = true
		for began := time.Now(); ; {
			n, err := unix.Read(int(fd), in.buf)
			if err == unix.EINTR {
				continue
			}
			if err != nil || n <= 0 {
				if err != unix.EAGAIN {
					readErr = err
				}
				more = false
				return
			}
			now := in.now()
			parseNotices(in.buf[:n], func(n notice) {
				n.at = now
				each(n)
			})
			if time.Since(began) >= within {
				return
			}
		}
	})
	return more, errors.Join(err, readErr)
}

// wait calls ready whenever something is queued, until it says to stop or the file is closed.
func (in *inotify) wait(ready func() (stop bool)) error {
	return in.conn.Read(func(uintptr) bool { return ready() })
}

// interrupt ends a wait.
func (in *inotify) interrupt() { _ = in.file.SetReadDeadline(time.Unix(1, 0)) }

func (in *inotify) close() error { return in.file.Close() }

// parseNotices reads struct inotify_event, one after the other.
func parseNotices(b []byte, each func(notice)) {
	for len(b) >= unix.SizeofInotifyEvent {
		size := int(binary.NativeEndian.Uint32(b[12:]))
		end := unix.SizeofInotifyEvent + size
		if size < 0 || end > len(b) {
			return
		}
		name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:end], []byte{0})
		each(notice{
			wd:   int32(binary.NativeEndian.Uint32(b)),
			mask: binary.NativeEndian.Uint32(b[4:]),
			name: string(name),
		})
		b = b[end:]
	}
}
