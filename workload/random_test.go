package workload

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Whatever happens in whatever order: the list is in order, no labels are in it
// twice, and in the end nothing is left.
func TestInvariants(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		h := newHost(resolver(func(c *Candidate) Opinion {
			if c.Domain.ID > 0 && c.Inode%2 == 0 {
				c.ID = uuidOf(c.Domain.ID % 4)
				return Settled
			}
			return Opinion(c.Inode % 3)
		}))
		groups := map[string]*fakeGroup{}
		for i := range 300 {
			n := rnd.IntN(8)
			key := fmt.Sprint(n)
			g := using(uint64(i), 1)
			switch rnd.IntN(10) {
			case 0, 1:
				c := container(fmt.Sprint(n%3), uint64(i), g)
				c.Shared = n%2 == 0
				h.Found(key, c)
				groups[key] = g
			case 2, 3:
				h.Found("m"+key, domain(fmt.Sprint(n), i, g))
			case 4:
				c := container(uuidOf(n%4), uint64(i), g)
				c.Kind, c.Runtime, c.Origin, c.Cgroup = KindVM, "libvirt", OriginProcess, ""
				h.Found("p"+fmt.Sprint(n%4), c)
			case 5:
				h.Gone([]string{"", "m", "p"}[i%3] + key)
			case 6:
				h.SetMachines([]Machine{machine(uuidOf(n%4), key, i-5), machine(uuidOf((n+1)%4), key, i-3)})
			case 7:
				h.clock.pass(time.Duration(rnd.IntN(90)) * time.Second)
			case 8:
				if g := groups[key]; g != nil {
					g.stopped.Store(!g.stopped.Load())
				}
				h.Changed(key)
			case 9:
				h.FoundOverhead(key, Owner{FullID: fmt.Sprint(n % 3)}, g)
				h.GoneOverhead(fmt.Sprint(n + 1))
			}
			checkList(t, seed, h.Refresh())
		}
		for n := range 8 {
			for _, kind := range []string{"", "m", "p"} {
				h.Gone(kind + fmt.Sprint(n))
			}
		}
		h.clock.pass(time.Hour)
		h.SetMachines(nil)
		h.expect(t)
		if len(h.taken)+len(h.waiting)+len(h.changed)+len(h.unions)+len(h.alone)+len(h.joined)+len(h.former) != 0 {
			t.Fatalf("seed %d: something is left", seed)
		}
	}
}

func uuidOf(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func checkList(t *testing.T, seed uint64, list []*Workload) {
	t.Helper()
	if !slices.IsSortedFunc(list, func(a, b *Workload) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Runtime, b.Runtime), cmp.Compare(a.ID, b.ID))
	}) {
		t.Fatalf("seed %d: not in order", seed)
	}
	for i := 1; i < len(list); i++ {
		if list[i].label() == list[i-1].label() {
			t.Fatalf("seed %d: %+v twice, %s %d and %s %d", seed, list[i].label(),
				list[i-1].Origin, list[i-1].Inode, list[i].Origin, list[i].Inode)
		}
	}
}
