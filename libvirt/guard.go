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

	// The reader's place in the stream of frames.
	word [4]byte
	have int // bytes of the length word seen
	rest int // bytes of the frame still to come
}

func newGuard(c net.Conn) *guard {
	return &guard{Conn: c, lost: make(chan struct{})}
}

// Read is called by one goroutine only, the client library's reader. An error
// stays an error: the library reads on after some of them.
func (g *guard) Read(p []byte) (int, error) {
	select {
	case <-g.lost:
		return 0, g.err
	default:
	}
	n, err := g.Conn.Read(p)
	if err == nil {
		err = g.follow(p[:n])
	}
	if err != nil {
		g.cut(err)
		return 0, g.err
	}
	return n, nil
}

// follow keeps track of where frames begin.
func (g *guard) follow(p []byte) error {
	for len(p) > 0 {
		if g.rest > 0 {
			n := min(g.rest, len(p))
			g.rest -= n
			p = p[n:]
			continue
		}
		n := copy(g.word[g.have:], p)
		g.have += n
		p = p[n:]
		if g.have < len(g.word) {
			return nil
		}
		g.have = 0
		length := binary.BigEndian.Uint32(g.word[:])
		if length < frameMin || length > frameMax {
			return fmt.Errorf("%w: %d bytes", errFrame, length)
		}
		g.rest = int(length) - len(g.word)
	}
	return nil
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
