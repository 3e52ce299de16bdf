package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"

	"chat-service/internal/ops/bench"
)

// The plot's geometry, in pixels.
const (
	plotWidth  = 860
	labelWidth = 90
	valueWidth = 130
	barHeight  = 14
	barGap     = 3
	groupGap   = 14
	headHeight = 46
	plotMargin = 20
)

// plotStyle is readable on a light and on a dark background.
const plotStyle = `text{font:12px system-ui,sans-serif;fill:#222}.t{font-size:15px;font-weight:600}.d{fill:#666}.g{stroke:#ccc;stroke-width:1}` +
	`.bg{fill:#fff}.c0{fill:#2b6cb0}.c1{fill:#63a4dd}.c2{fill:#d97706}.c3{fill:#f2b45c}.w{stroke:#222;stroke-width:1.5}` +
	`@media(prefers-color-scheme:dark){text{fill:#eee}.d{fill:#aaa}.g{stroke:#444}.bg{fill:#16181d}.w{stroke:#eee}}`

// series is one bar of every group.
type series struct{ value, label string }

// panel is a group of bars per scenario on one scale, logarithmic if the values differ by orders of magnitude.
type panel struct {
	title  string
	unit   string
	log    bool
	series []series
}

func panels() []panel {
	return []panel{
		{"Latency", "ms", true, []series{{"ack_p50_ms", "ack p50"}, {"ack_p99_ms", "ack p99"}, {"deliver_p50_ms", "deliver p50"}, {"deliver_p99_ms", "deliver p99"}}},
		{"Throughput", "per s", true, []series{{"acked_per_s", "acked"}, {"delivered_per_s", "deliveries"}, {"pages_per_s", "pages"}, {"lists_per_s", "room lists"}}},
		{"CPU over all processes", "µs", true, []series{{"cpu_us_per_message", "per message"}, {"cpu_us_per_delivery", "per delivery"}, {"cpu_us_per_request", "per request"}}},
	}
}

// drawn is one bar: median, and the range of the runs.
type drawn struct {
	class           int
	label           string
	value, min, max float64
}

// Plot draws the medians of the rows as SVG: one panel each for latency, throughput and CPU; the thin line is the range of the
// runs. A panel without any measurement is left out.
func Plot(rows []bench.Row, title string) string {
	var body strings.Builder
	y := plotMargin + 10
	put(&body, "t", plotMargin, y, title)
	for _, p := range panels() {
		groups, low, high := p.collect(rows)
		if len(groups) == 0 {
			continue
		}
		y = p.draw(&body, y+groupGap, groups, scaleOf(p.log, low, high))
	}
	height := y + plotMargin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"><title>%s</title><style>%s</style><rect class="bg" width="100%%" height="100%%"/>%s</svg>`+"\n",
		plotWidth, height, plotWidth, height, escape(title), plotStyle, body.String())
}

type group struct {
	name string
	bars []drawn
}

// collect finds the panel's values, and the smallest and largest of them.
func (p panel) collect(rows []bench.Row) (groups []group, low, high float64) {
	low = math.Inf(1)
	for _, name := range ran(rows) {
		g := group{name: name}
		for i, s := range p.series {
			var vs []float64
			for _, r := range rows {
				if v, ok := r.Values[s.value]; ok && r.Scenario == name && v > 0 {
					vs = append(vs, v)
				}
			}
			if len(vs) == 0 {
				continue
			}
			d := drawn{class: i, label: s.label, value: median(vs), min: vs[0], max: vs[0]}
			for _, v := range vs {
				d.min, d.max = min(d.min, v), max(d.max, v)
			}
			low, high = min(low, d.min), max(high, d.max)
			g.bars = append(g.bars, d)
		}
		if len(g.bars) > 0 {
			groups = append(groups, g)
		}
	}
	return groups, low, high
}

// scaleOf returns the function from a value to its place on the scale, 0 to 1; a logarithmic scale begins at the power of ten below the lowest.
func scaleOf(log bool, low, high float64) func(float64) float64 {
	if !log || low <= 0 {
		return func(v float64) float64 { return v / max(high, 1e-9) }
	}
	from := math.Floor(math.Log10(low)) - .2
	to := max(math.Log10(high), from+1)
	return func(v float64) float64 { return min(max((math.Log10(max(v, 1e-12))-from)/(to-from), 0), 1) }
}

// draw writes the panel at y and returns the y at which it ends.
func (p panel) draw(b *strings.Builder, y int, groups []group, scale func(float64) float64) int {
	title := p.title + ", " + p.unit
	if p.log {
		title += " (logarithmic)"
	}
	put(b, "t", plotMargin, y+18, title)
	left, width := plotMargin+labelWidth, float64(plotWidth-2*plotMargin-labelWidth-valueWidth)
	y += headHeight - groupGap
	for _, g := range groups {
		put(b, "", plotMargin, y+barHeight-2, g.name)
		for _, d := range g.bars {
			w := width * scale(d.value)
			fmt.Fprintf(b, `<rect class="c%d" x="%d" y="%d" width="%.1f" height="%d" rx="2"><title>%s %s %s %s</title></rect>`,
				d.class%4, left, y, max(w, 1), barHeight, escape(g.name), escape(d.label), bench.Number(d.value), escape(p.unit))
			if d.max > d.min {
				mid := y + barHeight/2
				fmt.Fprintf(b, `<line class="w" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, float64(left)+width*scale(d.min), float64(left)+width*scale(d.max), mid, mid)
			}
			end := max(w, width*scale(d.max))
			put(b, "d", left+int(end)+6, y+barHeight-2, bench.Number(d.value)+"  "+d.label)
			y += barHeight + barGap
		}
		y += groupGap - barGap
	}
	fmt.Fprintf(b, `<line class="g" x1="%d" x2="%d" y1="%d" y2="%d"/>`, left, plotWidth-plotMargin, y, y)
	return y
}

func put(b *strings.Builder, class string, x, y int, text string) {
	fmt.Fprintf(b, `<text class="%s" x="%d" y="%d">%s</text>`, class, x, y, escape(text))
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder never fails
	return b.String()
}
