package lifecycle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	stateFile = "lifecycle.json"
	// maxState is more than the most runs that are kept track of take.
	maxState = 32 << 20
	// saveGap is the least time between two writes; thrift is how many times
	// longer than a write the pause after it is.
	saveGap = 100 * time.Millisecond
	thrift  = 50
)

// Store keeps what a Tracker knows in a file, for the next process of this boot.
type Store struct {
	path   string
	boot   string
	logger *slog.Logger

	mu     sync.Mutex
	last   []byte
	failed bool
}

// envelope is the file.
type envelope struct {
	Version int    `json:"version"`
	BootID  string `json:"boot_id"`
	Saved
}

const stateVersion = 1

// NewStore returns a Store in dir. BootID tells one boot of the host from another.
func NewStore(dir, bootID string, logger *slog.Logger) *Store {
	return &Store{path: filepath.Join(dir, stateFile), boot: bootID, logger: logger}
}

// Load is what the last process left, or nil if that is of no use.
func (s *Store) Load() *Saved {
	e, err := readState(s.path)
	switch {
	case err == nil && e.BootID == s.boot:
		return &e.Saved
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.logger.Warn("What was under way before the start is not known", "path", s.path, "err", err)
	}
	return nil
}

func readState(path string) (envelope, error) {
	// A pipe would be waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return envelope{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return envelope{}, cmp.Or(err, errors.New("not a regular file"))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxState+1))
	if err != nil {
		return envelope{}, err
	}
	return parseState(b)
}

func parseState(b []byte) (envelope, error) {
	var e envelope
	if len(b) > maxState {
		return e, fmt.Errorf("more than %d bytes", maxState)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, err
	}
	if e.Version != stateVersion {
		return e, fmt.Errorf("version %d is not %d", e.Version, stateVersion)
	}
	return e, nil
}

// Follow saves what changes, until ctx ends. What changes after that is the
// caller's to Write.
func (s *Store) Follow(ctx context.Context, t *Tracker) error {
	for {
		began := time.Now()
		s.Write(t.Save())
		pause := time.NewTimer(max(saveGap, thrift*time.Since(began)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.News():
		}
	}
}

// Write replaces the file, and says once when it cannot.
func (s *Store) Write(saved Saved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(envelope{stateVersion, s.boot, saved})
	if err == nil {
		if bytes.Equal(b, s.last) && !s.failed {
			return
		}
		err = replace(s.path, b)
	}
	switch {
	case err != nil && !s.failed:
		s.logger.Warn("Cannot save what is under way; a restart will lose it", "path", s.path, "err", err)
	case err == nil && s.failed:
		s.logger.Info("What is under way is saved again", "path", s.path)
	}
	s.failed, s.last = err != nil, b
}

// replace writes a file anew, whole or not at all. It does not wait for the
// disk, as libraries for this do: after a crash of the host it would be of another boot.
func replace(path string, b []byte) (err error) {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next)
	}
	return err
}
