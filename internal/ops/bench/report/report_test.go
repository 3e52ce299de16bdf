package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/ops/bench"
)

func sample() []bench.Row {
	one := func(run int, acked, p99 float64) bench.Row {
		return bench.Row{
			Scenario: "S1", Run: run, CPU: map[string]float64{"gw1": 10 * acked / 1000, "mysql": 50}, RSS: map[string]float64{"gw1": 20, "mysql": 300},
			Values: map[string]float64{"acked_per_s": acked, "ack_p99_ms": p99, "ack_p50_ms": p99 / 4, "cpu_us_per_message": 120, "harness_cpu_percent": 33},
		}
	}
	s7 := bench.Row{Scenario: "S7", Run: 1, Values: map[string]float64{"page_p99_ms": 14, "pages_per_s": 900}, Saturated: []string{"the tool woke late"}}
	s9 := bench.Row{Scenario: "S9", Run: 1, Values: map[string]float64{"list_p99_ms": 99}, Disturbed: true}
	return []bench.Row{one(1, 9000, 40), one(2, 12_000, 60), one(3, 11_000, 50), s7, s9}
}

func TestTable(t *testing.T) {
	want := `| #   | figure                         | median |  min–max     | unit | bar         |                            |
`
	got := Table(Summarize(sample()))
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	width := utf8.RuneCountInString(lines[0])
	for i, l := range lines {
		if utf8.RuneCountInString(l) != width {
			t.Errorf("line %d is %d wide, not %d: %s", i, utf8.RuneCountInString(l), width, l)
		}
	}
	if strings.Join(strings.Fields(lines[0]), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("head %q", lines[0])
	}
	var cells []string
	for _, l := range lines[2:] {
		cells = append(cells, strings.Join(strings.Fields(l), " "))
	}
	if diff := cmp.Diff([]string{
		"| S1 | acked | 11,000 | 9,000–12,000 | /s | ≥ 10,000 /s | met |",
		"| S1 | CPU per message, all processes | 120 | 120–120 | µs | ≤ 140 µs | met |",
		"| S1 | send → ack p50 | 12.5 | 10–15 | ms | | |",
		"| S1 | send → ack p99 | 50 | 40–60 | ms | | |",
		"| S7 | page p99 | 14 | | ms | ≤ 10 ms | missed (harness saturated) |",
		"| S7 | pages | 900 | | /s | ≥ 2,000 /s | missed (harness saturated) |",
		"| S9 | room list p99 | 99 | | ms | ≤ 15 ms | missed (machine disturbed) |",
	}, cells); diff != "" {
		t.Error(diff)
	}
}

func TestProcesses(t *testing.T) {
	got := Processes(sample())
	for _, want := range []string{"S1 CPU %", "| gw1 ", "| mysql ", "| (this tool) "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if line := strings.Join(strings.Fields(strings.Split(got, "\n")[2]), " "); line != "| gw1 | 110 | 20 | 0 | 0 | 0 | 0 |" {
		t.Errorf("gw1: %s", line)
	}
}

func TestAuditText(t *testing.T) {
	good := Audit([]bench.Row{{Audit: &bench.Tally{Sent: 3, Acked: 3, Stored: 3, Delivered: 27}}})
	if !strings.Contains(good, "3 sent, 3 acked, 3 stored, 27 delivered") || strings.Contains(good, "VIOLATION") {
		t.Error(good)
	}
	if bad := Audit([]bench.Row{{Audit: &bench.Tally{Lost: 2}}}); !strings.Contains(bad, "VIOLATION: 2 not delivered") {
		t.Error(bad)
	}
}

func TestPlotIsWellFormed(t *testing.T) {
	for name, rows := range map[string][]bench.Row{"nothing": nil, "sample": sample(), "one of everything": everything()} {
		t.Run(name, func(t *testing.T) {
			svg := Plot(rows, `a <title> & "more"`)
			d := xml.NewDecoder(strings.NewReader(svg))
			counts := map[string]int{}
			for {
				tok, err := d.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("not XML: %v\n%s", err, svg)
				}
				if e, ok := tok.(xml.StartElement); ok {
					counts[e.Name.Local]++
				}
			}
			bars := counts["rect"] - 1 // one is the ground
			want := 0
			for _, p := range panels() {
				groups, _, _ := p.collect(rows)
				for _, g := range groups {
					want += len(g.bars)
				}
			}
			if bars != want || counts["svg"] != 1 || counts["style"] != 1 {
				t.Errorf("%d bars, want %d; %v", bars, want, counts)
			}
			if !strings.Contains(svg, "prefers-color-scheme:dark") {
				t.Error("unreadable on dark ground")
			}
		})
	}
}

// everything has a row of every scenario with every figure that is drawn.
func everything() (rows []bench.Row) {
	for _, name := range bench.Scenarios() {
		vs := map[string]float64{}
		for i, p := range panels() {
			for k, s := range p.series {
				vs[s.value] = float64(1+i) * float64(1+k) * 1000
			}
		}
		rows = append(rows, bench.Row{Scenario: name, Values: vs})
	}
	return rows
}

func TestScaleKeepsBarsInside(t *testing.T) {
	for _, log := range []bool{true, false} {
		s := scaleOf(log, .5, 900)
		if lo, hi := s(.5), s(900); lo < 0 || hi > 1 || lo >= hi {
			t.Errorf("log %v: %v to %v", log, lo, hi)
		}
	}
}
