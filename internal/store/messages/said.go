package messages

import (
	"context"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// PostSaid appends one system message of the application's, which is in no room, and announces it as Post does. It is Append but for this:
// there is no sender whose membership and pointer count, any message of the room may be answered, and nobody has it unread. Content is what
// chat.SaidContent makes. A repeat is found by the room and client_msg_id.
func (s *Store) PostSaid(ctx context.Context, send chat.Send, now time.Time) (chat.Sent, error) {
	send.Sender, send.Session, send.ClientSeq = 0, "", 0
	b := &said{newBatch([]chat.Send{send}, now)}
	return s.post(ctx, b.batch, b.commit)
}

// said is a batch of one message that nobody sent.
type said struct{ *batch }

func (b *said) commit(ask db.Ask) (writes []*db.Statement, err error) {
	b.reset()
	if err := ask(b.lockRooms(), lookup(b.findStored())); err != nil {
		return nil, err
	}
	if b.sent[0] = b.judge(); len(b.fresh) == 0 {
		return nil, nil
	}
	return append(b.insertMessages(), b.updateRooms()), nil
}

// judge decides the message. A duplicate is answered before any other rule, as everywhere.
func (b *said) judge() chat.Sent {
	s := b.sends[0]
	key := messageKey{chat.Place{Room: s.Room}, s.ClientMsgID}.folded()
	r := b.rooms[s.Room]
	if first, ok := b.stored[key]; ok {
		return b.repeat(0, key, r, first)
	}
	switch {
	case r == nil || r.dissolved:
		return chat.Sent{Err: NoRoom()}
	case b.refusal != nil:
		return chat.Sent{Err: b.refusal}
	case s.ReplyTo > r.Seq:
		return chat.Sent{Err: chat.BadField("reply_to", "there is no such message")}
	}
	r.Seq++
	m := table.Message{Message: entryOf(s), BodyHash: b.hashes[0]}
	m.Kind, m.Seq, m.Ord, m.CreatedAt = chat.System, r.Seq, r.MsgCount, r.now
	b.fresh = append(b.fresh, m)
	b.stored[key], b.ours[key] = m, 0
	return chat.Sent{Message: m.Message}
}
