package libvirt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
)

const (
	// frameMin is a header with nothing behind it. The client library panics,
	// in a goroutine of its own, on anything shorter.
	frameMin = 28
	// frameMax is libvirt's VIR_NET_MESSAGE_MAX and the length word.
	frameMax = 32<<20 + 4
)

var (
	errFrame = errors.New("frame of impossible length")
	errCut   = errors.New("connection cut")
)

// guard is a connection that can be cut at any time, tells when it is lost, and
// lets no frame through whose length the client library would not survive.
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

	// The reader's place in the stream of frames.
	header [frameMin]byte
	have   int // bytes of the header seen
	rest   int // bytes of the frame still to come
}

func newGuard(c net.Conn) *guard {
	return &guard{Conn: c, lost: make(chan struct{}), settled: make(chan struct{})}
}

// Read is called by one goroutine only, the client library's reader. An error
// stays an error: the library reads on after some of them.
func (g *guard) Read(p []byte) (int, error) {
	select {
	case <-g.lost:
		return 0, g.loss()
	default:
	}
	n, err := g.Conn.Read(p)
	if err == nil {
		err = g.follow(p[:n])
	}
	if err != nil {
		g.cut(err)
		return 0, g.loss()
	}
	return n, nil
}

// loss is the error of a connection that was cut.
func (g *guard) loss() error {
	if g.accepted {
		<-g.settled
	}
	return g.err
}

// follow keeps track of where frames begin.
func (g *guard) follow(p []byte) error {
	for len(p) > 0 {
		if g.have < len(g.header) {
			n := copy(g.header[g.have:], p)
			g.have += n
			p = p[n:]
			if err := g.begun(); err != nil {
				return err
			}
		} else {
			n := min(g.rest, len(p))
			g.rest -= n
			p = p[n:]
		}
		if g.have == len(g.header) && g.rest == 0 {
			g.have = 0
			g.accepted = g.accepted || g.isAcceptance()
		}
	}
	return nil
}

// begun checks the length of a frame as soon as it is known.
func (g *guard) begun() error {
	if g.have < 4 {
		return nil
	}
	length := binary.BigEndian.Uint32(g.header[:])
	if length < frameMin || length > frameMax {
		return fmt.Errorf("%w: %d bytes", errFrame, length)
	}
	g.rest = int(length) - frameMin
	return nil
}

// isAcceptance says whether a frame is the good answer to CONNECT_OPEN.
func (g *guard) isAcceptance() bool {
	const connectOpen, reply, ok = 1, 1, 0
	word := func(i int) uint32 { return binary.BigEndian.Uint32(g.header[4*i:]) }
	return word(3) == connectOpen && word(4) == reply && word(6) == ok
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
