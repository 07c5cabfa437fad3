package libvirt

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/digitalocean/go-libvirt"
	"github.com/google/go-cmp/cmp"

	"github.com/workload-exporter/workload_exporter/workload"
)

func params(pairs ...any) []libvirt.TypedParam {
	var list []libvirt.TypedParam
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, libvirt.TypedParam{Field: pairs[i].(string), Value: libvirt.TypedParamValue{I: pairs[i+1]}})
	}
	return list
}

func TestParseStats(t *testing.T) {
	known := workload.Known
	for name, tc := range map[string]struct {
		params []libvirt.TypedParam
		want   workload.MachineStats
	}{
		"nothing": {},
		// The keys and types that libvirt 10 sends for a KVM guest with a balloon
		// driver, as users of other tools have pasted them.
		"kvm": {
			params: params("cpu.time", uint64(7687040000), "cpu.user", uint64(1210000000), "cpu.system", uint64(6470000000),
				"cpu.cache.monitor.count", uint32(0), "cpu.haltpoll.success.time", uint64(57243720), "cpu.haltpoll.fail.time", uint64(1052341),
				"balloon.current", uint64(4194304), "balloon.maximum", uint64(4194304), "balloon.swap_in", uint64(0), "balloon.swap_out", uint64(0),
				"balloon.major_fault", uint64(711), "balloon.minor_fault", uint64(3312447), "balloon.unused", uint64(3000480),
				"balloon.available", uint64(4020008), "balloon.usable", uint64(3384500), "balloon.last-update", uint64(1709740042),
				"balloon.disk_caches", uint64(540064), "balloon.hugetlb_pgalloc", uint64(0), "balloon.hugetlb_pgfail", uint64(0), "balloon.rss", uint64(1316632),
				"vcpu.current", uint32(2), "vcpu.maximum", uint32(4),
				"vcpu.0.state", int32(1), "vcpu.0.time", uint64(2740000000), "vcpu.0.wait", uint64(0), "vcpu.0.delay", uint64(12345678),
				"vcpu.0.halt_poll_success_ns.sum", uint64(4140816), "vcpu.0.exits.sum", uint64(512345), "vcpu.0.guest_mode.cur", false,
				"vcpu.1.state", int32(1), "vcpu.1.time", uint64(2280000000), "vcpu.1.wait", uint64(0), "vcpu.1.delay", uint64(11111111)),
			want: workload.MachineStats{
				CPUTime: known(7687040000), CPUUser: known(1210000000), CPUSystem: known(6470000000),
				RSS: known(1316632 << 10), VCPUs: known(2), VCPUTime: known(5020000000), RunDelay: known(23456789),
				Maximum: known(4 << 30), Balloon: known(4 << 30),
				Guest: workload.GuestMemory{Total: known(4020008 << 10), Available: known(4020008 << 10), Usable: known(3384500 << 10), Unused: known(3000480 << 10), Updated: known(1709740042)},
			},
		},
		"no balloon driver in the guest": {
			params: params("balloon.current", uint64(16384), "balloon.maximum", uint64(16384), "balloon.last-update", uint64(0), "balloon.rss", uint64(42600)),
			want:   workload.MachineStats{Balloon: known(16 << 20), Maximum: known(16 << 20), RSS: known(42600 << 10)},
		},
		"guest numbers of an unknown age": {
			params: params("balloon.unused", uint64(5), "balloon.available", uint64(6)),
		},
		"the monitor is busy": {
			params: params("cpu.time", uint64(1), "balloon.current", uint64(2), "balloon.maximum", uint64(2), "vcpu.current", uint32(2), "vcpu.maximum", uint32(2), "vcpu.0.time", uint64(9)),
			want:   workload.MachineStats{CPUTime: known(1), Balloon: known(2048), Maximum: known(2048), VCPUs: known(2)},
		},
		"an old daemon has no delay": {
			params: params("vcpu.current", uint32(1), "vcpu.0.time", uint64(9)),
			want:   workload.MachineStats{VCPUs: known(1), VCPUTime: known(9)},
		},
		"half of the vCPUs": {
			params: params("vcpu.current", uint32(2), "vcpu.0.time", uint64(9), "vcpu.1.time", uint64(9), "vcpu.1.delay", uint64(3)),
			want:   workload.MachineStats{VCPUs: known(2), VCPUTime: known(18)},
		},
		"zero is a number": {
			params: params("vcpu.current", uint32(1), "vcpu.0.time", uint64(0), "vcpu.0.delay", uint64(0), "balloon.rss", uint64(0)),
			want:   workload.MachineStats{VCPUs: known(1), VCPUTime: known(0), RunDelay: known(0), RSS: known(0)},
		},
		"other types": {
			params: params("cpu.time", int64(5), "cpu.user", float64(6), "cpu.system", int32(7), "balloon.rss", int64(8)),
			want:   workload.MachineStats{CPUTime: known(5), CPUUser: known(6), CPUSystem: known(7), RSS: known(8192)},
		},
		"impossible values": {
			params: params("cpu.time", int64(-1), "cpu.user", math.NaN(), "cpu.system", "much", "balloon.rss", uint64(math.MaxUint64),
				"balloon.maximum", nil, "vcpu.current", int32(-1), "vcpu.0.time", "late"),
			want: workload.MachineStats{
				CPUTime: workload.Unreadable(), CPUUser: workload.Unreadable(), CPUSystem: workload.Unreadable(), RSS: workload.Unreadable(),
				Maximum: workload.Unreadable(), VCPUs: workload.Unreadable(), VCPUTime: workload.Unreadable(),
			},
		},
		"keys that only look alike": {
			params: params("vcpu.time", uint64(1), "vcpu..time", uint64(2), "vcpu.x.time", uint64(3), "vcpu.0.time.sum", uint64(4), "vcpu.0.timeless", uint64(5), "xvcpu.0.time", uint64(6), "vcpu.-1.time", uint64(7)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, parseStats(tc.params), cmp.AllowUnexported(workload.Value{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzParseStats makes parameters of lines "key type digits": nothing may
// panic, and what has no key must stay absent.
func FuzzParseStats(f *testing.F) {
	f.Add("cpu.time\x04\x00\x00\x00\x00\x00\x00\x00\x09\nvcpu.0.time\x02\x00\x00\x00\x00\x00\x00\x00\x07")
	f.Add("balloon.last-update\x03\xff\xff\xff\xff\xff\xff\xff\xff\nballoon.rss\x05\x7f\xf8\x00\x00\x00\x00\x00\x01\nvcpu.99999999999.delay\x01\x00")
	f.Fuzz(func(t *testing.T, text string) {
		var list []libvirt.TypedParam
		for line := range strings.Lines(text) {
			end := strings.IndexFunc(line, func(r rune) bool { return r < ' ' })
			if end < 0 {
				continue
			}
			bits := make([]byte, 8)
			copy(bits, line[end+1:])
			list = append(list, libvirt.TypedParam{Field: line[:end], Value: libvirt.TypedParamValue{I: typed(line[end], binary.BigEndian.Uint64(bits))}})
		}
		s := parseStats(list)
		if s.VCPUTime.State() != workload.StateAbsent && !strings.Contains(text, ".time") || s.RSS.State() != workload.StateAbsent && !strings.Contains(text, "balloon.rss") {
			t.Errorf("invented: %+v", s)
		}
		if at, ok := s.Guest.Updated.Get(); (!ok || at == 0) && s.Guest != (workload.GuestMemory{}) {
			t.Errorf("guest memory that the guest never told: %+v", s.Guest)
		}
	})
}

func typed(kind byte, n uint64) any {
	switch kind {
	case 1, 6:
		return int32(n)
	case 2:
		return uint32(n)
	case 3:
		return int64(n)
	case 4:
		return n
	case 5:
		return math.Float64frombits(n)
	case 7:
		return "text"
	}
	return nil
}
