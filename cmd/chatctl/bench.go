package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"chat-service/internal/ops/bench"
	"chat-service/internal/ops/bench/privatestack"
	"chat-service/internal/ops/bench/report"
	"chat-service/internal/ops/stack"
)

// benchCmd is `chatctl bench`.
type benchCmd struct {
	Scenario string        `default:"S1,S2,S3,S4" help:"Scenarios S1 to S11, separated by commas, or all."`
	Runs     int           `default:"5" help:"Runs of each scenario, interleaved; the table shows medians."`
	Duration time.Duration `default:"10s" help:"Measured time of a run."`
	Warmup   time.Duration `default:"2s" help:"Time before the measured time."`
	Payload  int           `default:"128" help:"Bytes of text per message."`
	Even     bool          `help:"S3: spread the rooms' messages evenly in time; otherwise all rooms send at once, ten times a second."`
	Conns    int           `default:"10000" help:"S5, S6: connections."`
	Settle   time.Duration `default:"60s" help:"S5: time from the last connection to the measurement of memory."`
	IdleCPU  time.Duration `name:"idle-cpu" default:"60s" help:"S5: time over which idle CPU is measured."`
	History  int           `default:"5000000" help:"S7: messages in all rooms; a fifth of them is in the room that is read."`
	Points   []int         `default:"10,100,1000,10000" help:"S8: numbers of rooms, then of members."`
	Quick    bool          `help:"One short run of everything at a small size, for a first impression."`
	Limits   bool          `help:"First measure what RabbitMQ and MySQL can do by themselves; with --scenario none only that."`
	Queue    string        `enum:"quorum,classic" default:"quorum" help:"Type of the inbound queues for --limits."`

	Out      string `help:"Folder for rows.jsonl, table.md and plot.svg (default: results in --dir)."`
	Dir      string `default:".run/bench" help:"Run directory of the private servers; accounts are stored there, too."`
	Fresh    bool   `help:"Delete the data of earlier runs."`
	PkgCache string `env:"CHAT_PKG_CACHE" help:"Folder for downloaded packages."`
	Bin      string `default:"bin" help:"Folder of the binaries gateway, worker and api."`
	Configs  string `default:"configs" help:"Folder of gateway.yaml, worker.yaml and api.yaml."`
	Gateways int    `default:"2" help:"Number of private gateways."`
	Workers  int    `default:"2" help:"Number of private workers."`

	API   string   `help:"REST base of a running system, http://host:port/api/v1; no private system is started then."`
	URL   []string `help:"WebSocket URLs of a running system's gateways."`
	Procs string   `help:"A running system's processes: name=pid,…; gateways' names begin with gw."`
	Pids  string   `help:"The same as a file: pids.json of chatctl up."`
	MySQL string   `name:"mysql" help:"DSN of a running system's database, user:password@tcp(host:port)/name, for S7 and --limits."`
	AMQP  string   `name:"amqp" help:"URL of a running system's broker, for --limits."`
}

// Help shows examples.
func (*benchCmd) Help() string {
	return `By default it starts a private system in --dir and stops it afterwards; with --api, --url and --pids it measures a running one.

  chatctl bench --quick
  chatctl bench --scenario S1,S2 --runs 5 --duration 10s --limits
  chatctl bench --scenario all`
}

// Run measures and writes the results. A broken promise is an error: figures of a system that loses messages are worthless.
func (c *benchCmd) Run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	plan, err := c.plan()
	if err != nil {
		return err
	}
	progress := stack.NewProgress(os.Stderr)
	say := func(format string, args ...any) { progress.Say("bench", format, args...) }
	debug.SetGCPercent(400) // the tool's garbage collections must not slow the system down
	sys, down, err := c.system(ctx, progress)
	if err != nil {
		return err
	}
	err = c.measure(ctx, sys, plan, say)
	stop()
	return errors.Join(err, down())
}

