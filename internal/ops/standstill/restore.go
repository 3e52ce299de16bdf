package standstill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"chat-service/internal/broker/queues"
	"chat-service/internal/store/operator"
)

// Backup is what is restored.
type Backup struct {
	Dump       string // file; "": the database has been restored already
	KeepQueues bool
	EpochAbove uint64 // epochs that clients may have seen, beside those in the present database
}

// Restore replaces the data by that of a backup. Clients know seqs that it doesn't have: each room's epoch is raised above all that they may
// have seen, so that they drop them and load their rooms again.
func (s *Site) Restore(ctx context.Context, b Backup) error {
	if b.Dump != "" {
		if err := s.whole(ctx, b.Dump); err != nil {
			return err
		}
	}
	was, err := s.Console.Recorded(ctx)
	if err != nil {
		return err
	}
	if was.To != 0 && b.Dump == "" {
		return was.Busy()
	}
	if was.Restoring {
		s.Say("going on with a restore")
	}
	most := max(was.Partitions, was.To, s.Broker.Partitions)
	if err := s.await(ctx, s.Wait, most, false); err != nil {
		return err
	}
	if err := s.begin("fence"); err != nil {
		return err
	}
	above, err := s.Console.BeginRestore(ctx, b.EpochAbove)
	if err != nil {
		return err
	}
	if is := (operator.Recorded{Partitions: was.Partitions, Restoring: true}); was.Partitions != 0 {
		if err := s.Console.Record(ctx, was, is); err != nil {
			return err
		}
	}
	if why, err := s.obstacle(ctx, most, false); err != nil || why != "" {
		return errors.Join(err, fmt.Errorf("something was started meanwhile: %s, then run the same command again", why))
	}
	s.Say("no process starts until this is done; after an interruption run the same command again")
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"load", func() error { return s.load(ctx, b.Dump) }},
		{"schema", func() error { return s.raise(ctx, above) }},
		{"queues", func() error { return s.purge(ctx, most, b.KeepQueues) }},
		{"redis", func() error { return s.forget(ctx, 0, 0) }},
		{"record", func() error { return s.open(ctx) }},
	} {
		if err := s.begin(step.name); err != nil {
			return err
		}
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w; run the same command again", step.name, err)
		}
	}
	return nil
}

// whole reads the dump once, before anything is replaced by it.
func (s *Site) whole(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n := 0
	err = operator.Statements(interruptible{ctx, f}, s.Console.Name(), func(string, int64) error { n++; return nil })
	if err == nil {
		s.Say("%s is whole: %d statements", path, n)
	}
	return err
}

// interruptible ends reading with its context.
type interruptible struct {
	ctx context.Context
	io.Reader
}

func (r interruptible) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (s *Site) load(ctx context.Context, path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	progress, begun := rate{}, time.Now()
	err = s.Console.Load(ctx, interruptible{ctx, f}, func(bytes int64) {
		if progress.due() {
			s.Say("loading: %d of %d MB", bytes>>20, info.Size()>>20)
		}
	})
	if err == nil {
		s.Say("loaded %d MB in %s", info.Size()>>20, time.Since(begun).Round(time.Second))
	}
	return err
}

// raise brings the schema up to date, and raises the epochs.
func (s *Site) raise(ctx context.Context, above uint64) (err error) {
	db, err := s.Store(s.Broker.Partitions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Operator.Migrate(ctx); err != nil {
		return err
	}
	if err := db.Operator.RaiseEpochs(ctx, above); err != nil {
		return err
	}
	s.Say("the schema is this program's, and the epoch of all rooms above %d", above)
	return nil
}

func (s *Site) purge(ctx context.Context, most int, keep bool) error {
	if keep {
		s.Say("queues: kept as they are")
		return nil
	}
	o := s.Broker
	o.Partitions = most
	n, err := queues.Purge(ctx, o)
	if err == nil {
		s.Say("queues: %d batches of commands deleted, whose senders send them again", n)
	}
	return err
}

// open lets processes start.
func (s *Site) open(ctx context.Context) error {
	rooms, messages, last, err := s.Console.Extent(ctx)
	if err != nil {
		return err
	}
	is, err := s.Console.Recorded(ctx)
	if err != nil {
		return err
	}
	if is.Restoring {
		if err := s.Console.Record(ctx, is, operator.Recorded{Partitions: is.Partitions}); err != nil {
			return err
		}
	}
	if err := s.Console.EndRestore(ctx); err != nil {
		return err
	}
	s.Say("done: %d rooms with %d messages, the last of %s UTC. Start the workers, then the others", rooms, messages, last.Format(time.DateTime))
	if is.Partitions != 0 && is.Partitions != s.Broker.Partitions {
		s.Say("the backup has %d partitions: set rabbitmq.partitions to %d everywhere before", is.Partitions, is.Partitions)
	}
	return nil
}
