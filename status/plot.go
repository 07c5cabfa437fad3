package status

import (
	"strconv"
	"strings"
	"time"
)

// The size of a plot in its own units.
const (
	plotWidth, plotHeight = 300.0, 80.0
)

// plot is one number over the last minutes, all kinds on one axis.
type plot struct {
	Title, Top string
	Lines      []curve
}

// curve is one kind's.
type curve struct{ Kind, Points string }

func plots(h history, kinds []string) []plot {
	if len(h) < 2 {
		return nil
	}
	return []plot{
		draw("CPU, cores", h, kinds, func(p point) float64 { return p.cpu }, cores),
		draw("Memory, unreclaimable and overhead", h, kinds, func(p point) float64 { return p.memory }, size),
		draw("CPU pressure, mean", h, kinds, func(p point) float64 { return p.waiting }, percent),
	}
}

func draw(title string, h history, kinds []string, of func(point) float64, text func(float64, bool) string) plot {
	top := 0.0
	for _, m := range h {
		for _, p := range m.kinds {
			top = max(top, of(p))
		}
	}
	p := plot{Title: title, Top: text(top, true)}
	begin, last := h[0].at, h[len(h)-1].at
	for _, kind := range kinds {
		var points []string
		for _, m := range h {
			at, ok := m.kinds[kind]
			if !ok {
				continue
			}
			x := plotWidth * share(m.at.Sub(begin), last.Sub(begin))
			y := plotHeight * (1 - portion(of(at), top))
			points = append(points, coordinate(x)+","+coordinate(y))
		}
		p.Lines = append(p.Lines, curve{kind, strings.Join(points, " ")})
	}
	return p
}

func share(part, whole time.Duration) float64 { return portion(part.Seconds(), whole.Seconds()) }

func coordinate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
