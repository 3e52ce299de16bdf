package doctor

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"chat-service/internal/ops/installation"
)

// Level is the severity of a finding.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "FAIL"
)

// Finding is one line of the output; Do says what to do next.
type Finding struct {
	Level Level  `json:"level"`
	Area  string `json:"area"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"`
}

// Report collects the findings and prints each as it comes.
type Report struct {
	Findings []Finding

	area string
	live io.Writer // nil: prints nothing
}

func (r *Report) add(l Level, text, do string) {
	f := Finding{l, r.area, text, do}
	r.Findings = append(r.Findings, f)
	if r.live == nil {
		return
	}
	_, _ = fmt.Fprintf(r.live, "%-5s %-9s %s\n", f.Level, f.Area, indented(f.Text))
	if f.Do != "" {
		_, _ = fmt.Fprintf(r.live, "%-15s → %s\n", "", indented(f.Do))
	}
}

func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n                ")
}

func (r *Report) ok(format string, args ...any) { r.add(OK, fmt.Sprintf(format, args...), "") }

func (r *Report) warn(do, format string, args ...any) {
	r.add(Warn, fmt.Sprintf(format, args...), do)
}

func (r *Report) fail(do, format string, args ...any) {
	r.add(Fail, fmt.Sprintf(format, args...), do)
}

// Count returns how many findings have the level.
func (r *Report) Count(l Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// checkWithin bounds the checks of one server.
const checkWithin = 20 * time.Second

// Options say what is examined beside the servers.
type Options struct {
	GatewayConfig, APIConfig string    // the files of these processes; "": beside the one given
	Bin                      string    // folder of the binaries, which check their own files
	Ready                    []string  // readiness URLs; none: those that are known
	Declare                  bool      // declare the queues even if no process has run
	BrokerAPI                string    // RabbitMQ's HTTP API; "": the cluster isn't examined
	Live                     io.Writer // gets each finding as it comes; nil: none
}

// Examine runs the checks one after the other, each with its own time limit. broken is the error of finding the installation.
func Examine(ctx context.Context, in *installation.Installation, broken error, o Options) *Report {
	r := &Report{live: o.Live, area: "config"}
	x := &examination{Installation: in, o: o, r: r}
	x.files(ctx, broken)
	for _, step := range []struct {
		area string
		look func(ctx context.Context)
	}{
		{"mysql", x.mysql}, {"redis", x.redis}, {"rabbitmq", x.rabbitmq}, {"processes", x.processes}, {"machine", x.machine},
	} {
		r.area = step.area
		look(ctx, step.look)
	}
	return r
}

// look runs a step within its time limit.
func look(ctx context.Context, step func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	step(ctx)
}

// examination is one run of doctor; later steps use what earlier ones found.
type examination struct {
	*installation.Installation
	o Options
	r *Report

	pools       []pool   // of the processes whose files could be read
	apiReplicas []string // that the api's file names
	primaryID   string   // server_id of the primary
	recorded    int      // the installation's partitions, 0: unknown or never run
	workers     int      // live ones
	debug       map[string]string
}

// pool is what a process may open to MySQL.
type pool struct {
	process string
	open    int
}
