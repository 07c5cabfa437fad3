package collector

import (
	"bytes"
	"testing"
)

// TestChunks has texts of all sizes around that of a chunk, in pieces of odd sizes,
// one after the other in the same memory.
func TestChunks(t *testing.T) {
	var c chunks
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 5*chunkSize + 7, 3} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7)
		}
		for _, piece := range []int{1, 333, chunkSize, 3 * chunkSize} {
			for rest := want; len(rest) > 0; {
				n := min(piece, len(rest))
				c.add(rest[:n])
				rest = rest[n:]
			}
			if got := bytes.Join(c.list, nil); !bytes.Equal(got, want) || c.size != size {
				t.Errorf("%d bytes in pieces of %d: %d bytes, said to be %d", size, piece, len(got), c.size)
			}
			if most := size/chunkSize + 1; len(c.list) > most {
				t.Errorf("%d bytes are in %d chunks", size, len(c.list))
			}
			c.reset()
		}
	}
	want := make([]byte, 5*chunkSize)
	if n := testing.AllocsPerRun(10, func() { c.add(want); c.reset() }); n != 0 {
		t.Errorf("%v allocations in memory that is there", n)
	}
}
