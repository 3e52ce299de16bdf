package hub

import (
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

const (
	recallLife = 60_000 // ms; longer than a sync that is still answered can take
	recallsMax = 1_024  // recalls of a room per generation
)

// recalls remembers for a while which messages of a room are known here as recalled: the answer to a sync may have been read before
// that, and its text must not come after it. There are two generations: a recall lives between one and two times recallLife, or as long
// as the recallsMax after it haven't come.
type recalls struct {
	cur, old map[chat.Seq]protocol.Recall
	turnAt   int64
}

// note remembers the recall that a frame shows, if it shows one.
func (x *recalls) note(frame []byte, now int64) {
	r, ok := protocol.RecallIn(frame)
	if !ok {
		return
	}
	if x.cur == nil || now >= x.turnAt || len(x.cur) >= recallsMax {
		x.old, x.cur, x.turnAt = x.cur, map[chat.Seq]protocol.Recall{}, now+recallLife
	}
	x.cur[r.Seq] = r
}

// find returns what is known of a message as recalled.
func (x *recalls) find(seq chat.Seq) (r protocol.Recall, ok bool) {
	if r, ok = x.cur[seq]; !ok {
		r, ok = x.old[seq]
	}
	return r, ok
}

// asKnown returns a frame for one socket as it is to be sent: a message in it that was recalled since it was read is shown as recalled.
func (rm *room) asKnown(d *envelope.Delivery, now int64) []byte {
	if d.AtSeq == 0 || rm.changes == nil {
		return d.Frame
	}
	if r, ok := rm.changes.recalls.find(d.AtSeq); ok {
		return protocol.AsRecalled(d.Frame, r)
	}
	rm.changes.recalls.note(d.Frame, now)
	return d.Frame
}
