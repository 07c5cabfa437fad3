package runtimes

import (
	"cmp"
	"encoding/hex"
	"path"
	"strings"

	"github.com/workload-exporter/workload_exporter/workload"
)

// registration is a file of /run/systemd/machines. It calls itself private;
// sd-login reads it all the same.
type registration struct {
	name, service, class, id, root string
}

// parseRegistration reads KEY=value lines and skips what it does not know.
func parseRegistration(b []byte) registration {
	var r registration
	for line := range strings.Lines(string(b)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		value = unquote(value)
		switch key {
		case "NAME":
			r.name = value
		case "SERVICE":
			r.service = value
		case "CLASS":
			r.class = value
		case "ROOT":
			r.root = value
		case "ID":
			r.id = dashed(value)
		}
	}
	return r
}

// unquote undoes what systemd does to a value of an environment file: quotes
// around it, and a backslash before what the shell would take for its own.
func unquote(v string) string {
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	if strings.IndexByte(v, '\\') < 0 {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		b.WriteByte(v[i])
	}
	return b.String()
}

// dashed is a machine id in the form in which virsh shows a UUID; what is no id
// is none.
func dashed(id string) string {
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 16 || strings.Trim(id, "0") == "" {
		return ""
	}
	id = strings.ToLower(id)
	return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
}

// apply says what a registration makes of a candidate.
func (r registration) apply(c *workload.Candidate) workload.Opinion {
	switch {
	case r.service == "libvirt-lxc", r.service == "libvirt-qemu":
		// The machine's name has lost what systemd would not have in it: the
		// path or the process told as much of it, or more.
		c.ID = cmp.Or(r.id, c.ID)
		c.Name = cmp.Or(c.Name, domainName(r.name))
		if c.ID == "" || r.service == "libvirt-qemu" {
			return workload.NoOpinion
		}
		return workload.Settled
	case r.name == "":
		return workload.NoOpinion
	case r.service == "systemd-nspawn":
		c.Kind, c.Runtime = workload.KindContainer, "nspawn"
	case r.class == "vm" && ownsClass(c):
		c.Kind, c.Runtime = workload.KindVM, "vmspawn"
	case r.class == "container" && ownsClass(c):
		c.Kind, c.Runtime = workload.KindContainer, "nspawn"
	default:
		return workload.NoOpinion
	}
	c.ID, c.Name, c.Metadata.Image = r.name, r.name, image(r.root)
	return workload.Settled
}

// image is what machinectl calls the image in a directory, and the directory
// itself where machinectl would not find it. A disk image is mounted on one that
// is made for the run, whose name says nothing.
func image(root string) string {
	dir, name := path.Split(root)
	switch dir {
	case "/var/lib/machines/", "/usr/local/lib/machines/", "/usr/lib/machines/", "/run/machines/", "/etc/machines/":
		return name
	}
	if strings.HasPrefix(root, "/tmp/") || strings.HasPrefix(root, "/run/") {
		return ""
	}
	return root
}

// ownsClass says that a candidate is machined's to tell the kind of, and not
// another runtime's that happens to register its machines.
func ownsClass(c *workload.Candidate) bool {
	switch c.Runtime {
	case "nspawn", "vmspawn", "systemd", "unknown", "":
		return true
	}
	return false
}

// domainName is libvirt's part of a machine name, DRIVER-ID-NAME.
func domainName(machine string) string {
	_, rest, ok := strings.Cut(machine, "-")
	if !ok {
		return ""
	}
	id, name, ok := strings.Cut(rest, "-")
	if !ok || strings.Trim(id, "0123456789") != "" {
		return ""
	}
	return name
}
