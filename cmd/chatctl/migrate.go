package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/stack"
	"chat-service/internal/store/operator"
)

// migrateCmd is `chatctl migrate`.
type migrateCmd struct {
	Status bool `help:"Only show what is applied and whether this program needs more; exit code 1 if it does."`
	JSON   bool `help:"Print JSON."`
}

// Help shows examples.
func (*migrateCmd) Help() string {
	return `Creates the database if it is missing and migrates its schema. Processes may keep running; concurrent calls wait for each other.

  chatctl migrate --config configs/worker.yaml
  CHAT_DATABASE_HOST=db1 CHAT_DATABASE_PASSWORD_FILE=/run/secrets/db chatctl migrate
  chatctl migrate --status`
}

// migrated is the result in JSON.
type migrated struct {
	Database string               `json:"database"`
	Before   int64                `json:"before"`
	Version  int64                `json:"version"`
	UpToDate bool                 `json:"up_to_date"`
	Applied  []operator.Migration `json:"applied"`
	Pending  string               `json:"pending,omitempty"`
}

// Run migrates, or shows the state.
func (c *migrateCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	in, err := s.Find(os.Environ())
	if err != nil {
		return err
	}
	var m migrated
	if c.Status {
		m, err = schemaOf(ctx, in)
	} else {
		m, err = migrate(ctx, in, io)
	}
	if err != nil {
		return in.Explain(err)
	}
	if err := c.print(io, m); err != nil {
		return err
	}
	if !m.UpToDate {
		return exitError(1)
	}
	return nil
}

func (c *migrateCmd) print(io *streams, m migrated) error {
	if c.JSON {
		return io.printJSON(m)
	}
	rows := [][]string{{"VERSION", "APPLIED"}}
	for _, a := range m.Applied {
		rows = append(rows, []string{strconv.FormatInt(a.Version, 10), timeText(a.Applied)})
	}
	if c.Status && len(m.Applied) > 0 {
		if err := io.printRows(rows); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("schema of %s is up to date at version %d", m.Database, m.Version)
	switch {
	case !m.UpToDate:
		text = m.Pending
	case m.Before != m.Version:
		text = fmt.Sprintf("schema of %s migrated from version %d to %d", m.Database, m.Before, m.Version)
	}
	_, err := fmt.Fprintln(io.out, text)
	return err
}

// schemaOf reads the state of the schema and changes nothing.
func schemaOf(ctx context.Context, in *installation.Installation) (m migrated, err error) {
	m.Database = in.Database.DBName
	var there bool
	err = in.WithConsole(func(c *operator.Server) (err error) {
		if there, err = c.Exists(ctx); err == nil && there {
			m.Applied, err = c.Migrations(ctx)
		}
		return err
	})
	if err != nil {
		return m, err
	}
	if !there {
		m.Pending = fmt.Sprintf("database %s is missing: run chatctl migrate, which creates it", in.Database.DBName)
		return m, nil
	}
	for _, a := range m.Applied {
		m.Version = max(m.Version, a.Version)
	}
	m.Before = m.Version
	db, err := in.OpenStore()
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if ready := db.Operator.SchemaReady(ctx); ready != nil {
		m.Pending = ready.Error()
		return m, nil
	}
	m.UpToDate = true
	return m, nil
}

// migrate creates the database if necessary and migrates the schema.
func migrate(ctx context.Context, in *installation.Installation, io *streams) (m migrated, err error) {
	before, err := schemaOf(ctx, in)
	if err != nil {
		return before, err
	}
	if err := createDatabase(ctx, in, io); err != nil {
		return before, err
	}
	db, err := in.OpenStore()
	if err != nil {
		return before, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if !before.UpToDate {
		io.say("migrating %s on %s from version %d", in.Database.DBName, in.Database.Addr(), before.Version)
	}
	err = io.withProgress(2*time.Second, func(d time.Duration) string {
		return fmt.Sprintf("still migrating after %s; large tables take long, and a migration that is already running is waited for", d)
	}, func() error { return db.Operator.Migrate(ctx) })
	if err != nil {
		return before, err
	}
	m, err = schemaOf(ctx, in)
	m.Before = before.Version
	return m, err
}

func createDatabase(ctx context.Context, in *installation.Installation, io *streams) error {
	return in.WithConsole(func(c *operator.Server) error {
		there, err := c.Exists(ctx)
		if err != nil || there {
			return err
		}
		io.say("creating database %s", in.Database.DBName)
		return c.Create(ctx)
	})
}

// migrateRun is the hook of `chatctl up`: env holds the addresses of the run's servers.
func migrateRun(configs string, out *stack.Progress) func(ctx context.Context, env map[string]string) error {
	return func(ctx context.Context, env map[string]string) error {
		in := &installation.Installation{Sections: installation.Defaults(), File: filepath.Join(configs, "worker.yaml"), Environ: stack.Found{Env: env}.Environ(os.Environ())}
		if err := installation.Load(in.File, &in.Sections, in.Environ); err != nil {
			return err
		}
		m, err := migrate(ctx, in, &streams{err: progressLines{out}})
		if err == nil {
			out.Say("migrate", "schema is at version %d", m.Version)
		}
		return in.Explain(err)
	}
}

// progressLines writes each line as progress of a run.
type progressLines struct{ out *stack.Progress }

func (p progressLines) Write(b []byte) (int, error) {
	p.out.Say("migrate", "%s", string(b[:max(len(b)-1, 0)]))
	return len(b), nil
}
