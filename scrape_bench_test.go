package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkWholeScrape is scrapes of the binary over HTTP, by the CPU time of its
// process. x_floor is against a bare pread of the descriptors that it keeps, in turns
// with it; of what is past its budget each file counts as much as a kept one. The kernel's
// groups are those of the machine, often without memory files; the captured ones have all files of a container, on a file system that costs nearly nothing.
func BenchmarkWholeScrape(b *testing.B) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	// Most of the descriptors are held twice: by the binary, and for the floor.
	most := uint64(1 << 20)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: most}); err != nil {
		b.Logf("descriptors are bounded to %d: %v", limit.Max, err)
	}
	for _, tree := range []struct {
		name string
		make func(testing.TB, int) string
	}{{"kernel", kernelGroups}, {"captured", capturedGroups}} {
		for _, n := range []int{14, 50, 100, 300, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", tree.name, n), func(b *testing.B) {
				top := tree.make(b, n)
				for _, encoding := range []string{"identity", "gzip"} {
					b.Run(encoding, func(b *testing.B) { benchmarkScrape(b, top, n, encoding) })
				}
				// Two files each: of 10,000 most are kept open where a process may have no more than 20,000.
				b.Run("cpu.stat", func(b *testing.B) {
					benchmarkScrape(b, top, n, "identity", "--no-collector.memory", "--no-collector.pressure", "--no-collector.io", "--no-collector.tasks")
				})
			})
		}
	}
}

// accept is what Prometheus 3 asks for.
const accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
	"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"

func benchmarkScrape(b *testing.B, top string, n int, encoding string, flags ...string) {
	e := newBinary(b, append(flags, "--path.cgroupfs="+top, "--path.rundir="+b.TempDir())...)
	defer e.end(unix.SIGTERM)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	scrape := func() (bytes int64) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, e.url, nil)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", encoding)
		r.Header.Set("Accept", accept)
		resp, err := client.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		if bytes, err = io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		return bytes
	}
	for range 3 {
		scrape()
	}
	kept := keptUnder(b, e.pid, top)
	defer func() {
		for _, fd := range kept {
			unix.Close(fd)
		}
	}()
	read := func() float64 {
		return e.page()["workload_exporter_files_read_total"].GetMetric()[0].GetCounter().GetValue()
	}
	before := read()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	buf := make([]byte, 1<<16)
	var bytes int64
	var ours, floor time.Duration
	for b.Loop() {
		began := cpuOf(b, unix.CLOCK_THREAD_CPUTIME_ID)
		for _, fd := range kept {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				b.Fatal(err)
			}
		}
		floor += cpuOf(b, unix.CLOCK_THREAD_CPUTIME_ID) - began
		began = cpuOf(b, clockOf(e.pid))
		bytes += scrape()
		ours += cpuOf(b, clockOf(e.pid)) - began
	}
	scrapes := float64(b.N)
	b.ReportMetric(float64(ours.Microseconds())/scrapes/1e3, "cpu_ms/scrape")
	b.ReportMetric(float64(ours.Microseconds())/scrapes/float64(n), "cpu_us/workload")
	// The page that tells is one scrape more.
	files := (read() - before) / (scrapes + 1)
	b.ReportMetric(files, "files/scrape")
	if len(kept) > 0 {
		b.ReportMetric(float64(ours)/float64(floor)*float64(len(kept))/files, "x_floor")
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/scrapes, "ms/scrape+floor")
	b.ReportMetric(float64(bytes)/scrapes, "B/scrape")
	b.ReportMetric(mib(residentOf(b, e.pid)), "MiB_resident")
	b.ReportMetric(float64(len(kept)), "kept")
	b.ReportMetric(0, "ns/op")
}

// clockOf is the clock of the CPU time that another process takes, to the nanosecond.
func clockOf(pid int) int32 { return int32(^pid)<<3 | 2 }

func cpuOf(b *testing.B, clock int32) time.Duration {
	b.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// keptUnder opens what a process keeps open below a directory.
func keptUnder(b *testing.B, pid int, top string) []int {
	b.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		b.Fatal(err)
	}
	var kept []int
	for _, link := range links {
		path, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(path, top+"/") {
			continue
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		kept = append(kept, fd)
	}
	return kept
}

func residentOf(b *testing.B, pid int) int64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib << 10
}

// kernelGroups makes groups with a sleeping process in each.
func kernelGroups(b testing.TB, n int) string {
	top := newGrounds(b)
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		b.Fatal(err)
	}
	for i := range n {
		dir := filepath.Join(top, fmt.Sprintf("docker-%064x.scope", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		// os/exec would hold a descriptor of each process.
		pid, err := syscall.ForkExec(sleep, []string{"sleep", "100000"}, &syscall.ProcAttr{
			Sys: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: fd},
		})
		unix.Close(fd)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
			removeGroup(b, dir)
		})
	}
	return top
}

// capturedGroups is as many copies of a captured container.
func capturedGroups(b testing.TB, n int) string {
	list, err := filepath.Glob("cgroupfs/testdata/lab/system.slice/docker-d2456*.scope")
	if err != nil || len(list) != 1 {
		b.Fatalf("%v %v", list, err)
	}
	files, err := os.ReadDir(list[0])
	if err != nil {
		b.Fatal(err)
	}
	top := filepath.Join(b.TempDir(), "groups.slice")
	for i := range n {
		dir := filepath.Join(top, fmt.Sprintf("docker-%064x.scope", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			content, err := os.ReadFile(filepath.Join(list[0], f.Name()))
			if err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, f.Name()), content, 0o600); err != nil {
				b.Fatal(err)
			}
		}
	}
	return top
}
