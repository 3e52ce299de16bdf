package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/importer"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
	"chat-service/internal/store/accounts"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/rooms"
)

// importCmd is `chatctl import`.
type importCmd struct {
	File   string `arg:"" help:"JSON lines, see docs/import.md; - is standard input."`
	Format string `enum:"jsonl,mattermost" default:"jsonl" help:"jsonl, or mattermost: the file of its bulk export."`
	DryRun bool   `help:"Store nothing, only check."`
	Strict bool   `help:"End at the first line that is refused."`
	Report string `placeholder:"FILE" help:"Write what was refused and why to this file, a JSON object a line."`
}

// shownRefusals are printed at the end; --report has all.
const shownRefusals = 20

// Help shows examples.
func (*importCmd) Help() string {
	return `Brings users, rooms, members and messages from elsewhere into the installation, with their times and order. The service may be running. The same file again changes nothing; after an interruption it goes on. Exit code 1: lines were refused, the others are stored.

  chatctl import export.jsonl --dry-run
  chatctl import export.jsonl --report refused.jsonl
  zcat export.jsonl.gz | chatctl import -
  chatctl import --format mattermost data.jsonl --dry-run`
}

// importTarget is the installation's database as an import sees it.
type importTarget struct {
	*accounts.Store
	rooms    *rooms.Store
	messages *messages.Store
	limits   chat.Limits
}

func (t importTarget) Known(ctx context.Context, users, exts []string) (us map[string]chat.UserID, rs map[string]chat.RoomID, err error) {
	if us, err = t.Store.Externals(ctx, users); err == nil {
		rs, err = t.rooms.Externals(ctx, exts)
	}
	return us, rs, err
}

func (t importTarget) Named(ctx context.Context, room chat.RoomID, names []string) (map[string]chat.Seq, error) {
	return t.messages.Named(ctx, room, names)
}

func (t importTarget) ImportRooms(ctx context.Context, rs []chat.ImportedRoom) ([]chat.Imported, error) {
	return t.rooms.ImportRooms(ctx, rs)
}

func (t importTarget) ImportMembers(ctx context.Context, room chat.RoomID, ms []chat.ImportedMember) ([]chat.UserID, error) {
	return t.rooms.ImportMembers(ctx, room, ms, t.limits.RoomMembers)
}

func (t importTarget) ImportMessages(ctx context.Context, ms []chat.ImportedMessage) ([]chat.Sent, error) {
	return t.messages.ImportMessages(ctx, ms)
}

func (t importTarget) ImportRead(ctx context.Context, runs []chat.ImportedRun) error {
	return t.messages.ImportRead(ctx, runs)
}

// Run imports.
func (c *importCmd) Run(ctx context.Context, s *installation.Settings, io *streams) (err error) {
	in, size, err := c.open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	report, err := newReport(c.Report)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, report.Close()) }()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C ends the process, also where it waits for standard input
	ctx = chat.WithOrigin(ctx, chat.Origin{By: operatorName()})
	return s.WithStore(ctx, func(ctx context.Context, at *installation.Installation, db *store.Store) error {
		limits, err := at.Limits()
		if err != nil {
			return err
		}
		if err := db.Operator.SchemaReady(ctx); err != nil {
			return err
		}
		im := importer.New(importer.Options{
			Format: c.Format, Store: importTarget{db.Accounts, db.Rooms, db.Messages, limits}, Limits: limits, Now: time.Now(), Dry: c.DryRun, Strict: c.Strict, Refused: report.refused,
		})
		var did importer.Counts
		err = io.withProgress(2*time.Second, progressOf(im, size), func() (err error) {
			did, err = im.Run(ctx, in)
			return err
		})
		if !c.DryRun {
			err = errors.Join(err, c.record(context.WithoutCancel(ctx), db, did))
		}
		return c.print(io, report, did, err)
	})
}

// open opens the file; size is 0 if it isn't known.
func (c *importCmd) open() (in io.ReadCloser, size int64, err error) {
	if c.File == "-" {
		return io.NopCloser(os.Stdin), 0, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(fmt.Errorf("%s is a directory", c.File), f.Close())
	}
	return f, info.Size(), nil
}

