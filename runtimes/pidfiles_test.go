package runtimes

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/workload-exporter/workload_exporter/workload"
)

func TestPIDFiles(t *testing.T) {
	pids := func(cgroup string) ([]int, error) {
		switch cgroup {
		case "/kvm":
			return []int{7, 1418}, nil
		case "/daemon":
			return []int{1}, nil
		}
		return nil, errors.New("no such group")
	}
	p := NewPIDFiles("testdata/run/libvirt/qemu", pids)
	machine := func(cgroup string) *workload.Candidate {
		return &workload.Candidate{
			Identity: vm("libvirt", "", "vmkvm"), Cgroup: cgroup, Domain: workload.Domain{Driver: "qemu", ID: 1},
		}
	}
	known := machine("/kvm")
	known.Hypervisor = "qemu"
	for _, tt := range []struct {
		what    string
		c       *workload.Candidate
		name    string
		opinion workload.Opinion
	}{
		{"the lossy name", machine("/kvm"), "vm-kvm", workload.NoOpinion},
		{"QEMU has told", known, "vmkvm", workload.NoOpinion},
		{"no file yet", machine("/daemon"), "vmkvm", workload.Wait},
		{"gone", machine("/gone"), "vmkvm", workload.NoOpinion},
		{"another's", &workload.Candidate{Identity: vm("proxmox", "100", "100"), Cgroup: "/kvm"}, "100", workload.NoOpinion},
	} {
		if got := p.Name(tt.c); got != tt.opinion || tt.c.Name != tt.name {
			t.Errorf("%s: opinion %d, name %q", tt.what, got, tt.c.Name)
		}
	}
	none := NewPIDFiles(filepath.Join(t.TempDir(), "none"), pids)
	if c := machine("/kvm"); none.Name(c) != workload.NoOpinion || c.Name != "vmkvm" {
		t.Error("waits for a libvirt that is not there")
	}
}

func TestPIDFilesOfRubbish(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.pid": "", "b.pid": "-5", "c.pid": "x\n", "d": "42", "e.pid": " 42 \n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	makeDir(t, dir, "f.pid")
	p := NewPIDFiles(dir, nil)
	if got := p.list(); len(got) != 1 || got[42] != "e" {
		t.Errorf("%v", got)
	}
}
