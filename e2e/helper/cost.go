package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// interval is how often Prometheus comes, and rounds how many times.
	interval = 15 * time.Second
	rounds   = 4
	exporter = "http://127.0.0.1:10075/metrics"
	unit     = "workload_exporter"
	// accepts is what Prometheus 3 asks for.
	accepts = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

// cost is what the exporter takes at so many live workloads, one after the other,
// beside the floors on the same groups. Each size has an exporter of its own.
func cost(ctx context.Context, sizes []string) (err error) {
	groups, err := newPopulation("/sys/fs/cgroup", "cost.slice")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, groups.close()) }()
	fmt.Println("| workloads | kept files | their floor | a scrape, text | x floor | gzip | x floor | text bytes | gzip bytes | series " +
		"| resident MiB | descriptors | kernel slab MiB | CPU in 15 s | 11 files: kept | x | opened | x |")
	fmt.Println(strings.Repeat("|---", 18) + "|")
	for _, size := range sizes {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		if err := groups.grow(n); err != nil {
			return err
		}
		if err := costOf(ctx, groups); err != nil {
			return fmt.Errorf("at %d workloads: %w", n, err)
		}
	}
	return nil
}

func costOf(ctx context.Context, groups *population) error {
	n := len(groups.pids)
	pid, slab, err := freshExporter(ctx, n)
	if err != nil {
		return err
	}
	if err := settle(pid); err != nil {
		return err
	}
	every, text, page, err := scrapes(ctx, pid, "identity", interval)
	if err != nil {
		return err
	}
	_, zipped, short, err := scrapes(ctx, pid, "gzip", 0)
	if err != nil {
		return err
	}
	resident, err := kib(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	if err != nil {
		return err
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	paths, err := keptBy(pid, groups.top)
	if err != nil {
		return err
	}
	kept, err := keptFloor(paths)
	if err != nil {
		return err
	}
	eleven, err := keptFloor(groups.eleven())
	if err != nil {
		return err
	}
	opened, err := openFloor(groups.eleven())
	if err != nil {
		return err
	}
	x := func(of, to time.Duration) string { return fmt.Sprintf("%.2f", float64(of)/float64(to)) }
	fmt.Printf("| %d | %d | %s | %s | %s | %s | %s | %d | %d | %d | %.1f | %d | %.1f | %s | %s | %s | %s | %s |\n",
		n, len(paths), ms(kept), ms(text), x(text, kept), ms(zipped), x(zipped, kept), len(page), len(short), series(page),
		float64(resident)/1024, len(open), float64(slab)/1024, ms(every), ms(eleven), x(every, eleven), ms(opened), x(every, opened))
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3) }

// freshExporter starts the service anew, and waits until it shows all workloads.
// slab is by how many KiB the kernel's memory grew.
func freshExporter(ctx context.Context, n int) (pid int, slab int64, err error) {
	if out, err := exec.CommandContext(ctx, "systemctl", "stop", unit).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	before, err := kib("/proc/meminfo", "Slab:")
	if err != nil {
		return 0, 0, err
	}
	if out, err := exec.CommandContext(ctx, "systemctl", "start", unit).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("%w: %s", err, out)
	}
	for shown := -1; shown != n; {
		time.Sleep(time.Second)
		page, err := scrape(ctx, "identity")
		if err != nil {
			return 0, 0, err
		}
		shown = bytes.Count(page, []byte("\nworkload_info{"))
		if shown > n {
			return 0, 0, fmt.Errorf("%d workloads are shown", shown)
		}
	}
	after, err := kib("/proc/meminfo", "Slab:")
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--value", "-p", "MainPID", unit).Output()
	if err != nil {
		return 0, 0, err
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(out)))
	return pid, after - before, err
}

// settle waits for what an exporter does once: it asks when each workload began.
func settle(pid int) error {
	const while, idle = 5 * time.Second, 50 * time.Millisecond
	last, err := cpuTime(clockOf(pid))
	for range 60 {
		if err != nil {
			return err
		}
		time.Sleep(while)
		var now time.Duration
		if now, err = cpuTime(clockOf(pid)); err == nil && now-last < idle {
			return nil
		}
		last = now
	}
	return errors.New("the exporter is never idle")
}

// scrapes is the exporter's CPU time, all of it and that while a scrape lasted, for
// each of the rounds.
func scrapes(ctx context.Context, pid int, encoding string, pause time.Duration) (all, during time.Duration, page []byte, err error) {
	now := func() (at time.Duration) {
		if err == nil {
			at, err = cpuTime(clockOf(pid))
		}
		return at
	}
	if _, err := scrape(ctx, encoding); err != nil {
		return 0, 0, nil, err
	}
	first := now()
	for range rounds {
		time.Sleep(pause)
		began := now()
		if err == nil {
			page, err = scrape(ctx, encoding)
		}
		during += now() - began
	}
	return (now() - first) / rounds, during / rounds, page, err
}

func scrape(ctx context.Context, encoding string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, exporter, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept-Encoding", encoding)
	r.Header.Set("Accept", accepts)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func series(page []byte) (n int) {
	for line := range bytes.Lines(page) {
		if line[0] != '#' {
			n++
		}
	}
	return n
}

// kib is a figure of a file with lines of a name and a number.
func kib(file, name string) (int64, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(content))
	i := slices.Index(fields, name)
	if i < 0 || i+1 == len(fields) {
		return 0, fmt.Errorf("%s: no %s", file, name)
	}
	return strconv.ParseInt(fields[i+1], 10, 64)
}
