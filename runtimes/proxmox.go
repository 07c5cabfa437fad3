package runtimes

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/workload-exporter/workload_exporter/workload"
)

// Proxmox names guests by Proxmox VE's configuration files, where they may be
// read. They are on a FUSE file system, which can hang: they are read in the
// background, one at a time, and nobody waits longer than the Registry does.
type Proxmox struct {
	dir    string
	logger *slog.Logger

	mu sync.Mutex
	// names is what was read, by file, and "" where there is none.
	names map[string]string
	// queue is the files to read; reading is set while somebody does.
	queue   []string
	reading bool
	denied  bool
}

const (
	// guestsMax bounds what is remembered, confMax how much of a file is read.
	guestsMax = 10000
	confMax   = 64 << 10
)

// NewProxmox returns a Proxmox of the configuration in dir; "/etc/pve" if empty.
func NewProxmox(dir string, logger *slog.Logger) *Proxmox {
	if dir == "" {
		dir = "/etc/pve"
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Proxmox{dir: dir, logger: logger, names: map[string]string{}}
}

// Expect has the file read before anybody waits for it.
func (p *Proxmox) Expect(c *workload.Candidate) {
	if file, ok := guestFile(c); ok {
		p.mu.Lock()
		defer p.mu.Unlock()
		// A guest may have been renamed since its last run.
		delete(p.names, file)
		p.ask(file)
	}
}

// Name tells what a guest is called that nobody else knows the name of.
func (p *Proxmox) Name(c *workload.Candidate) workload.Opinion {
	file, ok := guestFile(c)
	if !ok || c.Name != c.ID {
		return workload.NoOpinion
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	name, known := p.names[file]
	switch {
	case !known:
		p.ask(file)
		return workload.Wait
	case name != "":
		c.Name = name
	}
	return workload.NoOpinion
}

// guestFile is where the configuration of a guest would be.
func guestFile(c *workload.Candidate) (string, bool) {
	dir := ""
	switch c.Runtime {
	case "proxmox":
		dir = "qemu-server"
	case "lxc":
		dir = "lxc"
	}
	// Proxmox's ids have three digits and more, and nothing but digits.
	if dir == "" || len(c.ID) < 3 || len(c.ID) > 9 || strings.Trim(c.ID, "0123456789") != "" {
		return "", false
	}
	return filepath.Join(dir, c.ID+".conf"), true
}

// ask has a file read, by who is at it already or by somebody new.
func (p *Proxmox) ask(file string) {
	if slices.Contains(p.queue, file) {
		return
	}
	if len(p.queue) < guestsMax {
		p.queue = append(p.queue, file)
	}
	if !p.reading {
		p.reading = true
		go p.read()
	}
}

// read works the queue off.
func (p *Proxmox) read() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) > 0 {
		file := p.queue[0]
		p.mu.Unlock()
		name, err := readGuest(filepath.Join(p.dir, file))
		p.mu.Lock()
		p.queue = p.queue[1:]
		if len(p.names) >= guestsMax {
			clear(p.names)
		}
		p.names[file] = name
		p.tell(err)
	}
	p.queue, p.reading = nil, false
}

// tell says once that there are files that may not be read.
func (p *Proxmox) tell(err error) {
	if denied := errors.Is(err, fs.ErrPermission); denied && !p.denied {
		p.denied = true
		p.logger.Info("Proxmox's guest configuration may not be read", "err", err)
	}
}

func readGuest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, confMax))
	if err != nil {
		return "", err
	}
	return parseGuest(b), nil
}

// parseGuest takes the name from a guest's configuration: `name: X` of a machine,
// `hostname: X` of a container. What follows the first section is snapshots.
func parseGuest(b []byte) string {
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "[") {
			break
		}
		key, value, ok := strings.Cut(line, ":")
		if ok && (key == "name" || key == "hostname") {
			return strings.Clone(strings.TrimSpace(value))
		}
	}
	return ""
}
