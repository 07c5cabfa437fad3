package workload

import "testing"

func nothings() []Value { return []Value{{}, Unlimited(), Unreadable()} }

func TestFourKindsOfNothing(t *testing.T) {
	for _, tt := range []struct {
		v     Value
		state State
		text  string
	}{
		{Value{}, StateAbsent, "absent"},
		{Known(0), StateKnown, "0"},
		{Unlimited(), StateUnlimited, "unlimited"},
		{Unreadable(), StateUnreadable, "unreadable"},
	} {
		n, ok := tt.v.Get()
		if tt.v.State() != tt.state || tt.v.String() != tt.text || ok != (tt.state == StateKnown) || n != 0 {
			t.Errorf("%v has state %d and number %d, %v", tt.v, tt.v.State(), n, ok)
		}
	}
}

func TestArithmetic(t *testing.T) {
	absent, unlimited, unreadable := Value{}, Unlimited(), Unreadable()
	for _, tt := range []struct{ v, w, plus, minus, least Value }{
		{Known(5), Known(3), Known(8), Known(2), Known(3)},
		{Known(3), Known(5), Known(8), Known(0), Known(3)},
		{Known(5), absent, Known(5), absent, Known(5)},
		{absent, Known(5), Known(5), absent, Known(5)},
		{Known(5), unlimited, unlimited, absent, Known(5)},
		{unlimited, Known(5), unlimited, absent, Known(5)},
		{Known(5), unreadable, unreadable, unreadable, Known(5)},
		{unreadable, Known(5), unreadable, unreadable, Known(5)},
		{absent, absent, absent, absent, absent},
		{absent, unlimited, unlimited, absent, unlimited},
		{absent, unreadable, unreadable, unreadable, unreadable},
		{unlimited, unreadable, unreadable, unreadable, unreadable},
		{unreadable, unlimited, unreadable, unreadable, unreadable},
	} {
		if got := tt.v.Plus(tt.w); got != tt.plus {
			t.Errorf("%v + %v = %v, want %v", tt.v, tt.w, got, tt.plus)
		}
		if got := tt.v.Minus(tt.w); got != tt.minus {
			t.Errorf("%v - %v = %v, want %v", tt.v, tt.w, got, tt.minus)
		}
		if got := tt.v.Least(tt.w); got != tt.least {
			t.Errorf("least of %v and %v = %v, want %v", tt.v, tt.w, got, tt.least)
		}
	}
}

func TestLaws(t *testing.T) {
	all := append(nothings(), Known(0), Known(1), Known(7))
	for _, a := range all {
		if a.Plus(Value{}) != a || a.Least(Value{}) != a || a.Least(a) != a {
			t.Errorf("absent changes %v", a)
		}
		for _, b := range all {
			if a.Plus(b) != b.Plus(a) {
				t.Errorf("%v + %v depends on the order", a, b)
			}
			if a.Least(b) != b.Least(a) {
				t.Errorf("least of %v and %v depends on the order", a, b)
			}
			for _, c := range all {
				if a.Plus(b).Plus(c) != a.Plus(b.Plus(c)) {
					t.Errorf("%v + %v + %v depends on the brackets", a, b, c)
				}
				if a.Least(b).Least(c) != a.Least(b.Least(c)) {
					t.Errorf("least of %v, %v and %v depends on the brackets", a, b, c)
				}
			}
		}
	}
}
