package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

var errNoSocket = errors.New("no libvirt socket")

// sockets lists the sockets to try, in order. The read-only ones come first:
// they give all that is asked for, and an exporter needs no more.
func (c *Config) sockets() []string {
	if c.Socket != "" {
		return []string{c.Socket}
	}
	names := []string{"virtqemud-sock-ro", "libvirt-sock-ro", "virtqemud-sock", "libvirt-sock"}
	for i, name := range names {
		names[i] = filepath.Join(c.RunDir, name)
	}
	return names
}

// probe leaves out what does not exist, so that a host without libvirt is told
// apart from one whose libvirt does not answer.
func (c *Config) probe() ([]string, error) {
	var found []string
	for _, path := range c.sockets() {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			found = append(found, path)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w in %s", errNoSocket, c.place())
	}
	return found, nil
}

func (c *Config) place() string {
	if c.Socket != "" {
		return c.Socket
	}
	return c.RunDir
}

func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
