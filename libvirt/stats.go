package libvirt

import (
	"math"
	"strconv"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/workload-exporter/workload_exporter/workload"
)

// parseStats takes a machine's numbers from the VCPU, BALLOON and CPU_TOTAL
// groups. Every key is optional: old daemons lack some, a busy QEMU leaves some
// out, and a KVM host adds dozens for each vCPU that nobody asked for.
//
// Guest memory keeps libvirt's words, which are not the kernel's: "available" is
// the guest's MemTotal, "usable" its MemAvailable and "unused" its MemFree.
// Total is the first of these under the name that says what it is.
func parseStats(params []libvirt.TypedParam) workload.MachineStats {
	var s workload.MachineStats
	var guest workload.GuestMemory
	var vcpus vcpuSum
	for i := range params {
		value := params[i].Value.I
		switch key := params[i].Field; key {
		case "cpu.time":
			s.CPUTime = number(value)
		case "cpu.user":
			s.CPUUser = number(value)
		case "cpu.system":
			s.CPUSystem = number(value)
		case "balloon.rss":
			s.RSS = kibibytes(value)
		case "balloon.maximum":
			s.Maximum = kibibytes(value)
		case "balloon.current":
			s.Balloon = kibibytes(value)
		case "balloon.available":
			guest.Available = kibibytes(value)
			guest.Total = guest.Available
		case "balloon.usable":
			guest.Usable = kibibytes(value)
		case "balloon.unused":
			guest.Unused = kibibytes(value)
		case "balloon.last-update":
			guest.Updated = number(value)
		case "vcpu.current":
			s.VCPUs = number(value)
		default:
			vcpus.add(key, value)
		}
	}
	s.VCPUTime, s.RunDelay = vcpus.sums(s.VCPUs)
	// Zero means that no driver in the guest has ever answered.
	if at, ok := guest.Updated.Get(); ok && at > 0 {
		s.Guest = guest
	}
	return s
}

// vcpuSum adds up vcpu.N.time and vcpu.N.delay.
type vcpuSum struct {
	time, delay   workload.Value
	times, delays uint64
}

func (v *vcpuSum) add(key string, value any) {
	rest, ok := strings.CutPrefix(key, "vcpu.")
	if !ok {
		return
	}
	n, what, ok := strings.Cut(rest, ".")
	if !ok || what != "time" && what != "delay" {
		return
	}
	if _, err := strconv.ParseUint(n, 10, 32); err != nil {
		return
	}
	if what == "time" {
		v.time = v.time.Plus(number(value))
		v.times++
	} else {
		v.delay = v.delay.Plus(number(value))
		v.delays++
	}
}

// sums withholds a sum that does not cover every vCPU: it would be taken for
// a counter that was set back when the missing ones return.
func (v *vcpuSum) sums(online workload.Value) (time, delay workload.Value) {
	want := v.times
	if n, ok := online.Get(); ok {
		want = n
	}
	if v.times == want {
		time = v.time
	}
	if v.delays == want {
		delay = v.delay
	}
	return time, delay
}

// number is a typed parameter's value, whatever its type is this year. What is
// no number, or none that counts something, is unreadable.
func number(v any) workload.Value {
	switch n := v.(type) {
	case uint64:
		return workload.Known(n)
	case uint32:
		return workload.Known(uint64(n))
	case int64:
		if n >= 0 {
			return workload.Known(uint64(n))
		}
	case int32:
		if n >= 0 {
			return workload.Known(uint64(n))
		}
	case float64:
		if n >= 0 && n < math.MaxUint64 {
			return workload.Known(uint64(n))
		}
	}
	return workload.Unreadable()
}

// kibibytes is such a number in bytes.
func kibibytes(v any) workload.Value {
	n, ok := number(v).Get()
	if !ok || n > math.MaxUint64/1024 {
		return workload.Unreadable()
	}
	return workload.Known(n * 1024)
}
