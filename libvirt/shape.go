package libvirt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// remoteProgram is the one that answers; a daemon has others.
const remoteProgram = 0x20008086

// The procedures that are called, and the events that come of them, by their
// numbers in libvirt's remote_protocol.x.
const (
	procedureOpen           = 1
	procedureClose          = 2
	procedureXML            = 14
	procedureAuthList       = 66
	procedureAuthPolkit     = 70
	procedureControlInfo    = 229
	procedureSubscribe      = 316
	procedureUnsubscribe    = 317
	procedureLifecycleEvent = 318
	procedureRebootEvent    = 319
	procedureAllStats       = 344
	procedureAgentEvent     = 348
)

var errShape = errors.New("malformed message")

// answers are the shapes of replies. The client library allocates what a length
// in one announces before it looks for it, and not even recover helps against
// an array of 2^31 records.
var answers = map[uint32]func(*shape){
	procedureOpen:        func(*shape) {},
	procedureClose:       func(*shape) {},
	procedureXML:         (*shape).text,
	procedureAuthList:    func(s *shape) { s.array(4, func() { s.skip(4) }) },
	procedureAuthPolkit:  func(*shape) {},
	procedureControlInfo: func(*shape) {},
	procedureSubscribe:   func(*shape) {},
	procedureUnsubscribe: func(*shape) {},
	procedureAllStats: func(s *shape) {
		const domain, param = 28, 12
		s.array(domain, func() {
			s.domain()
			s.array(param, s.param)
		})
	},
}

// events are those that are subscribed to. All others are decoded as well, if
// they are let through.
var events = map[uint32]func(*shape){
	procedureLifecycleEvent: (*shape).event,
	procedureRebootEvent:    (*shape).event,
	procedureAgentEvent:     (*shape).event,
}

// fits says whether the lengths in a body are those of what is in it. What the
// library refuses by itself passes.
func fits(body []byte, what func(*shape)) error {
	s := &shape{rest: body}
	what(s)
	if s.wrong {
		return fmt.Errorf("%w of %d bytes", errShape, len(body))
	}
	return nil
}

// shape goes through a body in XDR. What ends too early is the library's to
// refuse: only a length that is not there is wrong.
type shape struct {
	rest  []byte
	ended bool
	wrong bool
}

func (s *shape) skip(n int) {
	if n > len(s.rest) {
		s.rest, s.ended = nil, true
		return
	}
	s.rest = s.rest[n:]
}

func (s *shape) word() uint32 {
	if len(s.rest) < 4 {
		s.skip(4)
		return 0
	}
	n := binary.BigEndian.Uint32(s.rest)
	s.skip(4)
	return n
}

// length is that of something whose parts take at least so many bytes.
func (s *shape) length(each int) int {
	n := s.word()
	if uint64(n)*uint64(each) > uint64(len(s.rest)) {
		s.rest, s.ended, s.wrong = nil, true, true
		return 0
	}
	return int(n)
}

func (s *shape) text() {
	n := s.length(1)
	s.skip((n + 3) / 4 * 4)
}

func (s *shape) array(each int, one func()) {
	for n := s.length(each); n > 0 && !s.ended; n-- {
		one()
	}
}

func (s *shape) domain() {
	const uuidAndID = 16 + 4
	s.text()
	s.skip(uuidAndID)
}

func (s *shape) param() {
	s.text()
	switch s.word() {
	case 1, 2, 6:
		s.skip(4)
	case 3, 4, 5:
		s.skip(8)
	case 7:
		s.text()
	default:
		// The library goes no further either.
		s.rest, s.ended = nil, true
	}
}

// event is the number of the subscription and the domain.
func (s *shape) event() {
	s.skip(4)
	s.domain()
}

// failure is an error instead of an answer: its code, its domain, and a text.
func (s *shape) failure() {
	const codeDomainAndThere = 12
	s.skip(codeDomainAndThere)
	s.text()
}
