package process

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody calls f in a thread that is nobody: the capabilities and file system
// rights of a thread are its own, and end with it.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		// Not unlocked: the runtime ends the thread with the goroutine.
		runtime.LockOSThread()
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534)
		if errno != 0 {
			done <- errno
			return
		}
		f()
		done <- nil
	}()
	if err := <-done; err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("cannot be nobody, and CI skips nothing: %v", err)
		}
		t.Skipf("cannot be nobody: %v", err)
	}
}
