package workload

import "strconv"

// State tells apart the four things that a missing number can mean.
type State uint8

// The states of a Value. The zero Value is Absent.
const (
	// StateAbsent: the kernel or the hypervisor does not offer this number here.
	StateAbsent State = iota
	// StateKnown: a number was read; zero is a number.
	StateKnown
	// StateUnlimited: the limit file says "max".
	StateUnlimited
	// StateUnreadable: the number should be there, and could not be read or understood.
	StateUnreadable
)

// Value is an optional unsigned number. Absent, zero, unlimited and unreadable
// are four different things, and only a known one may reach a metric.
type Value struct {
	number uint64
	state  State
}

// Known is a number that was read.
func Known(n uint64) Value { return Value{number: n, state: StateKnown} }

// Unlimited is a limit that is not set.
func Unlimited() Value { return Value{state: StateUnlimited} }

// Unreadable is a number that could not be had.
func Unreadable() Value { return Value{state: StateUnreadable} }

// Get returns the number and whether there is one.
func (v Value) Get() (uint64, bool) { return v.number, v.state == StateKnown }

// State says which of the four things v is.
func (v Value) State() State { return v.state }

// Plus adds two numbers. Absent adds nothing; Unreadable or Unlimited in either
// makes the sum so, since a sum with a hole is not a sum.
func (v Value) Plus(w Value) Value {
	switch {
	case v.state == StateAbsent:
		return w
	case w.state == StateAbsent:
		return v
	case v.state == StateUnreadable || w.state == StateUnreadable:
		return Unreadable()
	case v.state == StateUnlimited || w.state == StateUnlimited:
		return Unlimited()
	}
	return Known(v.number + w.number)
}

// Minus subtracts w from v and stops at zero: two counters read one after the
// other may cross by the little that passed in between. Without both numbers
// there is no difference.
func (v Value) Minus(w Value) Value {
	if v.state != StateKnown || w.state != StateKnown {
		if v.state == StateUnreadable || w.state == StateUnreadable {
			return Unreadable()
		}
		return Value{}
	}
	if w.number > v.number {
		return Known(0)
	}
	return Known(v.number - w.number)
}

// Least is the smaller of two limits: a number wins over anything else. One that
// could not be read may be lower than none at all.
func (v Value) Least(w Value) Value {
	switch {
	case v.state == StateKnown && w.state == StateKnown:
		return Known(min(v.number, w.number))
	case v.state == StateKnown || w.state == StateAbsent:
		return v
	case w.state == StateKnown || v.state == StateAbsent:
		return w
	case v.state == StateUnreadable:
		return v
	}
	return w
}

// String is for logs and test failures.
func (v Value) String() string {
	switch v.state {
	case StateKnown:
		return strconv.FormatUint(v.number, 10)
	case StateUnlimited:
		return "unlimited"
	case StateUnreadable:
		return "unreadable"
	}
	return "absent"
}
