package libvirt

import (
	"errors"
	"net"
	"sync"
)

var (
	errCut       = errors.New("connection cut")
	errUnasked   = errors.New("an answer that nobody asked for")
	errProcedure = errors.New("an answer to another question")
)

// guard is a connection that can be cut at any time, tells when it is lost, and
// lets nothing through that the client library would not survive: a frame of an
// impossible length, a length within one that is not there, an answer that
// comes twice.
type guard struct {
	net.Conn
	once sync.Once
	// lost is closed when the connection is of no more use; err says why.
	lost chan struct{}
	err  error

	// settled is closed when the client library has returned from connecting.
	// Once the daemon has said yes to it, a loss is told no earlier: the library
	// notes its success without a lock, and races with the note of the loss.
	settled  chan struct{}
	accepted bool

	// mu is for asked: the procedures without an answer, by their serials.
	mu    sync.Mutex
	asked map[uint32]uint32
	out   frames

	// The reader's own: what is in order and not yet read, and what ends it.
	in      frames
	chunk   []byte
	ready   []byte
	trouble error
}

func newGuard(c net.Conn) *guard {
	const chunk = 16 << 10
	return &guard{
		Conn: c, lost: make(chan struct{}), settled: make(chan struct{}),
		asked: map[uint32]uint32{}, chunk: make([]byte, chunk),
	}
}

// Write notes what is asked. The client library writes under a lock.
func (g *guard) Write(p []byte) (int, error) {
	err := g.out.add(p, func(f message) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.asked[f.serial()] = f.procedure()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

// Read is called by one goroutine only, the client library's reader. An error
// stays an error: the library reads on after some of them.
func (g *guard) Read(p []byte) (int, error) {
	for {
		select {
		case <-g.lost:
			return 0, g.loss()
		default:
		}
		if len(g.ready) > 0 {
			n := copy(p, g.ready)
			g.ready = g.ready[n:]
			return n, nil
		}
		if g.trouble != nil {
			g.cut(g.trouble)
			return 0, g.loss()
		}
		n, err := g.Conn.Read(g.chunk)
		g.ready = nil
		g.trouble = errors.Join(g.in.add(g.chunk[:n], g.admit), err)
	}
}

// admit takes a frame that is in order, leaves out what is not for us, and says
// what is wrong with any other.
func (g *guard) admit(f message) error {
	what, isEvent := events[f.procedure()]
	if f.program() != remoteProgram || f.isEvent() && !isEvent {
		return nil
	}
	if !isEvent {
		asked, err := g.answered(f)
		switch {
		case err != nil:
			return err
		case f.ok():
			what = answers[asked]
		default:
			what = (*shape).failure
		}
		if what == nil {
			return errProcedure
		}
	}
	if err := fits(f.body(), what); err != nil {
		return err
	}
	g.accepted = g.accepted || f.procedure() == procedureOpen && f.ok()
	g.ready = append(g.ready, f...)
	return nil
}

// answered is the procedure that a frame answers to.
func (g *guard) answered(f message) (uint32, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	asked, ok := g.asked[f.serial()]
	if !ok {
		return 0, errUnasked
	}
	if asked != f.procedure() {
		return 0, errProcedure
	}
	delete(g.asked, f.serial())
	return asked, nil
}

// loss is the error of a connection that was cut.
func (g *guard) loss() error {
	if g.accepted {
		<-g.settled
	}
	return g.err
}

// cut closes the connection and releases everybody who waits on it.
func (g *guard) cut(why error) {
	g.once.Do(func() {
		g.err = why
		// What closing says of a connection that is given up helps nobody.
		_ = g.Conn.Close()
		close(g.lost)
	})
}

// Close is how the client library hangs up.
func (g *guard) Close() error {
	g.cut(errCut)
	return nil
}
