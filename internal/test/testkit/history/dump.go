package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"testing"
	"time"
)

// Dump is the content of the database at the end.
type Dump struct {
	Rooms    []DumpRoom
	Messages []DumpMessage
	Members  []DumpMember
	// States, Reactions, Logged and Asked are what was changed, as it is and in the order in which it came about.
	States    []DumpState
	Reactions []DumpReaction
	Logged    []DumpChange
	Asked     []DumpAsked
	// Earlier are memberships that ended before the one in Members began; the database keeps only the last.
	Earlier []DumpMember
}

// DumpRoom is a row of rooms.
type DumpRoom struct{ ID, LastSeq, MsgCount, Epoch, Changes uint64 }

// DumpMessage is a row of messages.
type DumpMessage struct {
	Room, Seq, Ord uint64
	Kind           string
	Sender         uint64
	ClientMsgID    string
	Content        string
}

// DumpState is a row of message_state.
type DumpState struct {
	Room, Seq, Change, Version uint64
	Recalled, Pinned           bool
}

// DumpReaction is a row of reactions.
type DumpReaction struct {
	Room, Seq uint64
	Key       string
	User      uint64
}

// DumpChange is a row of room_changes that took a number.
type DumpChange struct {
	Room, Change uint64
	Kind         string
	Seq, User    uint64
	AtSeq        uint64
	Key          string // of a reaction
	On           bool   // of a reaction or pin
}

// DumpAsked is a row of room_changes, also of what changed nothing: the id under which something was asked, and the numbers of its answer.
type DumpAsked struct {
	Room, User           uint64
	ID                   string
	Seq, Change, Version uint64
}

// DumpMember is a row of members. LeftSeq 0: still in.
type DumpMember struct{ Room, User, VisibleFrom, LeftSeq, ReadSeq, ReadCount uint64 }

// sees reports whether the membership shows a seq.
func (m DumpMember) sees(seq uint64) bool {
	return seq >= m.VisibleFrom && (m.LeftSeq == 0 || seq <= m.LeftSeq)
}

// LoadDump reads all rooms, messages and members.
func LoadDump(t testing.TB, db *sql.DB) (d Dump) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	each := func(query string, scan func(*sql.Rows) error) {
		t.Helper()
		rows, err := db.QueryContext(ctx, query)
		if err != nil {
			t.Fatalf("dump: %v", err)
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				t.Fatalf("dump: %v", err)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("dump: %v", err)
		}
	}
	each("SELECT id, last_seq, msg_count, epoch, change_seq FROM rooms ORDER BY id", func(r *sql.Rows) error {
		var x DumpRoom
		err := r.Scan(&x.ID, &x.LastSeq, &x.MsgCount, &x.Epoch, &x.Changes)
		d.Rooms = append(d.Rooms, x)
		return err
	})
	each("SELECT room_id, seq, ord, kind, sender_id, COALESCE(client_msg_id, ''), content FROM messages ORDER BY room_id, seq", func(r *sql.Rows) error {
		var x DumpMessage
		err := r.Scan(&x.Room, &x.Seq, &x.Ord, &x.Kind, &x.Sender, &x.ClientMsgID, &x.Content)
		d.Messages = append(d.Messages, x)
		return err
	})
	each("SELECT room_id, user_id, visible_from, left_seq, read_seq, read_count FROM members ORDER BY room_id, user_id", func(r *sql.Rows) error {
		var x DumpMember
		err := r.Scan(&x.Room, &x.User, &x.VisibleFrom, &x.LeftSeq, &x.ReadSeq, &x.ReadCount)
		d.Members = append(d.Members, x)
		return err
	})
	d.loadChanges(each)
	return d
}

// loadChanges reads what was changed.
func (d *Dump) loadChanges(each func(query string, scan func(*sql.Rows) error)) {
	each("SELECT room_id, seq, change_seq, version, recalled_at IS NOT NULL, pinned_at IS NOT NULL FROM message_state ORDER BY room_id, seq", func(r *sql.Rows) error {
		var x DumpState
		err := r.Scan(&x.Room, &x.Seq, &x.Change, &x.Version, &x.Recalled, &x.Pinned)
		d.States = append(d.States, x)
		return err
	})
	each("SELECT room_id, seq, rkey, user_id FROM reactions ORDER BY room_id, seq, rkey, change_seq", func(r *sql.Rows) error {
		var x DumpReaction
		err := r.Scan(&x.Room, &x.Seq, &x.Key, &x.User)
		d.Reactions = append(d.Reactions, x)
		return err
	})
	each("SELECT room_id, change_seq, kind, seq, user_id, at_seq, COALESCE(payload, '') FROM room_changes WHERE noop = '' ORDER BY room_id, change_seq", func(r *sql.Rows) error {
		var x DumpChange
		var payload string
		if err := r.Scan(&x.Room, &x.Change, &x.Kind, &x.Seq, &x.User, &x.AtSeq, &payload); err != nil {
			return err
		}
		var asked struct {
			Key string `json:"key"`
			On  bool   `json:"on"`
		}
		if payload != "" {
			if err := json.Unmarshal([]byte(payload), &asked); err != nil {
				return err
			}
		}
		x.Key, x.On = asked.Key, asked.On
		d.Logged = append(d.Logged, x)
		return nil
	})
	each("SELECT room_id, user_id, change_id, seq, change_seq, version FROM room_changes ORDER BY room_id, change_seq, noop", func(r *sql.Rows) error {
		var x DumpAsked
		err := r.Scan(&x.Room, &x.User, &x.ID, &x.Seq, &x.Change, &x.Version)
		d.Asked = append(d.Asked, x)
		return err
	})
}
