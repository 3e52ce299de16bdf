package webhooks

import (
	"context"
	"encoding/json"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// WebhookPage returns what comes after a cursor, in the order in which it happened, at most limit events, with messages as they are now.
// An empty page means that there is nothing.
func (s *Store) WebhookPage(ctx context.Context, cur chat.WebhookCursor, limit int) (es []chat.WebhookEvent, err error) {
	err = s.d.Retry(ctx, "read what a webhook is told", func(tx db.Tx) error {
		if cur.Room == 0 {
			es, err = userPage(tx, cur, limit)
		} else {
			es, err = roomPage(tx, cur, limit)
		}
		return err
	})
	return es, err
}

// roomPage merges the two logs of a room. The entries are read first: whatever was changed before one of them was committed is there when
// the changes are read.
func roomPage(tx db.Tx, cur chat.WebhookCursor, limit int) ([]chat.WebhookEvent, error) {
	entries, err := entriesAfter(tx, cur, limit)
	if err != nil {
		return nil, err
	}
	changes, err := changesAfter(tx, cur, limit)
	if err != nil || len(entries)+len(changes) == 0 {
		return nil, err
	}
	merged := merge(entries, changes, cur, limit)
	if err := present(tx, cur.Room, merged); err != nil {
		return nil, err
	}
	epoch, ext, err := named(tx, cur.Room)
	if err != nil {
		return nil, err
	}
	people, err := outside(tx, merged, func(e *chat.WebhookEvent) chat.UserID { return e.By })
	for i := range merged {
		e := &merged[i]
		e.Epoch, e.Ext, e.ByExt = epoch, ext, people[e.By]
	}
	return merged, err
}

// change is a change as the log has it.
type change struct {
	chat.WebhookEvent
	at chat.Seq // it came after that entry
}

func entriesAfter(tx db.Tx, cur chat.WebhookCursor, limit int) ([]table.Entry, error) {
	var q db.Statement
	q.Add("SELECT "+table.Entries+" FROM messages x FORCE INDEX (PRIMARY)"+table.JoinState+" WHERE x.room_id = ? AND x.seq > ? ORDER BY x.seq LIMIT ?",
		cur.Room, cur.Seq, limit)
	return db.Collect(tx, &q, (*table.Entry).Cells)
}

func changesAfter(tx db.Tx, cur chat.WebhookCursor, limit int) (cs []change, err error) {
	var q db.Statement
	q.Add("SELECT "+table.Changes.Select()+" FROM room_changes h FORCE INDEX (PRIMARY) WHERE h.room_id = ? AND h.change_seq > ? AND h.noop = ''"+
		" ORDER BY h.change_seq LIMIT ?", cur.Room, cur.Changes, limit)
	rows, err := db.Collect(tx, &q, table.Changes.Cells)
	for _, r := range rows {
		var asked struct {
			Key string `json:"key"`
			On  bool   `json:"on"`
		}
		if r.Payload != "" {
			_ = json.Unmarshal([]byte(r.Payload), &asked) // written by this service
		}
		cs = append(cs, change{at: r.AtSeq, WebhookEvent: chat.WebhookEvent{
			Kind: chat.WebhookKindOf(r.Kind, asked.On), At: r.CreatedAt, Room: r.Room, Seq: r.Seq, Changes: r.ChangeSeq, By: r.User, Key: asked.Key,
		}})
	}
	return cs, err
}

// merge puts a change behind the entry that was the room's last when it happened. Where either log was read up to its limit only what is
// certain is returned.
func merge(entries []table.Entry, changes []change, cur chat.WebhookCursor, limit int) (es []chat.WebhookEvent) {
	cut := len(changes) == limit // later ones weren't read
	at := cur
	for len(es) < limit {
		switch {
		case len(changes) > 0 && changes[0].at <= at.Seq:
			e := changes[0].WebhookEvent
			at.Changes, changes = e.Changes, changes[1:]
			e.Then = at
			es = append(es, e)
		case len(entries) > 0 && (len(changes) > 0 || !cut):
			e := chat.WebhookEventOf(entries[0].Whole())
			at.Seq, entries = e.Seq, entries[1:]
			e.Then = at
			es = append(es, e)
		default: // nothing, or a change behind an entry that wasn't read
			return es
		}
	}
	return es
}

// present fills in the messages that were changed, as they are now.
func present(tx db.Tx, room chat.RoomID, es []chat.WebhookEvent) error {
	var q db.Statement
	q.Add("SELECT "+table.Entries+" FROM messages x FORCE INDEX (PRIMARY)"+table.JoinState+" WHERE x.room_id = ? AND x.seq IN (", room)
	n := 0
	for i := range es {
		if es[i].Changes != 0 {
			q.Add(db.Comma(n)+"?", es[i].Seq)
			n++
		}
	}
	if n == 0 {
		return nil
	}
	q.Add(")")
	rows, err := db.Collect(tx, &q, (*table.Entry).Cells)
	now := make(map[chat.Seq]chat.Message, len(rows))
	for i := range rows {
		now[rows[i].Seq] = rows[i].Whole()
	}
	for i := range es {
		if es[i].Changes != 0 {
			es[i].Message = now[es[i].Seq]
		}
	}
	return err
}

// named returns a room's epoch and the application's own id of it.
func named(tx db.Tx, room chat.RoomID) (epoch uint64, ext string, err error) {
	var q db.Statement
	q.Add("SELECT r.epoch, e.ext FROM rooms r LEFT JOIN external_rooms e FORCE INDEX (external_rooms_room) ON e.room_id = r.id WHERE r.id = ?", room)
	type names struct {
		epoch uint64
		table.ExternalRoom
	}
	ext1 := table.ExternalRooms.Only("ext")
	found, err := db.Collect(tx, &q, func(n *names) []any { return append([]any{table.Number(&n.epoch)}, ext1.Cells(&n.ExternalRoom)...) })
	if err != nil || len(found) == 0 {
		return 0, "", err
	}
	return found[0].epoch, found[0].Ext, nil
}

// outside returns the application's own ids of the events' users, of those that have one.
func outside(tx db.Tx, es []chat.WebhookEvent, of func(*chat.WebhookEvent) chat.UserID) (map[chat.UserID]string, error) {
	ids := make([]chat.UserID, len(es))
	for i := range es {
		ids[i] = of(&es[i])
	}
	if ids = db.SortedIDs(ids); len(ids) == 0 {
		return nil, nil
	}
	key := chat.External("").IssuerKey()
	var q db.Statement
	q.Add("SELECT "+table.Identities.Select()+" FROM identities i FORCE INDEX (identities_user) WHERE i.issuer = ? AND i.user_id IN (", key[:])
	db.List(&q, ids)
	q.Add(")")
	rows, err := db.Collect(tx, &q, table.Identities.Cells)
	exts := make(map[chat.UserID]string, len(rows))
	for _, r := range rows {
		exts[r.User] = r.Subject
	}
	return exts, err
}

// userPage returns what happened to accounts, by the order in which that was left.
func userPage(tx db.Tx, cur chat.WebhookCursor, limit int) (es []chat.WebhookEvent, err error) {
	var q db.Statement
	q.Add("SELECT "+table.UserEvents.Select()+" FROM webhook_events v FORCE INDEX (webhook_events_webhook) WHERE v.webhook_id = ? ORDER BY v.id LIMIT ?",
		cur.Webhook, limit)
	rows, err := db.Collect(tx, &q, table.UserEvents.Cells)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	ids := make([]chat.UserID, len(rows))
	for i, r := range rows {
		ids[i] = r.User
	}
	us, err := table.People.Find(tx.Where("id IN ?", db.SortedIDs(ids)))
	if err != nil {
		return nil, err
	}
	people := make(map[chat.UserID]chat.User, len(us))
	for _, u := range us {
		people[u.ID] = u
	}
	for _, r := range rows {
		u := people[r.User]
		u.ID = r.User
		es = append(es, chat.WebhookEvent{Kind: r.Kind, At: r.At, User: u, Row: r.ID, Then: cur})
	}
	exts, err := outside(tx, es, func(e *chat.WebhookEvent) chat.UserID { return e.User.ID })
	for i := range es {
		es[i].Ext = exts[es[i].User.ID]
	}
	return es, err
}
