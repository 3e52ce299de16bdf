package bench

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/ops/bench/latency"
	"chat-service/internal/ops/bench/usage"
)

// Row is the result of one run of one scenario.
type Row struct {
	Scenario string             `json:"scenario"`
	Run      int                `json:"run"`
	Values   map[string]float64 `json:"values"`
	CPU      map[string]float64 `json:"cpu_percent"` // per process, of one CPU
	RSS      map[string]float64 `json:"rss_mib"`
	Audit    *Tally             `json:"audit,omitempty"`
	// Saturated says why the tool rather than the system was the bottleneck; empty if it was not.
	Saturated []string `json:"saturated,omitempty"`
	// Disturbed says that other programs, neither system nor tool, used so much CPU that they affected rates and latencies.
	Disturbed bool     `json:"disturbed,omitempty"`
	Notes     []string `json:"notes,omitempty"`
}

func newRow(sp usage.Span, end usage.Snapshot) Row {
	r := Row{Values: map[string]float64{}, CPU: map[string]float64{}, RSS: map[string]float64{}}
	for name, d := range sp.CPU {
		r.CPU[name] = percent(d, sp.Took)
		r.RSS[name] = float64(end.Procs[name].RSS) / (1 << 20)
	}
	r.Values["system_cpu_percent"] = percent(sp.Total(), sp.Took)
	r.Values["harness_cpu_percent"] = percent(sp.Self, sp.Took)
	r.Values["other_cpu_percent"] = percent(sp.Other, sp.Took)
	r.Values["machine_busy_percent"] = sp.Full * 100
	if sp.Other > sp.Took/5 {
		r.Disturbed = true
		r.Notes = append(r.Notes, fmt.Sprintf("other programs of this machine used %.0f %% of a CPU", percent(sp.Other, sp.Took)))
	}
	return r
}

func percent(d, of time.Duration) float64 {
	if of <= 0 {
		return 0
	}
	return math.Round(float64(d)/float64(of)*1000) / 10
}

// pacemaker measures how late the tool's own timers are: a load generator that wakes late measures itself.
type pacemaker struct {
	counting atomic.Bool
	late     latency.Hist
}

const pace = 5 * time.Millisecond

func newPacemaker(ctx context.Context, g *sync.WaitGroup) *pacemaker {
	p := &pacemaker{}
	g.Go(func() {
		for {
			due := time.Now().Add(pace)
			if !sleep(ctx, pace) {
				return
			}
			if p.counting.Load() {
				p.late.Add(time.Since(due))
			}
		}
	})
	return p
}

const (
	fullMachine = 0.97                  // busy share from which no process gets the CPU that it needs
	tooLate     = 20 * time.Millisecond // lateness of the tool's timers from which latencies include the tool's own
	inTime      = 0.98                  // share of an open loop's messages that must be sent within the measured time
)

// judge records whether the tool was the bottleneck. asked is the number of messages that an open loop was to send; 0 = closed loop.
func (r *Row) judge(sp usage.Span, p *pacemaker, c *crowd, asked float64) {
	late := p.late.Quantile(.99)
	r.Values["harness_late_p99_ms"] = ms(late)
	r.Saturated = saturation(sp, late, float64(c.sentIn.Load()), asked)
}

func saturation(sp usage.Span, late time.Duration, sent, asked float64) (why []string) {
	if sp.Full >= fullMachine && sp.Self > sp.Total() {
		why = append(why, fmt.Sprintf("the machine is full and the tool used more of it (%.0f %%) than the system (%.0f %%)",
			percent(sp.Self, sp.Took), percent(sp.Total(), sp.Took)))
	}
	if late > tooLate {
		why = append(why, fmt.Sprintf("the tool itself woke %.0f ms late (p99): latencies include the machine's delays", ms(late)))
	}
	if asked > 0 && sent < asked*inTime {
		why = append(why, fmt.Sprintf("only %.0f of %.0f messages were sent in time", sent, asked))
	}
	return why
}

// Number formats a figure with about three significant digits, and commas.
func Number(v float64) string {
	switch {
	case v < 0:
		return "-" + Number(-v)
	case v >= 100:
		s := strconv.FormatInt(int64(v+.5), 10)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	default:
		digits := 2
		if v >= 10 {
			digits = 1
		}
		s := strconv.FormatFloat(v, 'f', digits, 64)
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
}
