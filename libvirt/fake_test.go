package libvirt

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"

	"github.com/digitalocean/go-libvirt"
)

// The procedures that the fake knows, by their numbers on the wire.
const (
	wireOpen      = 1
	wireClose     = 2
	wireXML       = 14
	wireAuthList  = 66
	wirePolkit    = 70
	wireControl   = 229
	wireSubscribe = 316
	wireLifecycle = 318
	wireReboot    = 319
	wireStats     = 344
	wireAgent     = 348
)

// fakeDomain is a domain of the fake daemon.
type fakeDomain struct {
	name          string
	uuid          uint32
	id            int32
	state, reason int32
	// stuck is its QEMU: monitor calls wait until it is closed.
	stuck chan struct{}
	// params is what a monitor call brings beyond the state.
	params []byte
	count  uint32
	// xml is its description, blocks the answer about its disks, and frozen its
	// storage: then QEMU does not give it before it is closed.
	xml    string
	blocks *fakeDomain
	frozen chan struct{}
}

// request is a frame from the client.
type request struct {
	proc, serial uint32
	body         []byte
}

// fake is a libvirt daemon in the process, over any stream connection.
type fake struct {
	mu      sync.Mutex
	domains []*fakeDomain
	conns   []*fakeConn
	log     []string
	// calls counts monitor calls by domain; control is what ControlInfo says.
	calls   map[string]int
	control map[string]uint32
	// override may answer a request in the fake's place.
	override func(c *fakeConn, r request) bool
	down     bool
}

type fakeConn struct {
	f       *fake
	net     net.Conn
	out     chan []byte
	closed  chan struct{}
	once    sync.Once
	streams map[uint32]uint32 // event id to callback id
}

func newFake(domains ...*fakeDomain) *fake {
	return &fake{domains: domains, calls: map[string]int{}, control: map[string]uint32{}}
}

// dial is the Source's dial: a pipe, so that synctest sees all of it.
func (f *fake) dial(context.Context, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	f.serveLocked(server)
	return client, nil
}

func (f *fake) serve(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serveLocked(c)
}

func (f *fake) serveLocked(n net.Conn) {
	c := &fakeConn{f: f, net: n, out: make(chan []byte, 10000), closed: make(chan struct{}), streams: map[uint32]uint32{}}
	f.conns = append(f.conns, c)
	go c.write()
	go c.read()
}

func (c *fakeConn) close() {
	c.once.Do(func() {
		c.net.Close()
		close(c.closed)
		c.f.mu.Lock()
		defer c.f.mu.Unlock()
		c.f.conns = slices.DeleteFunc(c.f.conns, func(o *fakeConn) bool { return o == c })
	})
}

func (c *fakeConn) write() {
	for {
		select {
		case b := <-c.out:
			if _, err := c.net.Write(b); err != nil {
				c.close()
				return
			}
		case <-c.closed:
			return
		}
	}
}

func (c *fakeConn) read() {
	defer c.close()
	head := make([]byte, 28)
	for {
		if _, err := io.ReadFull(c.net, head); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head)-28)
		if _, err := io.ReadFull(c.net, body); err != nil {
			return
		}
		r := request{proc: binary.BigEndian.Uint32(head[12:]), serial: binary.BigEndian.Uint32(head[20:]), body: body}
		if o := c.f.overridden(); o == nil || !o(c, r) {
			c.answer(r)
		}
	}
}

func (f *fake) overridden() func(*fakeConn, request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.override
}

// set changes the fake under its lock.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// drop hangs up on everybody.
func (f *fake) drop() {
	f.mu.Lock()
	conns := slices.Clone(f.conns)
	f.mu.Unlock()
	for _, c := range conns {
		c.close()
	}
}

func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func (f *fake) called(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[name]
}

// seen is the procedures asked for, in order, and forgets them.
func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := f.log
	f.log = nil
	return log
}

// tell sends an event to all who subscribed to it.
func (f *fake) tell(event, proc uint32, d *fakeDomain, rest ...uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		if id, ok := c.streams[event]; ok {
			c.out <- eventFrame(proc, id, d, rest...)
		}
	}
}

func eventFrame(proc, callback uint32, d *fakeDomain, rest ...uint32) []byte {
	b := appendDomain(words(callback), d)
	return frame(proc, 2, 0, 0, append(b, words(rest...)...))
}

func (c *fakeConn) reply(r request, body []byte) { c.out <- frame(r.proc, 1, r.serial, 0, body) }

