package cgroupfs

import "github.com/workload-exporter/workload_exporter/workload"

// memoryStat is the keys of memory.stat that are exported; a kernel that does
// not account one of them leaves it absent.
type memoryStat struct {
	anon, shmem, inactiveFile          workload.Value
	kernelStack, pageTables, secondary workload.Value
	percpu, sock, slabUnreclaimable    workload.Value
}

// wantedMemoryKeys is how many keys parseMemoryStat looks for: with all of
// them found the rest of the file, more than half, need not be looked at.
const wantedMemoryKeys = 9

// parseMemoryStat reads memory.stat. Keys are looked up by name: their order
// changed more than once.
func parseMemoryStat(b []byte) memoryStat {
	var s memoryStat
	for found := 0; len(b) > 0 && found < wantedMemoryKeys; {
		var line []byte
		line, b = nextLine(b)
		key, value := nextField(line)
		var field *workload.Value
		switch string(key) {
		case "anon":
			field = &s.anon
		case "shmem":
			field = &s.shmem
		case "inactive_file":
			field = &s.inactiveFile
		case "kernel_stack":
			field = &s.kernelStack
		case "pagetables":
			field = &s.pageTables
		case "sec_pagetables":
			field = &s.secondary
		case "percpu":
			field = &s.percpu
		case "sock":
			field = &s.sock
		case "slab_unreclaimable":
			field = &s.slabUnreclaimable
		default:
			continue
		}
		*field = parseNumber(value)
		found++
	}
	return s
}

// unreclaimable is what the kernel could not give to somebody else without swapping or killing.
func (s *memoryStat) unreclaimable() workload.Value {
	if s.anon.State() == workload.StateAbsent {
		return workload.Value{}
	}
	return s.anon.Plus(s.shmem).Plus(s.kernelStack).Plus(s.pageTables).Plus(s.secondary).
		Plus(s.percpu).Plus(s.sock).Plus(s.slabUnreclaimable)
}

// parseMemoryEvents reads memory.events.
func parseMemoryEvents(b []byte) workload.MemoryEvents {
	var e workload.MemoryEvents
	for len(b) > 0 {
		var line []byte
		line, b = nextLine(b)
		key, value := nextField(line)
		switch string(key) {
		case "low":
			e.Low = parseNumber(value)
		case "high":
			e.High = parseNumber(value)
		case "max":
			e.Max = parseNumber(value)
		case "oom":
			e.OOM = parseNumber(value)
		case "oom_kill":
			e.OOMKill = parseNumber(value)
		}
	}
	return e
}
