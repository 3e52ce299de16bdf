package importer

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// Store is where an import goes. Each verb is one transaction, and finds again what an earlier run has stored.
type Store interface {
	// Known finds the application's own ids of users and rooms.
	Known(ctx context.Context, users, rooms []string) (map[string]chat.UserID, map[string]chat.RoomID, error)
	// Named finds messages of a room by their client_msg_ids, whoever wrote them.
	Named(ctx context.Context, room chat.RoomID, names []string) (map[string]chat.Seq, error)
	// ImportUsers with dry only checks: whoever would be made has the id 0.
	ImportUsers(ctx context.Context, us []chat.ImportedUser, dry bool) ([]chat.Imported, error)
	ImportRooms(ctx context.Context, rs []chat.ImportedRoom) ([]chat.Imported, error)
	ImportMembers(ctx context.Context, room chat.RoomID, ms []chat.ImportedMember) ([]chat.UserID, error)
	ImportMessages(ctx context.Context, ms []chat.ImportedMessage) ([]chat.Sent, error)
	ImportRead(ctx context.Context, runs []chat.ImportedRun) error
}

// The formats of files.
const (
	Own        = "jsonl"      // docs/import.md
	Mattermost = "mattermost" // its bulk export
)

// Options say what to do with a file.
type Options struct {
	Format string // Own if empty
	Store  Store
	Limits chat.Limits // sizes that a line may have
	Now    time.Time   // what is later is in the future
	Dry    bool        // store nothing, only check
	Strict bool        // end at the first refusal
	// Refused is called for each line that is refused, or part of one, in Run's goroutine.
	Refused func(Refusal)
}

// Refusal is a line, or a member in a room's line, that wasn't imported.
type Refusal struct {
	Line int64  `json:"line"`
	Type string `json:"type,omitempty"`
	Room string `json:"room,omitempty"` // the application's own ids, where the line has them
	ID   string `json:"id,omitempty"`
	Why  string `json:"why"`
}

// Tally counts what became of the lines of a type.
type Tally struct {
	Made    int64 `json:"made"`
	Known   int64 `json:"known"` // they were there already
	Refused int64 `json:"refused"`
}

// Counts is what an import has done.
type Counts struct {
	Lines    int64 `json:"lines"`
	Users    Tally `json:"users"`
	Rooms    Tally `json:"rooms"`
	Members  Tally `json:"members"` // those in rooms' lists included
	Messages Tally `json:"messages"`
	// Unreadable lines are of no type.
	Unreadable int64 `json:"unreadable"`
	// Later messages have another time than the file says: that of an entry before them, which is later.
	Later int64 `json:"later"`
	// LeftOut is what a file of another format has and an import doesn't bring, by what it is.
	LeftOut map[string]int64 `json:"left_out,omitempty"`
}

// Refused is how many were refused.
func (c *Counts) Refused() int64 {
	return c.Users.Refused + c.Rooms.Refused + c.Members.Refused + c.Messages.Refused + c.Unreadable
}

func (c *Counts) of(typ string) *Tally {
	switch typ {
	case userType:
		return &c.Users
	case roomType:
		return &c.Rooms
	case memberType:
		return &c.Members
	default:
		return &c.Messages
	}
}

// ErrStrict ends a strict import.
var ErrStrict = errors.New("a line was refused")

// Importer imports one file. Lines and Bytes may be asked for while it runs.
type Importer struct {
	o            Options
	check        checker
	counts       Counts
	users, rooms map[string]known
	ids          map[uint64]stored // messages that have an id in the file
	moments      map[string]*moment
	undated      map[string]bool // rooms whose lines don't say when they were made
	b            batch
	runs         runs
	n            int64 // lines that were taken
	lines, bytes atomic.Int64
}

// New returns an importer for one file.
func New(o Options) *Importer {
	if o.Dry {
		o.Store = newDry(o.Store)
	}
	im := &Importer{
		o: o, check: checker{o.Limits, o.Now}, users: map[string]known{}, rooms: map[string]known{}, ids: map[uint64]stored{},
		moments: map[string]*moment{}, undated: map[string]bool{}, runs: newRuns(),
	}
	im.b.reset()
	return im
}

// Progress returns how many lines and bytes were read so far.
func (im *Importer) Progress() (lines, bytes int64) { return im.lines.Load(), im.bytes.Load() }

// Run imports the lines of r. Whatever ends it, another run goes on: what was stored is found again. What ctx ends is answered with its
// error, a refusal in a strict import with ErrStrict.
func (im *Importer) Run(ctx context.Context, r io.Reader) (Counts, error) {
	in, err := im.source(ctx, r)
	if err == nil {
		err = errors.Join(im.run(ctx, in), in.close())
	}
	// Pointers of what is stored already follow, also where the rest of the file can't.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err = errors.Join(err, im.storeRuns(end))
	im.counts.Lines = im.lines.Load()
	return im.counts, err
}

// source is what lines come from.
type source interface {
	next() (text, error) // io.EOF behind the last one
	done() int64         // bytes of the file
	close() error
}

// source takes the file for what Options say.
func (im *Importer) source(ctx context.Context, r io.Reader) (source, error) {
	switch im.o.Format {
	case "", Own:
		return newReader(r), nil
	case Mattermost:
		return newMattermost(ctx, r, &im.counts.LeftOut, &im.bytes)
	default:
		return nil, chat.BadField("format", "is %q: must be %s or %s", im.o.Format, Own, Mattermost)
	}
}

func (im *Importer) run(ctx context.Context, in source) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := in.next()
		if errors.Is(err, io.EOF) {
			return im.flush(ctx)
		}
		if err != nil {
			return errors.Join(err, im.flush(ctx))
		}
		im.lines.Add(1)
		im.bytes.Store(in.done())
		if err := im.take(ctx, t); err != nil {
			return err
		}
		if im.b.full() {
			if err := im.flush(ctx); err != nil {
				return err
			}
		}
		if im.o.Strict && im.counts.Refused() > 0 {
			return errors.Join(im.flush(ctx), ErrStrict)
		}
	}
}

// refuse reports a refusal and counts it.
func (im *Importer) refuse(line int64, typ, room, id string, err error) {
	if typ == "" {
		im.counts.Unreadable++
	} else {
		im.counts.of(typ).Refused++
	}
	if im.o.Refused != nil {
		im.o.Refused(Refusal{Line: line, Type: typ, Room: room, ID: id, Why: why(err)})
	}
}
