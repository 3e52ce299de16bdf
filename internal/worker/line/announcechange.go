package line

import (
	"context"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/worker/deliver"
)

// statesRead is how many messages of a room are read at once for changes that REST made.
const statesRead = 1000

// load reads, for outbox rows about changes, the messages as they are now: a row says what was asked for, and the text that it brought may
// be recalled already. Where that fails the rows are left for the next look.
func (c *Committer) load(ctx context.Context, rows []envelope.Announcement) (ok bool) {
	at := map[chat.RoomID][]chat.Seq{}
	for i := range rows {
		if x := rows[i].Changed; x != nil {
			at[x.Change.Room] = append(at[x.Change.Room], x.Change.Seq)
		}
	}
	if len(at) == 0 {
		return true
	}
	now := map[chat.RoomID]map[chat.Seq]chat.Message{}
	for room, seqs := range at {
		now[room] = make(map[chat.Seq]chat.Message, len(seqs))
		for len(seqs) > 0 {
			some := seqs[:min(len(seqs), statesRead)]
			seqs = seqs[len(some):]
			qctx, cancel := context.WithTimeout(ctx, c.l.o.Patience)
			ms, err := c.l.o.Changes.States(qctx, room, some)
			cancel()
			if err != nil {
				c.l.o.Logger.WarnContext(ctx, "read changed messages", "room", room, "err", err)
				c.flying.drop(idsOf(rows))
				return false
			}
			for _, m := range ms {
				now[room][m.Seq] = m
			}
		}
	}
	for i := range rows {
		if x := rows[i].Changed; x != nil {
			x.Message = now[x.Change.Room][x.Change.Seq]
		}
	}
	return true
}

// changesIn lists the changes among outbox rows.
func changesIn(rows []envelope.Announcement) (all []chat.Changed) {
	for i := range rows {
		if rows[i].Changed != nil {
			all = append(all, *rows[i].Changed)
		}
	}
	return all
}

// announceChange announces a change that REST made.
func (c *Committer) announceChange(_ context.Context, a *envelope.Announcement, out *deliver.Parcels) {
	r := c.room(a.Changed.Change.Room)
	r.reached(a.Changed.AtSeq, r.epoch, c.l.o.Now()) // so that digests tell of it
	c.tell(a.Changed, out)
}
