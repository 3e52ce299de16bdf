package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"
)

// Plan says what is run, and at which size.
type Plan struct {
	Scenarios []string
	Runs      int           // of each scenario, interleaved
	Duration  time.Duration // measured, of S1 to S4 and S7 to S10
	Warmup    time.Duration // before it
	Payload   int           // bytes of text
	Even      bool          // S3: the rooms' messages are due one after the other, not all rooms' at once
	Conns     int           // S5, S6
	Dialers   int           // connections being opened at once
	Settle    time.Duration // S5: from the last connection to the measurement of memory
	IdleCPU   time.Duration // S5: how long idle CPU is measured
	Messages  int           // S7: in all rooms
	BigRoom   int           // S7: in the one that is read
	Points    []int         // S8: numbers of rooms, then of members
	Reactors  int           // S10: members who react
	Changes   int           // S11: changed messages of the room in which they are too many
}

// DefaultPlan is the full size.
func DefaultPlan() Plan {
	return Plan{
		Scenarios: Scenarios(), Runs: 5, Duration: 10 * time.Second, Warmup: 2 * time.Second, Payload: 128,
		Conns: 10_000, Dialers: 64, Settle: time.Minute, IdleCPU: time.Minute,
		Messages: 5_000_000, BigRoom: 1_000_000, Points: []int{10, 100, 1000, 10_000}, Reactors: 1000, Changes: 20_000,
	}
}

// Quick makes the plan small: minutes become seconds, and figures rough.
func (p Plan) Quick() Plan {
	p.Runs, p.Duration, p.Warmup = 1, 3*time.Second, time.Second
	p.Conns, p.Settle, p.IdleCPU = 1000, 10*time.Second, 10*time.Second
	p.Messages, p.BigRoom, p.Points = 200_000, 100_000, []int{10, 300}
	p.Changes = resyncAfter + 100
	return p
}

// Validate reports what can't be run.
func (p Plan) Validate() error {
	var errs []error
	check := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	check(len(p.Scenarios) > 0, "no scenario is chosen")
	check(p.Runs > 0, "runs: at least 1")
	check(p.Duration >= time.Second, "duration: at least 1s, CPU is counted in hundredths of a second")
	check(p.Payload > 0 && p.Payload <= 16<<10, "payload: 1 to 16384 bytes")
	check(p.Conns >= roomMembers && p.Conns%roomMembers == 0, "connections: a multiple of 10")
	check(p.Dialers > 0, "dialers: at least 1")
	check(p.BigRoom >= 2*pageSize && p.BigRoom <= p.Messages, "history: the big room holds at least 100 messages and at most all")
	check(p.Reactors > 0, "reactors: at least 1")
	check(p.Changes > resyncAfter, "changes: more than 5000, else nobody begins anew")
	check(len(p.Points) > 1, "growth: at least two points")
	return errors.Join(errs...)
}

// Output is where a run reports and keeps its results.
type Output struct {
	Say  Progress
	Rows io.Writer // one JSON object per line
	Dir  string    // keeps accounts between runs
}

// bench is a run in progress.
type bench struct {
	sys      System
	plan     Plan
	api      *rest
	accounts *accounts
	say      Progress
	patience time.Duration // how long an answer may take
}

// Run runs the plan and returns its rows. A scenario that fails ends the run; the rows before it are returned, too. Broken
// promises are not errors here: they are in the rows.
func Run(ctx context.Context, sys System, plan Plan, out Output) ([]Row, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	api := newREST(sys.API, 4*restClients)
	defer api.close()
	a, err := openAccounts(ctx, filepath.Join(out.Dir, "accounts.json"), api, out.Say)
	if err != nil {
		return nil, err
	}
	b := &bench{sys: sys, plan: plan, api: api, accounts: a, say: out.Say, patience: answerWithin}
	enc := json.NewEncoder(out.Rows)
	var rows []Row
	for run := range plan.Runs {
		for _, name := range plan.Scenarios {
			out.Say("%s run %d of %d", name, run+1, plan.Runs)
			row, err := b.once(ctx, name)
			if err != nil {
				return rows, fmt.Errorf("%s: %w", name, err)
			}
			row.Scenario, row.Run = name, run+1
			rows = append(rows, row)
			b.sayRow(row)
			if err := enc.Encode(row); err != nil {
				return rows, fmt.Errorf("keep rows: %w", err)
			}
		}
	}
	return rows, nil
}

// sayRow prints a row's main figures.
func (b *bench) sayRow(row Row) {
	for _, bar := range Bars() {
		if bar.Scenario == row.Scenario {
			b.say("   %-46s %s %s", bar.What, Number(row.Values[bar.Value]), bar.Unit)
		}
	}
	if row.Audit != nil && row.Audit.Sent > 0 {
		b.say("   audit: %d sent, %d acked, %d stored, %d delivered", row.Audit.Sent, row.Audit.Acked, row.Audit.Stored, row.Audit.Delivered)
	}
	if bad := row.violations(); bad != "" {
		b.say("   VIOLATION: %s", bad)
	}
	for _, s := range row.Saturated {
		b.say("   harness saturated: %s", s)
	}
	for _, n := range row.Notes {
		b.say("   note: %s", n)
	}
}

func (r *Row) violations() string {
	if r.Audit == nil {
		return ""
	}
	return r.Audit.Violations()
}

// Violations lists the broken promises of all rows; "" when all were kept.
func Violations(rows []Row) string {
	var all Tally
	for _, r := range rows {
		if r.Audit != nil {
			all.Add(*r.Audit)
		}
	}
	return all.Violations()
}
