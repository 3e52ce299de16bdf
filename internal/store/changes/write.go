package changes

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// writeBytes bounds one statement well below max_allowed_packet (16 MiB on MariaDB), even if every byte is escaped.
const writeBytes = 4 << 20

// writes are all statements that the batch leads to.
func (b *batch) writes() (ss []*db.Statement) {
	add := func(more ...*db.Statement) {
		for _, s := range more {
			if s != nil {
				ss = append(ss, s)
			}
		}
	}
	add(b.insertRows())
	if len(b.happened) == 0 {
		return ss
	}
	moved := slices.SortedFunc(maps.Values(b.entries), func(x, y *entry) int {
		return cmp.Or(cmp.Compare(x.Room, y.Room), cmp.Compare(x.Seq, y.Seq))
	})
	moved = slices.DeleteFunc(moved, func(e *entry) bool { return !e.moved })
	add(updateTexts(moved)...)
	add(b.storeStates(moved)...)
	add(b.storeReactions(moved)...)
	add(storePins(moved)...)
	add(storeRecalls(moved), storeLeft(moved), b.updateRooms())
	return ss
}

// insertRows remembers what was asked. Edits need few of the columns.
func (b *batch) insertRows() *db.Statement {
	into := table.PlainChanges
	if slices.ContainsFunc(b.rows, func(a table.Asked) bool { return a.NoOp != "" || a.Payload != "" }) {
		into = table.Changes
	}
	return insert(into, b.rows)
}

// insert is one statement for all rows; nil for none.
func insert[R any](into *table.Table[R], rows []R) *db.Statement {
	if len(rows) == 0 {
		return nil
	}
	q := &db.Statement{}
	q.Add(into.Insert())
	for i := range rows {
		q.Add(db.Comma(i) + "(")
		for k, v := range into.Values(&rows[i]) {
			q.Value(db.Comma(k), v)
		}
		q.Add(")")
	}
	return q
}

// updateTexts writes the contents that have changed. A recalled message keeps its kind and body_hash: a
// retry of it finds it.
func updateTexts(moved []*entry) (ss []*db.Statement) {
	texts := slices.DeleteFunc(slices.Clone(moved), func(e *entry) bool { return !e.text })
	for len(texts) > 0 {
		n, size := 0, 0
		for ; n < len(texts) && (n == 0 || size+texts[n].size() <= writeBytes); n++ {
			size += texts[n].size()
		}
		ss = append(ss, updateSome(texts[:n]))
		texts = texts[n:]
	}
	return ss
}

func (e *entry) size() int { return len(e.Content) + len(e.Data) }

