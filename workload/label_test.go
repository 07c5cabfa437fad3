package workload

import (
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"plain":                          "plain",
		"\xff":                           "\uFFFD",
		strings.Repeat("a", 257):         strings.Repeat("a", 256),
		"a" + strings.Repeat("ä", 200):   "a" + strings.Repeat("ä", 127),
		strings.Repeat("\xff\n", 200):    strings.Repeat("\uFFFD\n", 64),
		strings.Repeat("\U0001F600", 65): strings.Repeat("\U0001F600", 64),
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%.20q...) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("plain", uint64(1))
	f.Add(strings.Repeat("ä", 2000), uint64(1<<63))
	f.Add("\xf0\x9f\x98", uint64(0))
	f.Fuzz(func(t *testing.T, s string, inode uint64) {
		got := Clean(s)
		if !utf8.ValidString(got) || len(got) > MaxLabel {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if utf8.ValidString(s) && len(s) <= MaxLabel && got != s {
			t.Errorf("Clean(%q) = %q, though nothing was wrong with it", s, got)
		}
		if apart := Apart(got, inode); !utf8.ValidString(apart) || len(apart) > MaxLabel || apart == Apart(got, inode+1) {
			t.Errorf("Apart(%q, %d) = %q", got, inode, apart)
		}
	})
}

// TestNamesAreTidiedAtTheDoor has names that are part of a long text, as a
// command line is: neither the length nor the text may be kept.
func TestNamesAreTidiedAtTheDoor(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	within := func(s string) bool {
		at, start := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(text)))
		return at >= start && at < start+uintptr(len(text))
	}
	r := NewRegistry(Config{Resolvers: []Resolver{resolver(func(c *Candidate) Opinion {
		c.Name, c.Metadata.Image, c.Metadata.Kubernetes.Pod = text[1:], text[2:], "pod\xff"
		return Settled
	})}})
	r.Found("long", Candidate{Identity: Identity{Kind: KindContainer, Runtime: "x", ID: text[:12], Name: text}, Group: using(1, 1)})
	r.SetMachines([]Machine{{UUID: "u", Name: text, DomainID: 1}})
	if c := r.entries["long"].candidate; len(c.Name) > MaxLabel || within(c.ID) || within(c.Name) {
		t.Errorf("the candidate keeps %d bytes of name and %d of id", len(c.Name), len(c.ID))
	}
	if name := r.machines["u"].Name; len(name) > MaxLabel || within(name) {
		t.Errorf("the machine keeps a name of %d bytes", len(name))
	}
	w := r.Refresh()[0]
	for _, s := range []string{w.ID, w.Name, w.Metadata.Image, w.Metadata.Kubernetes.Pod} {
		if len(s) > MaxLabel || within(s) || !utf8.ValidString(s) {
			t.Errorf("the workload keeps %d bytes of %.20q", len(s), s)
		}
	}
}

// TestLongNamesStayApart has three runs whose ids differ only where they are cut.
func TestLongNamesStayApart(t *testing.T) {
	r := NewRegistry(Config{})
	long := strings.Repeat("ä", 300)
	for i, end := range []string{"a", "b", "c"} {
		// Two of them with one inode, which no kernel gives out: still no two are one.
		c := Candidate{Identity: Identity{Kind: KindVM, Runtime: "x", ID: long + end, Name: "same"}, Inode: uint64(7 + i/2), Group: using(1, 1)}
		r.Found(end, c)
	}
	ids := map[string]bool{}
	for _, w := range r.Refresh() {
		ids[w.ID] = true
		if len(w.ID) > MaxLabel || !utf8.ValidString(w.ID) || w.Name != "same" {
			t.Errorf("id %q, name %q", w.ID, w.Name)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d of three are left: %v", len(ids), ids)
	}
}
