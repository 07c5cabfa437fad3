package workload

import (
	"fmt"
	"sync"
	"testing"
)

// Everything at once, for the race detector; what runs in the end is known.
func TestConcurrently(t *testing.T) {
	h := newHost(resolver(func(c *Candidate) Opinion {
		if c.Inode%3 == 0 {
			c.Kind, c.Runtime = KindVM, "kata"
		}
		return Settled
	}))
	const keys, rounds = 8, 300
	stay := domain("stay", 1000, using(1, 1))
	stay.Cgroup = "/stay"
	h.Found("stay", stay)
	shared := func(i int, inode uint64) Candidate {
		c := container("shared", inode, using(1, 1))
		c.Shared, c.Cgroup = true, fmt.Sprint("/shared/", i)
		return c
	}
	var all sync.WaitGroup
	forever := func(what func(i int)) {
		all.Go(func() {
			for i := range rounds {
				what(i)
			}
		})
	}
	forever(func(i int) {
		key := fmt.Sprint(i % keys)
		h.Found(key, container(key, uint64(i), using(1, 1)))
		h.Changed(key)
		h.Found("s"+key, shared(i%keys, uint64(i)))
	})
	forever(func(i int) {
		h.Gone(fmt.Sprint(i * 7 % keys))
		h.Gone(fmt.Sprint("s", i*7%keys))
	})
	forever(func(i int) {
		h.FoundOverhead(fmt.Sprint(i%keys), Owner{FullID: fmt.Sprint(i % keys)}, using(1, 1))
		h.GoneOverhead(fmt.Sprint(i * 7 % keys))
		h.Report("libvirt", i%2 == 0)
		h.Statuses()
	})
	forever(func(i int) {
		h.SetMachines([]Machine{machine(uuid1, "stay", 1000), machine(uuid2, "alone", 1+i/50)})
	})
	for range 3 {
		forever(func(int) {
			var u Usage
			for _, w := range h.Refresh() {
				u.Reset()
				_ = w.Read(&u)
				_ = w.Machine()
			}
		})
	}
	all.Wait()
	for i := range keys {
		h.Gone(fmt.Sprint(i))
		h.Gone(fmt.Sprint("s", i))
	}
	h.SetMachines([]Machine{machine(uuid1, "stay", 1000)})
	h.expect(t, "libvirt/"+h.Refresh()[0].ID+"/stay")
	if len(h.entries)+len(h.taken) != 2 || len(h.waiting)+len(h.changed)+len(h.unions)+len(h.alone) != 0 {
		t.Errorf("left: %d entries, %d labels, %d waiting, %d unions, %d alone",
			len(h.entries), len(h.taken), len(h.waiting), len(h.unions), len(h.alone))
	}
}
