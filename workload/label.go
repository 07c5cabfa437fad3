package workload

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLabel is where every name that somebody else chose is cut, in bytes: those
// of guests, tenants, images and units.
const MaxLabel = 256

// Clean makes a label value of whatever s is: valid UTF-8 of at most MaxLabel
// bytes, whose memory is its own.
func Clean(s string) string {
	// What was cut off need not be looked at, however long it is: a rune has
	// at most four bytes, and an invalid byte grows to three.
	if len(s) > MaxLabel {
		s = strings.Clone(s[:min(len(s), MaxLabel+utf8.UTFMax)])
	}
	return cut(strings.ToValidUTF8(s, "\uFFFD"), MaxLabel)
}

// Apart tells an id from another that looks the same: by the inode, within MaxLabel.
func Apart(id string, inode uint64) string {
	mark := fmt.Sprintf("~%d", inode)
	return cut(id, MaxLabel-len(mark)) + mark
}

// cut shortens valid UTF-8 to at most n bytes, between two runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// tidy makes what others told of a candidate fit to be kept and shown: bounded,
// and no part of a longer text that would be kept with it.
func (c *Candidate) tidy() {
	m := &c.Metadata
	for _, s := range []*string{
		&c.Runtime, &c.ID, &c.Name, &c.FullID, &c.Hypervisor, &m.Image, &m.Namespace, &m.Project,
		&m.Kubernetes.Namespace, &m.Kubernetes.Pod, &m.Kubernetes.UID,
	} {
		*s = strings.Clone(Clean(*s))
	}
	for i := range m.Labels {
		l := &m.Labels[i]
		l.Key, l.Value = strings.Clone(Clean(l.Key)), strings.Clone(Clean(l.Value))
	}
}
