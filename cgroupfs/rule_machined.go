package cgroupfs

import (
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// machinedRules are the machines of systemd: vmspawn's by their unit, nspawn's by
// theirs or by the group that nspawn moves the payload to. Whatever else is
// registered with machined reads as nspawn's, whose scopes look the same.
func machinedRules() []rule {
	return []rule{
		{
			kind: workload.KindVM, runtime: "vmspawn",
			forms: []form{{as: `systemd-vmspawn@(?P<id>.+)\.service`}},
		},
		{
			kind: workload.KindContainer, runtime: "nspawn",
			forms: []form{
				{as: `systemd-nspawn@(?P<id>.+)\.service`},
				{as: `machine-(?P<id>.+)\.scope`},
				// --register=no
				{in: `.*/machine\.slice`, as: `(?P<id>[0-9A-Za-z][0-9A-Za-z.\\-]*)\.scope`},
				// --keep-unit
				{in: managed + `/[^/]+\.(?:service|scope)`, as: `payload`, lift: true},
			},
			read: readMachine,
		},
	}
}

func readMachine(m *match) bool {
	c := &m.class
	if !m.form.lift {
		return m.form.in == "" || !foreignScope(m.name)
	}
	stem := m.name[:strings.LastIndexByte(m.name, '.')]
	c.ID = unescapeUnit(stem)
	return stem != "init" && !strings.HasPrefix(stem, "session-") && !strings.HasPrefix(stem, "user@")
}

// foreignScope says that a scope in machine.slice is not named after a machine: it
// is a misnamed one of another runtime, or somebody's systemd-run.
func foreignScope(name string) bool {
	for _, prefix := range []string{
		"apptainer-", "bpm-", "buildah-", "cri-containerd-", "crio-", "crun-", "docker-", "init.", "kata", "libpod-", "lxc-",
		"machine-", "nerdctl-", "podman-", "run-", "runc-", "runsc-", "runtime-rs-", "session-", "singularity-", "virt-",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
