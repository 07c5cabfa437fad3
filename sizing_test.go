package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestSizing holds the sizing table of docs/fleet.md to the binary: series and
// bytes of a scrape of so many captured workloads, and what they are a second.
// The resident memory is this machine's, and only printed.
func TestSizing(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| (\d+) \| (\d+) \| ([\d.]+ [kM]B) \| ([\d.]+ kB) \| (\d+) \| (\d+) \| (\d+) \| \d+ MiB \|$`)
	rows := row.FindAllStringSubmatch(document(t, "docs/fleet.md"), -1)
	if len(rows) != 5 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, told := range rows {
		t.Run(told[1], func(t *testing.T) {
			n := int(amount(t, told[1]))
			b := newBinary(t, "--path.cgroupfs="+mixed(t, n), "--path.rundir="+t.TempDir())
			// A machine is shown once it is known that nobody tells its UUID.
			for until := time.Now().Add(time.Minute); shown(b.page()) != n; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(until) {
					t.Fatalf("%d workloads are shown", shown(b.page()))
				}
			}
			page, packed := b.transfer("identity"), b.transfer("gzip")
			r, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Fatal(err)
			}
			series := float64(len(regexp.MustCompile(`(?m)^[a-z]`).FindAll(page, -1)))
			t.Logf("| %d | %.0f | %d B | %d B | %.0f | %.0f | %.0f | %.0f MiB |", n, series, len(page), len(packed),
				series/15, series/30, series/60, mib(b.look().resident))
			for i, have := range map[int]float64{2: series, 3: float64(len(page)), 4: float64(len(packed)), 5: series / 15, 6: series / 30, 7: series / 60} {
				// Families of the Go runtime, and numbers' digits, differ from one machine to the next.
				if want := amount(t, told[i]); math.Abs(have-want) > 0.05*want+1 {
					t.Errorf("the table has %s, measured: %.0f", told[i], have)
				}
			}
		})
	}
}

// amount is a number of the table, without its unit.
func amount(t *testing.T, s string) float64 {
	t.Helper()
	m := regexp.MustCompile(`^([\d.]+)(?: ([kM])B)?$`).FindStringSubmatch(s)
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v * map[string]float64{"": 1, "k": 1e3, "M": 1e6}[m[2]]
}

// transfer is the body as it was sent.
func (b *binary) transfer(encoding string) []byte {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", encoding)
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return body
}

// mixed is a tree of captured groups: four of Docker's containers to one of libvirt's machines.
func mixed(t *testing.T, n int) string {
	t.Helper()
	container, err := filepath.Glob("cgroupfs/testdata/lab/system.slice/docker-d2456*.scope")
	if err != nil || len(container) != 1 {
		t.Fatal(container, err)
	}
	const machine = `cgroupfs/testdata/lab/machine.slice/machine-qemu\x2d2\x2dvm\x2dtcg.scope`
	top := t.TempDir()
	for i := range n {
		from, to := container[0], fmt.Sprintf("system.slice/docker-%016x%048x.scope", 0x9e3779b97f4a7c15*uint64(i+1), i)
		if i%5 == 0 {
			from, to = machine, fmt.Sprintf(`machine.slice/machine-qemu\x2d%d\x2dvm%d.scope`, i, i)
		}
		if err := os.CopyFS(filepath.Join(top, to), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return top
}
