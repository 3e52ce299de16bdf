package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// doctorCmd is `chatctl doctor`.
type doctorCmd struct {
	GatewayConfig string   `placeholder:"FILE" help:"The gateways' YAML (default: gateway.yaml beside --config)."`
	APIConfig     string   `name:"api-config" placeholder:"FILE" help:"The api's YAML (default: api.yaml beside --config)."`
	Bin           string   `default:"bin" help:"Folder of the binaries, which check their own files completely."`
	Ready         []string `placeholder:"URL" help:"Readiness of a process, such as http://10.0.0.5:9102/readyz; may be repeated (default: those of the run, else those in the files)."`
	Declare       bool     `help:"Declare the queues even if no process has run yet, as the first process would."`
	JSON          bool     `help:"Print JSON."`
}

// Help shows examples.
func (*doctorCmd) Help() string {
	return `Checks the configuration files, MySQL, Redis, RabbitMQ and the processes, and says what to do. The exit code is 1 if something FAILs. It changes no data. If the installation has run before, its queues are declared again, as every process does at its start; that reveals whether they match the configuration.

  chatctl doctor
  chatctl doctor --config /etc/chat/worker.yaml --ready http://10.0.0.5:9102/readyz
  chatctl doctor --run .run --json`
}

// level is the severity of a finding.
type level string

const (
	levelOK   level = "ok"
	levelWarn level = "warn"
	levelFail level = "FAIL"
)

// finding is one line of the output; Do says what to do next.
type finding struct {
	Level level  `json:"level"`
	Area  string `json:"area"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"`
}

// findings collects the findings and prints each as it comes.
type findings struct {
	all  []finding
	area string
	live io.Writer // nil: prints nothing
}

func (r *findings) add(l level, text, do string) {
	f := finding{l, r.area, text, do}
	r.all = append(r.all, f)
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

func (r *findings) ok(format string, args ...any) { r.add(levelOK, fmt.Sprintf(format, args...), "") }

func (r *findings) warn(do, format string, args ...any) {
	r.add(levelWarn, fmt.Sprintf(format, args...), do)
}

func (r *findings) fail(do, format string, args ...any) {
	r.add(levelFail, fmt.Sprintf(format, args...), do)
}

// count returns how many findings have the level.
func (r *findings) count(l level) (n int) {
	for _, f := range r.all {
		if f.Level == l {
			n++
		}
	}
	return n
}

// checkWithin bounds the checks of one server.
const checkWithin = 20 * time.Second

// Run checks everything.
func (c *doctorCmd) Run(ctx context.Context, s *Settings, io *streams) error {
	r := &findings{live: io.out}
	if c.JSON {
		r.live = nil
	}
	c.examine(ctx, s, r)
	if c.JSON {
		if err := io.printJSON(map[string]any{"findings": r.all, "ok": r.count(levelFail) == 0}); err != nil {
			return err
		}
	} else {
		_, _ = fmt.Fprintf(io.out, "\n%d ok, %d warnings, %d failures\n", r.count(levelOK), r.count(levelWarn), r.count(levelFail))
	}
	if r.count(levelFail) > 0 {
		return exitError(1)
	}
	return nil
}

// examine runs the checks one after the other, each with its own time limit.
func (c *doctorCmd) examine(ctx context.Context, s *Settings, r *findings) {
	r.area = "config"
	in, err := s.Find(os.Environ())
	x := &examination{Installation: in, cmd: c, r: r}
	x.files(ctx, err)
	for _, step := range []struct {
		area string
		look func(ctx context.Context)
	}{
		{"mysql", x.mysql}, {"redis", x.redis}, {"rabbitmq", x.rabbitmq}, {"processes", x.processes}, {"machine", x.machine},
	} {
		r.area = step.area
		look(ctx, step.look)
	}
}

// look runs a step within its time limit.
func look(ctx context.Context, step func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	step(ctx)
}

// examination is one run of doctor; later steps use what earlier ones found.
type examination struct {
	*Installation
	cmd *doctorCmd
	r   *findings

	pools    []pool // of the processes whose files could be read
	recorded int    // the installation's partitions, 0: unknown or never run
	workers  int    // live ones
	debug    map[string]string
}

// pool is what a process may open to MySQL.
type pool struct {
	process string
	open    int
}
