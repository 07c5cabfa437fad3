package process

import (
	"os"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestParseStatus(t *testing.T) {
	b, err := os.ReadFile("testdata/lab/proc/1155/status")
	if err != nil {
		t.Fatal(err)
	}
	zero := workload.Known(0)
	for _, tt := range []struct {
		name, text string
		want       status
	}{
		{"getty in the lab", string(b), status{workload.Known(1436 << 10), zero, zero}},
		{"a kernel thread", "Name:\tkthreadd\nThreads:\t1\n", status{}},
		{"another unit", "VmRSS:\t 12 MB\n", status{rss: workload.Unreadable()}},
		{"no number", "VmSwap:\t kB\nVmRSS:\t1 kB", status{rss: workload.Known(1024), swap: workload.Unreadable()}},
		{"too large", "VmRSS:\t 18446744073709551615 kB\n", status{rss: workload.Unreadable()}},
	} {
		if got := parseStatus([]byte(tt.text)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestParseIO(t *testing.T) {
	got := parseIO([]byte("rchar: 9\nread_bytes: 4096\nwrite_bytes: x\n"))
	if want := (storage{workload.Known(4096), workload.Unreadable()}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte("VmRSS:\t    1436 kB\nVmSwap:\t0 kB\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		parseStatus(b)
		parseIO(b)
	})
}