func updateSome(texts []*entry) *db.Statement {
	q := &db.Statement{}
	q.Add("UPDATE messages FORCE INDEX (PRIMARY) SET content = ")
	db.Case(q, "seq", texts, func(e *entry) (chat.RoomID, any, any) { return e.Room, e.Seq, e.Content })
	if slices.ContainsFunc(texts, func(e *entry) bool { return e.Kind != e.kind }) {
		q.Add(", kind = ")
		db.Case(q, "seq", texts, func(e *entry) (chat.RoomID, any, any) { return e.Room, e.Seq, string(e.Kind) })
	}
	if slices.ContainsFunc(texts, func(e *entry) bool { return e.Data != e.data }) {
		q.Add(", data = ")
		db.Case(q, "seq", texts, func(e *entry) (chat.RoomID, any, any) { return e.Room, e.Seq, textOrNull(e.Data) })
	}
	q.Add(" WHERE ")
	spots(q, texts)
	return q
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// spots appends the condition that a row is of one of the entries.
func spots(q *db.Statement, es []*entry) {
	rows := make([][]any, len(es))
	for i, e := range es {
		rows[i] = []any{uint64(e.Room), uint64(e.Seq)}
	}
	q.Among([]string{"room_id", "seq"}, rows)
}

// What changes of one kind write of a state. A new state has the rest from the columns' defaults, and what is there keeps it.
var (
	editedStates  = table.States.Only("room_id", "seq", "change_seq", "version", "edited_at", "earlier")
	reactedStates = table.States.Only("room_id", "seq", "change_seq", "version", "reactions")
)

// storeStates writes the states. Nearly always a batch has changes of one kind, which touch few columns.
func (b *batch) storeStates(moved []*entry) (ss []*db.Statement) {
	into := table.States
	if len(b.happened) == 1 && b.happened[chat.ChangeEdit] > 0 {
		into = editedStates
	} else if len(b.happened) == 1 && b.happened[chat.ChangeReaction] > 0 {
		into = reactedStates
	}
	// Those that have none yet by themselves: to look for it costs an eighth.
	moved = slices.Clone(moved)
	slices.SortStableFunc(moved, func(x, y *entry) int { return cmp.Compare(order(x.fresh), order(y.fresh)) })
	for len(moved) > 0 {
		fresh := moved[0].fresh
		rows := make([]table.State, 0, len(moved))
		for size := 0; len(rows) < len(moved) && moved[len(rows)].fresh == fresh && (len(rows) == 0 || size <= writeBytes); {
			e := moved[len(rows)]
			rows, size = append(rows, e.State), size+len(e.State.Earlier)
		}
		q := insert(into, rows)
		if !fresh {
			overwrite(q, into)
		}
		ss, moved = append(ss, q), moved[len(rows):]
	}
	return ss
}

// overwrite ends an INSERT of states: where a message has one, that is overwritten, and what an edit replaced is put behind what earlier
// ones have.
func overwrite(q *db.Statement, into *table.Table[table.State]) {
	q.Add(" ON DUPLICATE KEY UPDATE ")
	n := 0
	for column := range strings.SplitSeq(into.Select(), ", ") {
		switch _, name, _ := strings.Cut(column, "."); name {
		case "room_id", "seq":
			continue
		case "earlier":
			q.Add(db.Comma(n)+"earlier = CASE WHEN recalled_at IS NOT NULL THEN NULL WHEN VALUES(earlier) IS NULL THEN earlier"+
				" ELSE CONCAT(RIGHT(COALESCE(earlier, ''), ?), VALUES(earlier)) END", keptChars)
		default:
			q.Add(db.Comma(n) + name + " = VALUES(" + name + ")")
		}
		n++
	}
}

func order(fresh bool) int {
	if fresh {
		return 1
	}
	return 0
}

func recalledOf(moved []*entry) []*entry {
	return slices.DeleteFunc(slices.Clone(moved), func(e *entry) bool { return !e.recalled })
}

// storeReactions deletes the reactions that were taken away, then writes the new ones.
func (b *batch) storeReactions(moved []*entry) (ss []*db.Statement) {
	var gone [][]any
	var rows []table.Reaction
	for key, r := range b.reacted {
		made := r.row.ChangeSeq != 0 && !b.entries[key.spot].recalled
		if r.was && (!r.is || made) {
			gone = append(gone, []any{uint64(key.room), uint64(key.user), uint64(key.seq), key.key})
		}
		if made {
			rows = append(rows, r.row)
		}
	}
	if len(gone) > 0 {
		q := &db.Statement{}
		q.Add("DELETE FROM reactions WHERE ")
		q.Among([]string{"room_id", "user_id", "seq", "rkey"}, gone)
		ss = append(ss, q)
	}
	ss = append(ss, insert(table.Reactions, rows))
	if recalled := recalledOf(moved); len(recalled) > 0 {
		q := &db.Statement{}
		q.Add("DELETE FROM reactions WHERE ")
		spots(q, recalled)
		q.Add(" LIMIT ?", chat.RecalledAtOnce)
		ss = append(ss, q)
	}
	return ss
}

// storePins brings the list of pins up to the states.
func storePins(moved []*entry) (ss []*db.Statement) {
	var gone []*entry
	var rows []table.Pin
	for _, e := range moved {
		on := !e.State.PinnedAt.IsZero()
		if e.pinned && (!on || e.pinSeq != 0) {
			gone = append(gone, e)
		}
		if on && e.pinSeq != 0 {
			rows = append(rows, table.Pin{Room: e.Room, Seq: e.Seq, ChangeSeq: e.pinSeq})
		}
	}
	if len(gone) > 0 {
		q := &db.Statement{}
		q.Add("DELETE FROM pins WHERE ")
		spots(q, gone)
		ss = append(ss, q)
	}
	return append(ss, insert(table.Pins, rows))
}

// storeRecalls lists the recalled messages, so that they don't count as unread.
func storeRecalls(moved []*entry) *db.Statement {
	var rows []table.Recall
	for _, e := range recalledOf(moved) {
		if e.Kind == chat.System {
			continue // its ord is another message's
		}
		rows = append(rows, table.Recall{Room: e.Room, Ord: e.Ord, Seq: e.Seq, ChangeSeq: e.State.ChangeSeq})
	}
	return insert(table.Recalls, rows)
}

// updateRooms moves the rooms' change_seq in one statement. A change makes its room active for those who look for what may have been
// lost, but doesn't lift it in lists.
func (b *batch) updateRooms() *db.Statement {
	var moved []*room
	for _, h := range b.heads() {
		if r := b.rooms[h.Room]; r.Changes != r.before {
			moved = append(moved, r)
		}
	}
	ids := make([]chat.RoomID, len(moved))
	q := &db.Statement{}
	q.Add("UPDATE rooms FORCE INDEX (PRIMARY) SET active_min = GREATEST(active_min, ?), change_seq = CASE id", table.UnixMinute(b.now))
	for i, r := range moved {
		ids[i] = r.Room
		q.Add(" WHEN ? THEN ?", r.Room, r.Changes)
	}
	q.Add(" END, max_recalled_ord = CASE id")
	for _, r := range moved {
		q.Add(" WHEN ? THEN ?", r.Room, r.recalled)
	}
	q.Add(" END WHERE id IN (")
	db.List(q, ids)
	q.Add(")")
	return q
}
