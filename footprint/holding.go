package footprint

import "github.com/workload-exporter/workload_exporter/workload"

// Item is one thing on storage: a layer, a tree, a disk's file.
type Item struct {
	// Key says what it is: what two workloads have under one key is one thing.
	Key   string
	Bytes workload.Value
	// Shared is set where others could use it too. What two workloads hold is
	// shared in any case.
	Shared bool
}

// Holding is all that one workload has. A sum with a hole is no sum: an Item that
// should be there and could not be had is unreadable, one that nobody tells absent.
type Holding struct {
	Items []Item
	// Allocated and Capacity are of what the workload can write to.
	Allocated, Capacity workload.Value
}

// population is workloads that are added up together.
type population struct {
	kind    workload.Kind
	runtime string
}

// summary is what is served: made when the workloads or their holdings change.
type summary struct {
	of   map[*workload.Workload]workload.Footprint
	host []workload.HostFootprint
}

// summarize adds up the holdings of list, which is in the order of its labels.
func summarize(list []*workload.Workload, known map[*workload.Workload]*record) *summary {
	s := &summary{of: make(map[*workload.Workload]workload.Footprint, len(list))}
	holders := map[string]int{}
	for _, w := range list {
		if r := known[w]; r != nil && r.holding != nil {
			for _, key := range r.holding.keys() {
				holders[key]++
			}
		}
	}
	index, counted := map[population]int{}, map[string]bool{}
	for _, w := range list {
		r := known[w]
		if r == nil || r.holding == nil {
			continue
		}
		f := workload.Footprint{
			Unique: workload.Known(0), Shared: workload.Known(0),
			Allocated: r.holding.Allocated, Capacity: r.holding.Capacity,
			Updated: workload.Known(uint64(max(0, r.looked.UnixNano()))),
		}
		p := population{w.Kind, w.Runtime}
		i, ok := index[p]
		if !ok {
			i = len(s.host)
			index[p] = i
			s.host = append(s.host, workload.HostFootprint{Kind: w.Kind, Runtime: w.Runtime})
		}
		mine := map[string]bool{}
		for _, item := range r.holding.Items {
			if mine[item.Key] {
				continue
			}
			mine[item.Key] = true
			shared := item.Shared || holders[item.Key] > 1
			if shared {
				f.Shared = sum(f.Shared, item.Bytes)
			} else {
				f.Unique = sum(f.Unique, item.Bytes)
			}
			n, ok := item.Bytes.Get()
			switch {
			case !ok || counted[item.Key]:
			case shared:
				s.host[i].Shared += n
			default:
				s.host[i].Unique += n
			}
			counted[item.Key] = counted[item.Key] || ok
		}
		s.of[w] = f
	}
	return s
}

// keys are those of the items, each once.
func (h *Holding) keys() []string {
	seen := make(map[string]bool, len(h.Items))
	keys := make([]string, 0, len(h.Items))
	for i := range h.Items {
		if k := h.Items[i].Key; !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	return keys
}
