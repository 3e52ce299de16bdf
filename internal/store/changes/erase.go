package changes

import (
	"fmt"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Erase does, inside a transaction, the next piece of what an erasure does in the job's room: at most so many messages, reactions or hashes
// after j.Mark. It returns the job as it stands then, with Step "" when the room is done; told is how many changes clients are told of. The
// room is locked first: what is written in it before, is found, and later the user writes nothing, because their account is shut.
func (s *Store) Erase(tx db.Tx, j chat.Job, atOnce int, now time.Time) (_ chat.Job, told int, err error) {
	var q db.Statement
	q.Add("SELECT "+table.RoomHeads.Select()+" FROM rooms r FORCE INDEX (PRIMARY) WHERE r.id = ? FOR UPDATE", j.Room)
	rooms, err := db.Collect(tx, &q, table.RoomHeads.Cells)
	if err != nil || len(rooms) == 0 {
		j.Step, j.Mark = "", ""
		return j, 0, err
	}
	e := &erasure{s: s, tx: tx, job: j, most: atOnce, now: now, dissolved: !rooms[0].DissolvedAt.IsZero()}
	piece, next := e.rest, chat.EraseStep("")
	switch j.Step {
	case chat.EraseMessages:
		piece, next = e.messages, chat.EraseReactions
	case chat.EraseReactions:
		piece, next = e.reactions, chat.EraseRest
	}
	met, err := piece()
	if err != nil {
		return j, 0, err
	}
	if met < atOnce {
		e.job.Step, e.job.Mark = next, ""
	}
	e.job.Done += uint64(e.told)
	return e.job, e.told, nil
}

// erasure is one piece of work in one room. Each kind of piece returns how many rows it met.
type erasure struct {
	s         *Store
	tx        db.Tx
	job       chat.Job
	most      int
	now       time.Time
	dissolved bool
	told      int
}

// id is the change_id of something that the erasure does.
func (e *erasure) id(what string, n uint64) string { return fmt.Sprintf("e%d:%s%d", e.job.ID, what, n) }

// messages recalls the user's messages in the order of their client_msg_ids, which the index has, and takes the hashes of their bodies.
func (e *erasure) messages() (int, error) {
	type line struct {
		table.Message
		State table.State
	}
	var q db.Statement
	q.Add("SELECT x.seq, x.client_msg_id, t.recalled_at FROM messages x FORCE INDEX (messages_once)"+table.JoinState+
		" WHERE x.room_id = ? AND x.sender_id = ? AND x.client_msg_id > ? ORDER BY x.client_msg_id LIMIT ?", e.job.Room, e.job.User, []byte(e.job.Mark), e.most)
	seqs := table.Messages.Only("seq", "client_msg_id")
	recalled := table.States.Only("recalled_at")
	rows, err := db.Collect(e.tx, &q, func(l *line) []any { return append(seqs.Cells(&l.Message), recalled.Cells(&l.State)...) })
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var asked []chat.Change
	var hashes db.Statement
	hashes.Add("UPDATE messages FORCE INDEX (PRIMARY) SET body_hash = ? WHERE room_id = ? AND seq IN (", make([]byte, table.HashLen), e.job.Room)
	for i, r := range rows {
		hashes.Add(db.Comma(i)+"?", r.Seq)
		if r.State.RecalledAt.IsZero() {
			asked = append(asked, chat.Change{Room: e.job.Room, Seq: r.Seq, ID: e.id("", uint64(r.Seq)), Kind: chat.ChangeErase, App: true})
		}
	}
	hashes.Add(")")
	if err := e.apply(asked); err != nil {
		return 0, err
	}
	e.job.Mark = rows[len(rows)-1].ClientMsgID
	_, err = hashes.Exec(e.tx)
	return len(rows), err
}

// reactions takes the user's reactions away. What is left of them under recalled messages is only deleted.
func (e *erasure) reactions() (int, error) {
	var q db.Statement
	q.Add("SELECT "+table.Reactions.Select()+" FROM reactions e FORCE INDEX (PRIMARY) WHERE e.room_id = ? AND e.user_id = ? ORDER BY e.seq, e.rkey LIMIT ?",
		e.job.Room, e.job.User, e.most)
	rows, err := db.Collect(e.tx, &q, table.Reactions.Cells)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var asked []chat.Change
	at := make([][]any, len(rows))
	for i, r := range rows {
		at[i] = []any{r.Room, r.User, r.Seq, r.Key}
		asked = append(asked, chat.Change{Room: r.Room, Seq: r.Seq, User: r.User, ID: e.id("r", uint64(r.ChangeSeq)), Kind: chat.ChangeReaction, Key: r.Key})
	}
	if err := e.apply(asked); err != nil {
		return 0, err
	}
	var gone db.Statement
	gone.Add("DELETE FROM reactions WHERE ")
	gone.Among([]string{"room_id", "user_id", "seq", "rkey"}, at)
	_, err = gone.Exec(e.tx)
	return len(rows), err
}

// rest takes the hashes of the changes that the user asked for, with which keys they reacted, and the numbers of their messages.
func (e *erasure) rest() (int, error) {
	var q db.Statement
	q.Add("SELECT h.change_id FROM room_changes h FORCE INDEX (room_changes_once) WHERE h.room_id = ? AND h.user_id = ? AND h.change_id > ? ORDER BY h.change_id LIMIT ?",
		e.job.Room, e.job.User, []byte(e.job.Mark), e.most)
	rows, err := db.Collect(e.tx, &q, table.Changes.Only("change_id").Cells)
	if err == nil && len(rows) < e.most { // the cursors go with the last piece
		var q db.Statement
		q.Add("DELETE FROM sender_cursors WHERE room_id = ? AND user_id = ?", e.job.Room, e.job.User)
		_, err = q.Exec(e.tx)
	}
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var hashes db.Statement
	hashes.Add("UPDATE room_changes SET hash = ?, payload = NULL WHERE room_id = ? AND user_id = ? AND change_id IN (", make([]byte, table.HashLen), e.job.Room, e.job.User)
	for i, r := range rows {
		hashes.Add(db.Comma(i)+"?", []byte(r.ID))
	}
	hashes.Add(")")
	e.job.Mark = rows[len(rows)-1].ID
	_, err = hashes.Exec(e.tx)
	return len(rows), err
}

// apply carries changes out, whatever the rules say of them, and announces those that changed something in a living room.
func (e *erasure) apply(asked []chat.Change) error {
	if len(asked) == 0 {
		return nil
	}
	b := newBatch(asked, e.now, e.s.d.Limits())
	b.erasing = true
	writes, err := b.commit(e.tx.Ask)
	if err == nil {
		err = e.tx.Write(writes...)
	}
	for i := range b.done {
		d := &b.done[i]
		if err != nil || d.Err != nil || d.NoOp || d.Repeat {
			continue
		}
		if e.told++; !e.dissolved {
			err = e.s.outbox.Add(e.tx, envelope.Announcement{Changed: &chat.Changed{
				Change:    chat.Change{Room: d.Change.Room, Seq: d.Change.Seq, User: d.Change.User, ID: d.Change.ID, Kind: d.Change.Kind, Key: d.Change.Key},
				ChangeSeq: d.ChangeSeq, Prev: d.Prev, Version: d.Version, AtSeq: d.AtSeq,
			}})
		}
	}
	return err
}

// Traces finds the first room above after, up to a bound, in which there is something of the user's; 0: none. It looks into rooms that they
// were never in, too: imported messages need no member.
func (s *Store) Traces(tx db.Tx, user chat.UserID, after, upTo chat.RoomID) (chat.RoomID, error) {
	var q db.Statement
	q.Add("SELECT r.id FROM rooms r FORCE INDEX (PRIMARY) WHERE r.id > ? AND r.id <= ? AND (", after, upTo)
	for i, t := range []string{
		"members m FORCE INDEX (PRIMARY)", "messages m FORCE INDEX (messages_once)", "reactions m FORCE INDEX (PRIMARY)",
		"room_changes m FORCE INDEX (room_changes_once)",
	} {
		if i > 0 {
			q.Add(" OR ")
		}
		name := "user_id"
		if strings.HasPrefix(t, "messages") {
			name = "sender_id"
		}
		q.Add("EXISTS (SELECT 1 FROM "+t+" WHERE m.room_id = r.id AND m."+name+" = ?)", user)
	}
	q.Add(") ORDER BY r.id LIMIT 1")
	var ids []chat.RoomID
	err := q.Scan(tx, &ids)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return ids[0], nil
}