func (c *fakeConn) fail(r request, code uint32, message string) {
	c.out <- frame(r.proc, 1, r.serial, 1, append(appendString(words(code, 10, 1), message), words(2)...))
}

func (c *fakeConn) note(what string) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.log = append(c.f.log, what)
}

func (c *fakeConn) answer(r request) {
	switch r.proc {
	case wireAuthList:
		// What a daemon asks of everybody but root.
		const polkit = 2
		c.note("auth")
		c.reply(r, words(1, polkit))
	case wirePolkit:
		c.reply(r, words(1))
	case wireOpen:
		c.note("open")
		c.reply(r, nil)
	case wireClose:
		c.note("close")
		c.reply(r, nil)
	case wireSubscribe:
		c.note("subscribe")
		event := binary.BigEndian.Uint32(r.body)
		c.f.set(func() { c.streams[event] = event + 100 })
		c.reply(r, words(event+100))
	case wireControl:
		name, _ := cutString(r.body)
		c.note("control " + name)
		c.f.mu.Lock()
		state := c.f.control[name]
		c.f.mu.Unlock()
		c.reply(r, words(state, 0, 0, 0))
	case wireXML:
		name, _ := cutString(r.body)
		c.note("xml " + name)
		c.f.mu.Lock()
		defer c.f.mu.Unlock()
		for _, d := range c.f.domains {
			if d.name == name {
				c.reply(r, appendString(nil, d.xml))
				return
			}
		}
		c.fail(r, 42, "no domain")
	case wireStats:
		c.stats(r)
	default:
		c.fail(r, 3, "unknown procedure")
	}
}

func (c *fakeConn) stats(r request) {
	f := c.f
	if n := binary.BigEndian.Uint32(r.body); n == 0 {
		c.note("list")
		f.mu.Lock()
		defer f.mu.Unlock()
		b := words(uint32(len(f.domains)))
		for _, d := range f.domains {
			b = append(appendDomain(b, d), words(2)...)
			b = appendParam(b, "state.state", 1, words(uint32(d.state))...)
			b = appendParam(b, "state.reason", 1, words(uint32(d.reason))...)
		}
		c.reply(r, b)
		return
	}
	name, _ := cutString(r.body[4:])
	f.mu.Lock()
	defer f.mu.Unlock()
	about := "stats"
	if binary.BigEndian.Uint32(r.body[len(r.body)-8:]) == uint32(libvirt.DomainStatsBlock) {
		about = "blocks"
	} else {
		f.calls[name]++
	}
	f.log = append(f.log, about+" "+name)
	for _, d := range f.domains {
		if d.name != name {
			continue
		}
		from, stuck := d, d.stuck
		if about == "blocks" {
			from, stuck = d.blocks, d.frozen
		}
		answer := append(append(appendDomain(words(1), d), words(from.count)...), from.params...)
		if stuck == nil {
			c.reply(r, answer)
			return
		}
		go func() {
			select {
			case <-stuck:
				c.reply(r, answer)
			case <-c.closed:
			}
		}()
		return
	}
	c.reply(r, words(0))
}

// named adds a parameter that is a string.
func (d *fakeDomain) named(key, s string) *fakeDomain {
	d.params = appendParam(d.params, key, 7, appendString(nil, s)...)
	d.count++
	return d
}

// with adds a parameter to what a monitor call brings.
func (d *fakeDomain) with(key string, n uint64) *fakeDomain {
	d.params = appendParam(d.params, key, 4, binary.BigEndian.AppendUint64(nil, n)...)
	d.count++
	return d
}

func frame(proc, kind, serial, status uint32, body []byte) []byte {
	return append(words(uint32(28+len(body)), 0x20008086, 1, proc, kind, serial, status), body...)
}

func words(list ...uint32) []byte {
	var b []byte
	for _, n := range list {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	return append(b, make([]byte, (4-len(s)%4)%4)...)
}

func appendDomain(b []byte, d *fakeDomain) []byte {
	b = append(appendString(b, d.name), words(d.uuid, d.uuid, d.uuid, d.uuid)...)
	return binary.BigEndian.AppendUint32(b, uint32(d.id))
}

func appendParam(b []byte, key string, kind uint32, value ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(appendString(b, key), kind), value...)
}

func cutString(b []byte) (string, []byte) {
	n := binary.BigEndian.Uint32(b)
	return string(b[4 : 4+n]), b[4+(n+3)/4*4:]
}
