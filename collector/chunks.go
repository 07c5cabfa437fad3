package collector

// chunkSize is by how much more than its text an answer may take.
const chunkSize = 64 << 10

// chunks is text that is written once and sent once. A bytes.Buffer that grows to
// the 18 MB of 10,000 workloads takes 48, until the garbage of it is collected.
type chunks struct {
	list  [][]byte
	spare [][]byte
	size  int
}

func (c *chunks) add(b []byte) {
	c.size += len(b)
	for len(b) > 0 {
		last := len(c.list) - 1
		if last < 0 || len(c.list[last]) == chunkSize {
			c.list = append(c.list, c.empty())
			last++
		}
		n := min(len(b), chunkSize-len(c.list[last]))
		c.list[last], b = append(c.list[last], b[:n]...), b[n:]
	}
}

func (c *chunks) empty() (chunk []byte) {
	if last := len(c.spare) - 1; last >= 0 {
		chunk, c.spare = c.spare[last], c.spare[:last]
		return chunk
	}
	return make([]byte, 0, chunkSize)
}

// reset keeps what was allocated.
func (c *chunks) reset() {
	for _, chunk := range c.list {
		c.spare = append(c.spare, chunk[:0])
	}
	clear(c.list)
	c.list, c.size = c.list[:0], 0
}
