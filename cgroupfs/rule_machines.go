package cgroupfs

import (
	"strconv"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// machineRules are the virtual machines that a path tells, but for libvirt's.
func machineRules() []rule {
	return []rule{
		{
			kind: workload.KindVM, runtime: "proxmox",
			forms: []form{{in: `.*/qemu\.slice`, as: `(?P<id>[1-9][0-9]{2,8})\.scope`}},
		},
		{
			// The jailer's default parent is the executable's name, which has
			// to begin so.
			kind: workload.KindVM, runtime: "firecracker",
			forms: []form{
				{in: `/firecracker(?:-[0-9A-Za-z._-]+)?`, as: `(?P<id>[0-9A-Za-z-]{1,64})`},
				{in: `.*/firecracker(?:-[0-9A-Za-z._-]+)?`, as: `(?P<id>` + uuid + `)`},
				{as: `firecracker@(?P<id>.+)\.service`},
				{as: `firecracker-(?P<id>.+)\.scope`},
			},
		},
		{
			kind: workload.KindVM, runtime: "cloud-hypervisor",
			forms: []form{
				{as: `cloud-hypervisor@(?P<id>.+)\.service`},
				{as: `cloud-hypervisor-(?P<id>.+)\.scope`},
			},
		},
		{
			kind: workload.KindVM, runtime: "libvirt",
			forms: []form{
				{as: `machine-(?P<machine>.+)\.scope`},
				{as: `(?P<machine>.+)\.libvirt-(?P<driver>qemu|ch|xen)`},
			},
			read: readDomain,
		},
		{
			kind: workload.KindContainer, runtime: "libvirt-lxc",
			forms: []form{
				{as: `machine-(?P<machine>.+)\.scope`},
				{as: `(?P<machine>.+)\.libvirt-(?P<driver>lxc)`},
			},
			read: readDomain,
		},
	}
}

// readDomain reads libvirt's name for a machine: driver, the prefix of a daemon
// that numbers by itself, the number of the run, and what is left of the name.
func readDomain(m *match) bool {
	driver, c := m.group("driver"), &m.class
	if driver == "" {
		return readScope(m)
	}
	c.ID, c.Domain = "", workload.Domain{Driver: driver}
	// Before libvirt 1.3 there was the name alone.
	c.Name = m.group("machine")
	if rest, ok := strings.CutPrefix(c.Name, driver+"-"); ok {
		domainNumber(rest, c)
	}
	return true
}

func readScope(m *match) bool {
	whole := m.group("machine")
	// Early versions put the partition before the machine, with a dash that is
	// not an escaped one.
	last := whole[strings.LastIndexByte(whole, '-')+1:]
	for _, machine := range []string{unescapeUnit(whole), unescapeUnit(last)} {
		driver, rest, ok := strings.Cut(machine, "-")
		if !ok || rest == "" || drivers(m.rule.runtime)[driver] == 0 {
			continue
		}
		c := &m.class
		c.Name, c.Domain = machine, workload.Domain{Driver: driver}
		if domainNumber(rest, c) {
			return true
		}
		if drivers(m.rule.runtime)[driver] == named {
			c.Name = rest
			return true
		}
	}
	return false
}

// Whether a driver is as old as the machine names without a number.
const (
	young = iota + 1
	named
)

func drivers(runtime string) map[string]int {
	if runtime == "libvirt-lxc" {
		return map[string]int{"lxc": named}
	}
	return map[string]int{"qemu": named, "ch": young, "xen": young}
}

// domainNumber reads what follows the driver: [PREFIX-]ID[-NAME]. The prefix is a
// user's name or embed-HASH. The name is left out when none of its characters is
// fit for machined: the class keeps the one it has.
func domainNumber(s string, c *Class) bool {
	id, name, _ := strings.Cut(s, "-")
	if n, ok := domainID(id); ok {
		if c.Domain.ID = n; name != "" {
			c.Name = name
		}
		return true
	}
	if id == "embed" {
		_, name, _ = strings.Cut(name, "-")
	} else if !userName(id) {
		return false
	}
	id, name, ok := strings.Cut(name, "-")
	n, number := domainID(id)
	if !ok || !number || name == "" {
		return false
	}
	c.Domain.ID, c.Domain.Private, c.Name = n, true, name
	return true
}

func domainID(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && s[0] != '0' && s[0] != '+'
}

func userName(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r != '.' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}
