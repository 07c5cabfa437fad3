package libvirt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// frameMin is a header with nothing behind it.
	frameMin = 28
	// frameMax is libvirt's VIR_NET_MESSAGE_MAX and the length word.
	frameMax = 32<<20 + 4
)

var errFrame = errors.New("frame of impossible length")

// message is one frame on the wire: a header of seven words, and its body.
type message []byte

func (f message) word(i int) uint32 { return binary.BigEndian.Uint32(f[4*i:]) }
func (f message) program() uint32   { return f.word(1) }
func (f message) procedure() uint32 { return f.word(3) }
func (f message) isEvent() bool     { return f.word(4) == 2 }
func (f message) serial() uint32    { return f.word(5) }
func (f message) ok() bool          { return f.word(6) == 0 }
func (f message) body() []byte      { return f[frameMin:] }

// frames cuts a stream into frames. It holds what has come of one, never what
// the length of one announces.
type frames struct{ rest []byte }

// add gives each frame that is whole now; it is valid until each returns.
func (s *frames) add(p []byte, each func(message) error) error {
	s.rest = append(s.rest, p...)
	at := s.rest
	for len(at) >= 4 {
		length := binary.BigEndian.Uint32(at)
		if length < frameMin || length > frameMax {
			return fmt.Errorf("%w: %d bytes", errFrame, length)
		}
		if uint32(len(at)) < length {
			break
		}
		if err := each(message(at[:length])); err != nil {
			return err
		}
		at = at[length:]
	}
	switch {
	case len(at) == 0 && cap(s.rest) > 1<<20:
		s.rest = nil
	case len(at) < len(s.rest):
		s.rest = append(s.rest[:0], at...)
	}
	return nil
}