// record writes the import into the audit trail.
func (c *importCmd) record(ctx context.Context, db *store.Store, did importer.Counts) error {
	if did.Users.Made+did.Rooms.Made+did.Members.Made+did.Messages.Made == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	act := chat.Act{Kind: chat.ActImported, Detail: fmt.Sprintf("%d users, %d rooms, %d members, %d messages from %s",
		did.Users.Made, did.Rooms.Made, did.Members.Made, did.Messages.Made, filepath.Base(c.File))}
	return db.Audit.Record(ctx, []chat.Act{act.From(ctx)})
}

// progressOf says how far an import has come.
func progressOf(im *importer.Importer, size int64) func(time.Duration) string {
	var lastLines int64
	var last time.Duration
	return func(elapsed time.Duration) string {
		lines, bytes := im.Progress()
		text := fmt.Sprintf("%d lines", lines)
		if took := elapsed - last; took > 0 {
			text += fmt.Sprintf(", %.0f a second", float64(lines-lastLines)/took.Seconds())
		}
		lastLines, last = lines, elapsed
		if size > 0 && bytes > 0 {
			left := time.Duration(float64(elapsed) * float64(size-bytes) / float64(bytes))
			text += fmt.Sprintf("; %d %% of the file, about %s left", 100*bytes/size, left.Round(time.Second))
		}
		return text
	}
}

// print shows what was done. Of the errors, refused lines are no failure of the command but make its exit code 1.
func (c *importCmd) print(io *streams, report *importReport, did importer.Counts, failed error) error {
	made := "IMPORTED"
	if c.DryRun {
		made = "GOOD"
	}
	rows := [][]string{{"", made, "KNOWN", "REFUSED"}}
	for _, t := range []struct {
		name string
		importer.Tally
	}{{"users", did.Users}, {"rooms", did.Rooms}, {"members", did.Members}, {"messages", did.Messages}} {
		rows = append(rows, []string{t.name, fmt.Sprint(t.Made), fmt.Sprint(t.Known), fmt.Sprint(t.Refused)})
	}
	if did.Unreadable > 0 {
		rows = append(rows, []string{"unreadable", "", "", fmt.Sprint(did.Unreadable)})
	}
	if err := io.printRows(rows); err != nil {
		return errors.Join(failed, err)
	}
	for _, r := range report.first {
		io.say("line %d: %s", r.Line, r.Why)
	}
	if more := did.Refused() - int64(len(report.first)); more > 0 {
		io.say("%d more were refused: --report FILE has them all", more)
	}
	if did.Later > 0 {
		io.say("%d messages have a later time than the file says: that of the entry before them in their room", did.Later)
	}
	for _, what := range slices.Sorted(maps.Keys(did.LeftOut)) {
		io.say("left out: %d %s", did.LeftOut[what], what)
	}
	if err := report.summary(did); err != nil {
		return errors.Join(failed, err)
	}
	switch {
	case errors.Is(failed, context.Canceled):
		return fmt.Errorf("interrupted after line %d: the same command goes on", did.Lines)
	case errors.Is(failed, importer.ErrStrict), failed == nil && did.Refused() > 0:
		return exitError(1)
	}
	return failed
}

// importReport keeps what was refused: the first ones for the screen, all in a file.
type importReport struct {
	first []importer.Refusal
	file  *os.File
	to    *bufio.Writer
	err   error
}

// newReport opens the file; "": none.
func newReport(path string) (*importReport, error) {
	if path == "" {
		return &importReport{}, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	return &importReport{file: f, to: bufio.NewWriter(f)}, nil
}

func (r *importReport) refused(x importer.Refusal) {
	if len(r.first) < shownRefusals {
		r.first = append(r.first, x)
	}
	r.write(x)
}

func (r *importReport) write(v any) {
	if r.to == nil || r.err != nil {
		return
	}
	r.err = json.NewEncoder(r.to).Encode(v)
}

// summary ends the report; the error is that of any write before.
func (r *importReport) summary(did importer.Counts) error {
	r.write(map[string]any{"summary": did})
	return r.err
}

// Close closes the file.
func (r *importReport) Close() error {
	if r.file == nil {
		return nil
	}
	return errors.Join(r.to.Flush(), r.file.Close())
}