func (c *benchCmd) plan() (bench.Plan, error) {
	p := bench.DefaultPlan()
	p.Runs, p.Duration, p.Warmup, p.Payload, p.Even = c.Runs, c.Duration, c.Warmup, c.Payload, c.Even
	p.Conns, p.Settle, p.IdleCPU = c.Conns, c.Settle, c.IdleCPU
	p.Messages, p.BigRoom, p.Points = c.History, c.History/5, c.Points
	if c.Quick {
		p = p.Quick()
	}
	if c.Limits && strings.EqualFold(c.Scenario, "none") {
		p.Scenarios = nil
		return p, nil
	}
	var err error
	if p.Scenarios, err = bench.Choose(c.Scenario); err != nil {
		return p, err
	}
	return p, p.Validate()
}

// system is a running one if its address is given, else a private one.
func (c *benchCmd) system(ctx context.Context, out *stack.Progress) (bench.System, func() error, error) {
	if c.API == "" && len(c.URL) == 0 && (!c.Limits || c.MySQL == "" && c.AMQP == "") {
		b := privatestack.New(privatestack.Options{
			Dir: c.Dir, Bin: c.Bin, Configs: c.Configs, PkgCache: c.PkgCache,
			Gateways: c.Gateways, Workers: c.Workers, Fresh: c.Fresh, Out: out,
		})
		sys, err := b.Open(ctx)
		return sys, b.Close, err
	}
	sys := bench.System{API: strings.TrimSuffix(c.API, "/"), Gateways: c.URL, MySQL: c.MySQL, AMQP: c.AMQP}
	if c.Pids != "" {
		sys.Pids = func() (map[string]int, error) { return bench.ReadPids(c.Pids) }
	} else {
		procs, err := bench.ParseProcs(c.Procs)
		if err != nil {
			return sys, nil, err
		}
		sys.Pids = func() (map[string]int, error) { return procs, nil }
	}
	if !strings.EqualFold(c.Scenario, "none") && (sys.API == "" || len(sys.Gateways) == 0) {
		return sys, nil, errors.New("a running system needs --api and --url")
	}
	return sys, func() error { return nil }, nil
}

// measure runs the plan and writes rows, table and plot, also those of an aborted run.
func (c *benchCmd) measure(ctx context.Context, sys bench.System, plan bench.Plan, say bench.Progress) error {
	dir := c.Out
	if dir == "" {
		dir = filepath.Join(c.Dir, "results")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep results: %w", err)
	}
	var limits []bench.Limit
	if c.Limits {
		var err error
		if limits, err = bench.Limits(ctx, sys, c.Queue, min(plan.Duration, 5*time.Second), say); err != nil {
			return fmt.Errorf("limits: %w", err)
		}
	}
	f, err := os.Create(filepath.Join(dir, "rows.jsonl"))
	if err != nil {
		return fmt.Errorf("keep results: %w", err)
	}
	defer f.Close()
	var rows []bench.Row
	if len(plan.Scenarios) > 0 {
		rows, err = bench.Run(ctx, sys, plan, bench.Output{Say: say, Rows: f, Dir: c.Dir})
	}
	return errors.Join(err, keepResults(dir, rows, limits))
}

func keepResults(dir string, rows []bench.Row, limits []bench.Limit) error {
	var text strings.Builder
	if len(limits) > 0 {
		text.WriteString("\n" + report.LimitTable(limits))
	}
	if len(rows) > 0 {
		text.WriteString("\n" + report.Table(report.Summarize(rows)) + "\n" + report.Processes(rows) + "\n" + report.Audit(rows))
	}
	if _, err := os.Stdout.WriteString(text.String()); err != nil {
		return err
	}
	asJSON, err := json.MarshalIndent(limits, "", "  ")
	errs := []error{
		err,
		os.WriteFile(filepath.Join(dir, "limits.json"), append(asJSON, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "table.md"), []byte(text.String()), 0o644),
		os.WriteFile(filepath.Join(dir, "plot.svg"), []byte(report.Plot(rows, "chatctl bench: medians, lines are the range of the runs")), 0o644),
	}
	if bad := bench.Violations(rows); bad != "" {
		errs = append(errs, fmt.Errorf("broken promises: %s", bad))
	}
	return errors.Join(errs...)
}
