package footprint

import "context"

// Walker goes through directories, one tree at a time.
type Walker struct{ guard *guard }

// NewWalker returns a Walker. Mountinfo is where the mounts are listed.
func NewWalker(mountinfo string) *Walker { return &Walker{guard: newGuard(mountinfo)} }

func (w *Walker) size(ctx context.Context, path string) (size, error) {
	return sizeOf(ctx, w.guard, path)
}
