package collector

import (
	"strings"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
)

// maxLabelBytes bounds every label value: names come from guests and users.
const maxLabelBytes = 256

// clean makes a label value of whatever s is: valid UTF-8 of bounded length.
func clean(s string) string {
	// What was cut off need not be looked at, however long it is: a rune has
	// at most four bytes, and an invalid byte grows to three.
	if len(s) > maxLabelBytes {
		s = s[:min(len(s), maxLabelBytes+utf8.UTFMax)]
	}
	return cut(strings.ToValidUTF8(s, "\uFFFD"), maxLabelBytes)
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

func pair(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: &name, Value: &value}
}
