package process

import "strings"

// qemu is what QEMU's own command line says of the machine.
type qemu struct {
	name, uuid string
	// guest is set where the name was given as guest=NAME, which is how libvirt does it.
	guest bool
	// probe is set on a QEMU that was started to be asked for its abilities.
	probe bool
}

func parseQEMU(args []string) qemu {
	var q qemu
	if v, ok := option(args, "name"); ok {
		q.name, q.guest = guestName(v)
	}
	if v, ok := option(args, "uuid"); ok {
		q.uuid = parseUUID(v)
	}
	for _, flag := range []string{"machine", "M"} {
		if v, ok := option(args, flag); ok {
			kind, _, _ := qemuValue(strings.TrimPrefix(v, "type="))
			q.probe = q.probe || kind == "none"
		}
	}
	return q
}

// guestName reads the value of -name: `NAME[,process=P]...` or `guest=NAME,...`.
func guestName(value string) (name string, explicit bool) {
	for first := true; value != ""; first = false {
		key := ""
		if i := strings.IndexAny(value, "=,"); i >= 0 && value[i] == '=' {
			key, value = value[:i], value[i+1:]
		} else if first {
			// Only the first may go without its key.
			name, value, _ = qemuValue(value)
			continue
		}
		var v string
		v, value, _ = qemuValue(value)
		if key == "guest" {
			name, explicit = v, true
		}
	}
	return name, explicit
}

// qemuValue reads one value of a QEMU option up to the comma that ends it; a
// doubled comma is one that belongs to the value.
func qemuValue(s string) (value, rest string, more bool) {
	if !strings.Contains(s, ",") {
		return s, "", false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != ',' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 >= len(s) || s[i+1] != ',' {
			return b.String(), s[i+1:], true
		}
		b.WriteByte(',')
		i++
	}
	return b.String(), "", false
}

const (
	uuidLength = 36
	noUUID     = "00000000-0000-0000-0000-000000000000"
)

// parseUUID is the UUID in the form that every tool prints, or "" for what is none.
func parseUUID(text string) string {
	text = strings.ToLower(strings.ReplaceAll(text, "-", ""))
	if len(text) != uuidLength-4 {
		return ""
	}
	for i := range len(text) {
		if !isHex(text[i]) {
			return ""
		}
	}
	uuid := text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
	if uuid == noUUID {
		return ""
	}
	return uuid
}
