package changes

import (
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// batch carries one batch through one transaction, and again when that must be repeated.
type batch struct {
	asked   []chat.Change
	hashes  [][table.HashLen]byte
	now     time.Time
	limits  chat.Limits
	refusal *chat.Error // not nil: the answer to all that would be accepted
	erasing bool        // nobody asks whether the changes are allowed: see Erase
	hoping  bool        // nothing is looked up of what was asked before: see Apply
	runs    int

	// What the last run answered, and what it knew.
	done    []chat.Changed // by index
	rooms   map[chat.RoomID]*room
	stored  map[idKey]table.Asked
	members map[chat.Place]chat.Member // open and ended
	ended   []chat.SessionID           // nearly always none
	entries map[spot]*entry
	reacted map[reaction]*reacted
	first   map[keyed][]chat.UserID // who set a key first, of keys that somebody takes back

	// To be written.
	rows     []table.Asked
	happened map[chat.ChangeKind]int // how many of each kind took a number

	// ours is what earlier runs meant to write: a COMMIT whose answer was lost may have written it, and then it is no repeat.
	ours map[own]bool
}

type room struct {
	chat.Head
	before    chat.ChangeSeq
	kind      chat.RoomType
	recalled  uint64 // the ord of the newest recalled message
	dissolved bool
	pins      int
}

// idKey is what makes a retried change the first one. Case matters.
type idKey struct {
	chat.Place
	id string
}

// spot is where a message stands.
type spot struct {
	room chat.RoomID
	seq  chat.Seq
}

// own is what a run meant to write for the change with this index in the batch. Each run may have meant another number.
type own struct {
	idKey
	index int
	n     chat.ChangeSeq
	noop  bool
}

// keyed is a key under a message, reaction somebody who set it.
type (
	keyed struct {
		spot
		key string
	}
	reaction struct {
		keyed
		user chat.UserID
	}
)

// reacted is whether a reaction was there, and what has become of it.
type reacted struct {
	was, is bool
	row     table.Reaction // while it is, if the batch made it
}

// entry is a message that the batch may change.
type entry struct {
	table.Entry
	kind     chat.MessageKind // before the batch, as data and pinned
	data     string
	pinned   bool
	pinSeq   chat.ChangeSeq // of the batch's last pin; 0: none
	fresh    bool           // it has no state yet
	moved    bool           // its state is to be written
	text     bool           // its content is
	recalled bool           // by the batch

	reactions int // that it had when it was recalled
}

func newBatch(asked []chat.Change, now time.Time, limits chat.Limits) *batch {
	b := &batch{asked: asked, now: now.UTC().Truncate(time.Millisecond), limits: limits, ours: map[own]bool{}}
	b.hashes = make([][table.HashLen]byte, len(asked))
	for i, c := range asked {
		b.hashes[i] = bodyOf(c)
	}
	return b
}

// bodyOf is the hash of everything in a change that makes it another one when it changes, besides the key under which it is compared.
// TestBodyCoversChange fails when a field of chat.Change is in neither.
func bodyOf(c chat.Change) [table.HashLen]byte {
	extras := []messages.Extra{{Name: "seq", Bytes: []byte(c.Seq.String())}}
	add := func(name, value string) { extras = append(extras, messages.Extra{Name: name, Bytes: []byte(value)}) }
	if c.Content != nil {
		add("content", *c.Content)
	}
	if c.Data != nil {
		add("data", *c.Data)
	}
	if c.IfVersion != 0 {
		add("if_version", chat.Seq(c.IfVersion).String())
	}
	if c.Key != "" {
		add("key", c.Key)
	}
	if c.On {
		add("on", "")
	}
	return messages.BodyHash(string(c.Kind), extras...)
}

func (b *batch) reset() {
	n := len(b.asked)
	b.done = make([]chat.Changed, n)
	b.rooms = make(map[chat.RoomID]*room, n)
	b.stored = make(map[idKey]table.Asked, n)
	b.members = make(map[chat.Place]chat.Member, n)
	b.ended = nil
	b.entries = make(map[spot]*entry, n)
	b.reacted, b.first = map[reaction]*reacted{}, map[keyed][]chat.UserID{}
	b.rows, b.happened = b.rows[:0], map[chat.ChangeKind]int{}
}

// commit is one transaction from its first statement to its last but the COMMIT, which the caller adds to what is
// returned. It begins anew each time, because a transaction that lost a deadlock runs again.
func (b *batch) commit(ask db.Ask) (writes []*db.Statement, err error) {
	b.reset()
	b.runs++

	// Lock the rooms, and look up under their locks what the changes are judged by. All of it is one round trip.
	var asked db.Query
	if !b.hoping {
		asked = b.findAsked()
	}
	err = ask(b.lockRooms(), asked, b.findMembers(), b.findEnded(), b.findEntries(), b.countPins(), b.findReactions(), b.findFirst())
	if err != nil {
		return nil, err
	}

	// Judge, one change after the other: a change sees what those before it did.
	for i := range b.asked {
		if b.done[i] = b.judge(i); b.hoping && b.done[i].Err != nil {
			return nil, errMustLook
		}
	}

	// Write. With the COMMIT this is the second round trip; the change is done when it is answered.
	return b.writes(), nil
}

func (b *batch) lockRooms() (q db.Query) {
	ids := make([]chat.RoomID, len(b.asked))
	for i, c := range b.asked {
		ids[i] = c.Room
	}
	q.Add("SELECT " + table.ChangedRooms.Select() + " FROM rooms r FORCE INDEX (PRIMARY) WHERE r.id IN (")
	db.List(&q.Statement, db.SortedIDs(ids))
	q.Add(") ORDER BY r.id FOR UPDATE")
	var row table.Room
	q.Into(table.ChangedRooms.Cells(&row), func() {
		b.rooms[row.ID] = &room{
			Head:   chat.Head{Room: row.ID, Seq: row.LastSeq, Before: row.LastSeq, Epoch: row.Epoch, MsgCount: row.MsgCount, Changes: row.Changes},
			before: row.Changes, kind: row.Type, recalled: row.Recalled, dissolved: !row.DissolvedAt.IsZero(),
		}
	})
	return q
}

func (b *batch) findAsked() (q db.Query) {
	q.Add("SELECT " + table.ChangeIDs.Select() + " FROM room_changes h FORCE INDEX (room_changes_once) WHERE ")
	keys := make([][]any, len(b.asked))
	for i, c := range b.asked {
		keys[i] = []any{uint64(c.Room), uint64(c.User), c.ID}
	}
	q.Among([]string{"h.room_id", "h.user_id", "h.change_id"}, keys)
	var row table.Asked
	q.Into(table.ChangeIDs.Cells(&row), func() { b.stored[idKey{row.Place, row.ID}] = row })
	return lookup(q)
}

func (b *batch) findMembers() (q db.Query) {
	at := make([]chat.Place, len(b.asked))
	for i, c := range b.asked {
		at[i] = chat.Place{Room: c.Room, User: c.User}
	}
	q.Add("SELECT " + table.Changers.Select() + " FROM members m FORCE INDEX (PRIMARY) WHERE ")
	q.Places("m.room_id, m.user_id", db.SortedPlaces(at))
	var row chat.Member
	q.Into(table.Changers.Cells(&row), func() { b.members[chat.Place{Room: row.Room, User: row.User}] = row })
	return q
}

// findEnded asks which of the changes' sessions were revoked, for the reason that package messages names.
func (b *batch) findEnded() (q db.Query) {
	ids := make([]chat.SessionID, len(b.asked))
	for i, c := range b.asked {
		ids[i] = c.Session
	}
	slices.Sort(ids)
	q.Add("SELECT " + table.SessionIDs.Select() + " FROM sessions s FORCE INDEX (PRIMARY) WHERE s.revoked_at IS NOT NULL AND s.id IN (")
	db.List(&q.Statement, slices.Compact(ids))
	q.Add(")")
	var row table.Session
	q.Into(table.SessionIDs.Cells(&row), func() { b.ended = append(b.ended, row.ID) })
	return q
}

func (b *batch) findEntries() (q db.Query) {
	q.Add("SELECT " + table.Entries + " FROM messages x FORCE INDEX (PRIMARY)" + table.JoinState + " WHERE ")
	at := make([][]any, len(b.asked))
	for i, c := range b.asked {
		at[i] = []any{uint64(c.Room), uint64(c.Seq)}
	}
	q.Among([]string{"x.room_id", "x.seq"}, at)
	var row table.Entry
	q.Into(row.Cells(), func() {
		e := &entry{Entry: row, kind: row.Kind, data: row.Data, pinned: !row.State.PinnedAt.IsZero()}
		if e.State.ChangeSeq == 0 {
			e.State.State, e.fresh = chat.State{Version: 1}, true
		}
		e.State.Room, e.State.Seq = row.Room, row.Seq
		b.entries[spot{row.Room, row.Seq}] = e
	})
	return q
}

// countPins counts the pins of rooms in which something is to be pinned.
func (b *batch) countPins() (q db.Query) {
	var ids []chat.RoomID
	for _, c := range b.asked {
		if c.Kind == chat.ChangePin && c.On {
			ids = append(ids, c.Room)
		}
	}
	if len(ids) == 0 {
		return q
	}
	q.Add("SELECT p.room_id, COUNT(*) FROM pins p WHERE p.room_id IN (")
	db.List(&q.Statement, db.SortedIDs(ids))
	q.Add(") GROUP BY p.room_id")
	var id, n uint64
	q.Into([]any{table.Number(&id), table.Number(&n)}, func() {
		if r := b.rooms[chat.RoomID(id)]; r != nil {
			r.pins = int(n)
		}
	})
	return q
}

func keyedOf(c chat.Change) keyed { return keyed{spot{c.Room, c.Seq}, c.Key} }

// findReactions looks up which of the reactions are there.
func (b *batch) findReactions() (q db.Query) {
	var at [][]any
	for _, c := range b.asked {
		key := reaction{keyedOf(c), c.User}
		if c.Kind != chat.ChangeReaction || b.reacted[key] != nil {
			continue
		}
		at = append(at, []any{uint64(c.Room), uint64(c.User), uint64(c.Seq), c.Key})
		b.reacted[key] = &reacted{}
	}
	if len(at) == 0 {
		return q
	}
	q.Add("SELECT " + table.Reactions.Select() + " FROM reactions e FORCE INDEX (PRIMARY) WHERE ")
	q.Among([]string{"e.room_id", "e.user_id", "e.seq", "e.rkey"}, at)
	var row table.Reaction
	q.Into(table.Reactions.Cells(&row), func() {
		if r := b.reacted[reaction{keyed{spot{row.Room, row.Seq}, row.Key}, row.User}]; r != nil {
			r.was, r.is = true, true
		}
	})
	return q
}

// findFirst reads who set a key first, where somebody takes it back: another one may have to be shown in their place. So many are read
// that the batch can't take them all.
func (b *batch) findFirst() (q db.Query) {
	offs := map[keyed]int{}
	for _, c := range b.asked {
		if c.Kind == chat.ChangeReaction && !c.On {
			offs[keyedOf(c)]++
		}
	}
	for key, n := range offs {
		if b.first[key] = nil; len(b.first) > 1 {
			q.Add(" UNION ALL ")
		}
		q.Add("(SELECT "+table.Reactions.Select()+" FROM reactions e FORCE INDEX (reactions_message)"+
			" WHERE e.room_id = ? AND e.seq = ? AND e.rkey = ? ORDER BY e.change_seq LIMIT ?)", key.room, key.seq, []byte(key.key), chat.ShownReactors+n)
	}
	if len(offs) == 0 {
		return q
	}
	q.Add(" ORDER BY change_seq")
	var row table.Reaction
	q.Into(table.Reactions.Cells(&row), func() {
		key := keyed{spot{row.Room, row.Seq}, row.Key}
		b.first[key] = append(b.first[key], row.User)
	})
	return q
}

// heads lists the batch's rooms by ascending id.
func (b *batch) heads() []chat.Head {
	hs := make([]chat.Head, 0, len(b.rooms))
	for _, r := range b.rooms {
		hs = append(hs, r.Head)
	}
	slices.SortFunc(hs, byRoom)
	return hs
}

// sees reports whether the user may see the message of the change now.
func (b *batch) sees(c chat.Change) bool {
	m, r := b.members[chat.Place{Room: c.Room, User: c.User}], b.rooms[c.Room]
	if r == nil || c.App {
		return c.App
	}
	from, to, ok := m.Window(r.Seq)
	return ok && from <= c.Seq && c.Seq <= to
}
