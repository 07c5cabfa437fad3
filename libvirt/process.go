package libvirt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// settleTime is how long after a domain was first seen its PID file and its
// cgroup may still appear.
const settleTime = time.Minute

// process is where one run of a domain lives on the host.
type process struct {
	pid    int
	cgroup string
	first  time.Time
	// settled: this is what will be known of this run.
	settled bool
}

// findProcesses reads each new run's PID file and cgroup, and again only while
// the run is being built or the files are not there yet.
func (s *Source) findProcesses() {
	now := time.Now()
	running := make(map[run]*process, len(s.listed))
	for i := range s.listed {
		d := &s.listed[i]
		p := s.process[d.run]
		if p == nil {
			p = &process{first: now}
		}
		running[d.run] = p
		if p.settled {
			continue
		}
		complete := s.find(p, d.handle.Name)
		p.settled = complete && !d.starting() || now.Sub(p.first) > settleTime
	}
	s.process = running
}

// find says whether all was found that there is to find.
func (s *Source) find(p *process, name string) bool {
	pid, err := readPID(s.cfg.PIDDir, name)
	if err != nil {
		return false
	}
	p.pid = pid
	if s.cfg.CgroupOf == nil {
		return true
	}
	p.cgroup, err = s.cfg.CgroupOf(pid)
	return err == nil
}

// readPID reads the file that QEMU is told to write its PID to. The file has
// the domain's exact name, which no other place on the host has.
func readPID(dir, name string) (int, error) {
	if strings.ContainsAny(name, "/\x00") {
		return 0, errors.New("domain name is not a file name")
	}
	f, err := os.Open(filepath.Join(dir, name+".pid"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return 0, err
	}
	return parsePID(string(text))
}

func parsePID(text string) (int, error) {
	pid, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("parsing a PID: %w", err)
	}
	if pid <= 0 {
		return 0, fmt.Errorf("PID %d is none", pid)
	}
	return int(pid), nil
}
