package process

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       stat
		ok         bool
	}{
		{
			"a program that plays tricks", "7 (a) S 1 (b)) R 3 1 1 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 5 0 9876 1 327 1 1",
			stat{state: 'R', ppid: 3, utime: 11, stime: 22, threads: 5, starttime: 9876, rssPages: 327},
			true,
		},
		{
			"a zombie", "7 (a) Z 3 1 1 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 5 0 9876 0 0 1 1",
			stat{state: 'Z', ppid: 3, utime: 11, stime: 22, threads: 5, starttime: 9876},
			true,
		},
		{"empty", "", stat{}, false},
		{"cut", "7 (a) S 1 1 1", stat{}, false},
		{"no number", "7 (a) S 1 1 1 0 -1 4194560 1 2 3 4 x 22 33 44 20 0 5 0 9876 1 327 1 1", stat{}, false},
	} {
		got, ok := parseStat([]byte(tt.text))
		if ok != tt.ok {
			t.Errorf("%s: understood %v, want %v", tt.name, ok, tt.ok)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(stat{})); ok && diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestParseStatOfTheLab(t *testing.T) {
	b, err := os.ReadFile("testdata/lab/proc/1418/stat")
	if err != nil {
		t.Fatal(err)
	}
	s, ok := parseStat(b)
	if !ok || s.threads == 0 || s.starttime == 0 || s.rssPages == 0 || s.utime == 0 || s.ppid != 1 || s.ended() {
		t.Errorf("QEMU's stat is read as %+v, %v", s, ok)
	}
}

func TestAge(t *testing.T) {
	s := stat{starttime: 1500}
	if got := s.age(17 * time.Second); got != 2*time.Second {
		t.Errorf("age is %v", got)
	}
}

func TestParseUint(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "18446744073709551615": true, "18446744073709551616": false, "": false, "-1": false, "1x": false,
	} {
		if _, ok := parseUint([]byte(text)); ok != want {
			t.Errorf("%q: %v, want %v", text, ok, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (a) S 1 (b)) R 3 1 1 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 5 0 9876 1 327 1 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, ok := parseStat(b); ok && s.state == 0 {
			t.Errorf("%q: understood without a state", b)
		}
	})
}
