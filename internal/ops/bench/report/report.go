package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"chat-service/internal/ops/bench"
)

// Summary is one line of the table: a figure over all runs of its scenario.
type Summary struct {
	bench.Bar
	Median, Min, Max float64
	Runs             int
	Saturated        bool // in at least one run the tool was the bottleneck
	Disturbed        bool // in at least one run other programs used much of the machine
}

// Summarize returns the figures of the scenarios that ran, in the table's order.
func Summarize(rows []bench.Row) []Summary {
	var out []Summary
	for _, bar := range bench.Bars() {
		s := Summary{Bar: bar}
		var vs []float64
		for _, r := range rows {
			if v, ok := r.Values[bar.Value]; ok && r.Scenario == bar.Scenario {
				vs = append(vs, v)
				s.Saturated = s.Saturated || len(r.Saturated) > 0
				s.Disturbed = s.Disturbed || r.Disturbed
			}
		}
		if len(vs) == 0 {
			continue
		}
		s.Runs, s.Median, s.Min, s.Max = len(vs), median(vs), slices.Min(vs), slices.Max(vs)
		out = append(out, s)
	}
	return out
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	n := len(s)
	if n == 0 {
		return 0
	}
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// result says whether the bar was met or missed; "" if there is none.
func (s Summary) result() string {
	switch {
	case s.Limit == 0:
		return ""
	case s.Met(s.Median):
		return "met"
	case s.Disturbed:
		return "missed (machine disturbed)"
	case s.Saturated:
		return "missed (harness saturated)"
	default:
		return "missed"
	}
}

func (s Summary) bar() string {
	switch {
	case s.Limit == 0:
		return ""
	case s.AtLeast:
		return "≥ " + bench.Number(s.Limit) + " " + s.Unit
	default:
		return "≤ " + bench.Number(s.Limit) + " " + s.Unit
	}
}

// Table renders the figures as a Markdown table that reads well in a terminal, too.
func Table(sums []Summary) string {
	lines := [][]string{{"#", "figure", "median", "min–max", "unit", "bar", ""}}
	for _, s := range sums {
		spread := ""
		if s.Runs > 1 {
			spread = bench.Number(s.Min) + "–" + bench.Number(s.Max)
		}
		lines = append(lines, []string{s.Scenario, s.What, bench.Number(s.Median), spread, s.Unit, s.bar(), s.result()})
	}
	return grid(lines, 2, 3)
}

// grid pads the columns; those named are aligned to the right. The first line is the header.
func grid(lines [][]string, right ...int) string {
	width := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	for n, line := range lines {
		for i, cell := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if slices.Contains(right, i) {
				b.WriteString("| " + pad + cell + " ")
			} else {
				b.WriteString("| " + cell + pad + " ")
			}
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i, w := range width {
			rule := strings.Repeat("-", w)
			if slices.Contains(right, i) {
				rule = rule[1:] + ":"
			}
			b.WriteString("| " + rule + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// Processes renders the CPU and memory of every process, medians per scenario.
func Processes(rows []bench.Row) string {
	names := map[string]bool{}
	for _, r := range rows {
		for name := range r.CPU {
			names[name] = true
		}
	}
	head := []string{"process"}
	scenarios := ran(rows)
	for _, s := range scenarios {
		head = append(head, s+" CPU %", "MiB")
	}
	lines := [][]string{head}
	var sorted []string
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		line := []string{name}
		for _, s := range scenarios {
			cpu := over(rows, s, func(r bench.Row) float64 { return r.CPU[name] })
			rss := over(rows, s, func(r bench.Row) float64 { return r.RSS[name] })
			line = append(line, bench.Number(cpu), bench.Number(rss))
		}
		lines = append(lines, line)
	}
	tool := []string{"(this tool)"}
	for _, s := range scenarios {
		tool = append(tool, bench.Number(over(rows, s, func(r bench.Row) float64 { return r.Values["harness_cpu_percent"] })), "")
	}
	lines = append(lines, tool)
	var right []int
	for i := 1; i < len(head); i++ {
		right = append(right, i)
	}
	return grid(lines, right...)
}

func over(rows []bench.Row, scenario string, value func(bench.Row) float64) float64 {
	var vs []float64
	for _, r := range rows {
		if r.Scenario == scenario {
			vs = append(vs, value(r))
		}
	}
	return median(vs)
}

func ran(rows []bench.Row) (names []string) {
	for _, s := range bench.Scenarios() {
		if slices.ContainsFunc(rows, func(r bench.Row) bool { return r.Scenario == s }) {
			names = append(names, s)
		}
	}
	return names
}

// Audit renders the auditor's counts over all rows.
func Audit(rows []bench.Row) string {
	var t bench.Tally
	for _, r := range rows {
		if r.Audit != nil {
			t.Add(*r.Audit)
		}
	}
	text := fmt.Sprintf("audit: %d sent, %d acked, %d stored, %d delivered; %d refused with an error, %d repeats from before a welcome, %d heads",
		t.Sent, t.Acked, t.Stored, t.Delivered, t.Refused, t.Early, t.Heads)
	if bad := t.Violations(); bad != "" {
		return text + "\nVIOLATION: " + bad + "\n"
	}
	return text + "\nnothing lost, repeated, out of order or unstored\n"
}

// LimitTable renders the limits.
func LimitTable(all []bench.Limit) string {
	lines := [][]string{{"server", "work", "per s"}}
	for _, l := range all {
		lines = append(lines, []string{l.Server, l.Work, bench.Number(l.PerS)})
	}
	return grid(lines, 2)
}
