package cgroupfs

import (
	"os"
	"strconv"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// fileID is one of the files that are read of a group.
type fileID int

const (
	fileEvents fileID = iota
	fileCPUStat
	fileCPUMax
	fileCPUSet
	fileMemoryCurrent
	fileMemoryStat
	fileMemoryPeak
	fileMemorySwap
	fileMemoryMax
	fileMemoryEvents
	fileCPUPressure
	fileMemoryPressure
	fileIOPressure
	fileIOStat
	filePIDs
	// fileHugetlb is the first of hugetlb.SIZE.current, one for each page size of the host.
	fileHugetlb
)

// file is what a fileID is called, and the subject that it is read for.
type file struct {
	name    string
	subject workload.Subject
}

func fixedFiles() []file {
	return []file{
		fileEvents:         {"cgroup.events", -1},
		fileCPUStat:        {"cpu.stat", workload.SubjectCPU},
		fileCPUMax:         {"cpu.max", workload.SubjectCPU},
		fileCPUSet:         {"cpuset.cpus.effective", workload.SubjectCPU},
		fileMemoryCurrent:  {"memory.current", workload.SubjectMemory},
		fileMemoryStat:     {"memory.stat", workload.SubjectMemory},
		fileMemoryPeak:     {"memory.peak", workload.SubjectMemory},
		fileMemorySwap:     {"memory.swap.current", workload.SubjectMemory},
		fileMemoryMax:      {"memory.max", workload.SubjectMemory},
		fileMemoryEvents:   {"memory.events", workload.SubjectMemory},
		fileCPUPressure:    {"cpu.pressure", workload.SubjectPressure},
		fileMemoryPressure: {"memory.pressure", workload.SubjectPressure},
		fileIOPressure:     {"io.pressure", workload.SubjectPressure},
		fileIOStat:         {"io.stat", workload.SubjectIO},
		filePIDs:           {"pids.current", workload.SubjectTasks},
	}
}

// hugetlbFiles are the counters of the huge page sizes that this host has, as
// the kernel names them: hugepages-2048kB is hugetlb.2MB.current.
func hugetlbFiles(sysRoot string) []file {
	entries, err := os.ReadDir(sysRoot + "/kernel/mm/hugepages")
	if err != nil {
		return []file{{"hugetlb.2MB.current", workload.SubjectMemory}, {"hugetlb.1GB.current", workload.SubjectMemory}}
	}
	var files []file
	for _, e := range entries {
		size, ok := strings.CutPrefix(e.Name(), "hugepages-")
		kib, err := strconv.ParseUint(strings.TrimSuffix(size, "kB"), 10, 64)
		if !ok || err != nil {
			continue
		}
		files = append(files, file{"hugetlb." + pageSize(kib) + ".current", workload.SubjectMemory})
	}
	return files
}

func pageSize(kib uint64) string {
	switch {
	case kib >= 1<<20:
		return strconv.FormatUint(kib>>20, 10) + "GB"
	case kib >= 1<<10:
		return strconv.FormatUint(kib>>10, 10) + "MB"
	}
	return strconv.FormatUint(kib, 10) + "KB"
}
