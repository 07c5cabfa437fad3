package process

import (
	"cmp"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Guest is a machine of QEMU's, as its own command line tells.
type Guest struct {
	PID        int
	UUID, Name string
}

// Guests finds machines by the number that they have on AF_VSOCK.
type Guests struct {
	proc proc
	now  func() time.Time

	mu      sync.Mutex
	known   map[uint32]Guest
	scanned time.Time
}

// scanGap is how often all processes are looked at for the sake of a number
// that nobody seems to have: anybody may connect from one.
const scanGap = time.Second

const (
	// Numbers below firstCID are the hypervisor's and the host's.
	firstCID = 3
	anyCID   = 1<<32 - 1
)

// NewGuests returns a Guests that looks below a mount of procfs.
func NewGuests(procRoot string) *Guests {
	return &Guests{proc: proc{cmp.Or(procRoot, defaultProcRoot)}, now: time.Now, known: map[uint32]Guest{}}
}

// Find is the machine with a number. False: there is none, or more than one says so.
func (g *Guests) Find(cid uint32) (Guest, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.known[cid]; ok {
		// The number may be another's by now.
		if now, has, ok := g.look(known.PID); ok && has == cid && now == known {
			return known, true
		}
	} else if now := g.now(); now.Sub(g.scanned) < scanGap {
		return Guest{}, false
	}
	g.scanned = g.now()
	g.scan()
	found, ok := g.known[cid]
	return found, ok
}

func (g *Guests) scan() {
	clear(g.known)
	dir, err := os.Open(g.proc.root)
	if err != nil {
		return
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return
	}
	claimed := map[uint32]bool{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		guest, cid, ok := g.look(pid)
		switch {
		case !ok:
		case claimed[cid]:
			delete(g.known, cid)
		default:
			g.known[cid], claimed[cid] = guest, true
		}
	}
}

// look is what a process says it is.
func (g *Guests) look(pid int) (Guest, uint32, bool) {
	comm, err := g.proc.comm(pid)
	if err != nil || hypervisor(comm) != hypervisorQEMU {
		return Guest{}, 0, false
	}
	args, err := g.proc.cmdline(pid)
	if err != nil {
		return Guest{}, 0, false
	}
	q := parseQEMU(args)
	cid, ok := guestCID(args)
	return Guest{pid, q.uuid, q.name}, cid, ok && q.uuid != ""
}

// guestCID is the number in QEMU's vhost-vsock device, which libvirt writes as
// JSON and people as a list.
func guestCID(args []string) (uint32, bool) {
	for i := 1; i+1 < len(args); i++ {
		if strings.TrimPrefix(args[i], "-") != "device" && args[i] != "--device" {
			continue
		}
		i++
		if cid, ok := deviceCID(args[i]); ok {
			return cid, firstCID <= cid && cid < anyCID
		}
	}
	return 0, false
}

func deviceCID(value string) (uint32, bool) {
	if strings.HasPrefix(value, "{") {
		var device struct {
			Driver string  `json:"driver"`
			CID    *uint32 `json:"guest-cid"`
		}
		if json.Unmarshal([]byte(value), &device) != nil || device.CID == nil || !isVsock(device.Driver) {
			return 0, false
		}
		return *device.CID, true
	}
	driver, rest, more := qemuValue(value)
	if !isVsock(strings.TrimPrefix(driver, "driver=")) {
		return 0, false
	}
	for more {
		var property string
		property, rest, more = qemuValue(rest)
		if n, ok := strings.CutPrefix(property, "guest-cid="); ok {
			cid, err := strconv.ParseUint(n, 0, 32)
			return uint32(cid), err == nil
		}
	}
	return 0, false
}

func isVsock(driver string) bool { return strings.HasPrefix(driver, "vhost-vsock-") }
