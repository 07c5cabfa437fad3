package status

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// unknown is what a cell says that has no number.
const unknown = "-"

func number(v float64, ok bool) string {
	if !ok {
		return unknown
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

func cores(v float64, ok bool) string {
	switch {
	case !ok:
		return unknown
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

func percent(share float64, ok bool) string {
	if !ok {
		return unknown
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

func size(bytes float64, ok bool) string {
	if !ok {
		return unknown
	}
	unit := 0
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for (bytes >= 1024 || bytes <= -1024) && unit < len(units)-1 {
		bytes, unit = bytes/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%.0f B", bytes)
	}
	return fmt.Sprintf("%.1f %s", bytes, units[unit])
}

// span is a duration in seconds, with as much of it as says something.
func span(seconds float64, ok bool) string {
	if !ok || seconds < 0 {
		return unknown
	}
	if seconds < 100 {
		return strconv.FormatFloat(seconds, 'g', 3, 64) + " s"
	}
	d := time.Duration(seconds) * time.Second
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d", d/(24*time.Hour))
}

// age is how long ago something was heard.
func age(seconds float64) string {
	if seconds < 0 {
		return ""
	}
	if seconds < 1 {
		return "heard just now"
	}
	seconds = math.Floor(seconds)
	return "heard " + span(seconds, true) + " ago"
}

func count(t tally) string {
	if t.paused > 0 {
		return fmt.Sprintf("%d, %d paused", t.running, t.paused)
	}
	return strconv.Itoa(t.running)
}
