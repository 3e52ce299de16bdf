package importer

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// chunk is what goes into one transaction of messages.
type chunk struct {
	items []message
	out   []chat.ImportedMessage
	ids   map[uint64]int // in items
	rooms map[chat.RoomID]bool
	bytes int
}

func newChunk() *chunk { return &chunk{ids: map[uint64]int{}, rooms: map[chat.RoomID]bool{}} }

func (c *chunk) full() bool {
	return len(c.items) >= messagesAtOnce || c.bytes >= bytesAtOnce || len(c.rooms) >= talkingAtOnce
}

func (im *Importer) storeMessages(ctx context.Context, ms []message) error {
	c := newChunk()
	for _, m := range ms {
		name := im.nameOf(m) // also of one that is refused: those that look the same are counted
		to, err := im.resolve(c, m)
		if err != nil {
			im.refuse(m.line, messageType, m.room, m.id, err)
			continue
		}
		to.ClientMsgID = name
		if m.id != "" {
			if _, twice := c.ids[keyOf(m.room, m.id)]; !twice {
				c.ids[keyOf(m.room, m.id)] = len(c.items)
			}
		}
		c.items, c.out = append(c.items, m), append(c.out, to)
		c.rooms[to.Room] = true
		if c.bytes += len(m.content) + len(m.data); c.full() {
			if err := im.append(ctx, c); err != nil {
				return err
			}
			c = newChunk()
		}
	}
	return im.append(ctx, c)
}

// resolve finds what the application's own ids in a message stand for.
func (im *Importer) resolve(c *chunk, m message) (to chat.ImportedMessage, err *chat.Error) {
	r := im.rooms[m.room]
	if r.id == 0 || r.n >= m.n {
		return to, noRoom(m.room)
	}
	sender := im.userAt(m.sender, m.n)
	if sender == 0 {
		return to, noUser("sender", m.sender)
	}
	to = chat.ImportedMessage{
		Room: chat.RoomID(r.id), Sender: sender, At: m.at, Content: m.content, Data: m.data, Undated: im.undated[m.room],
	}
	if m.id != "" {
		key := keyOf(m.room, m.id)
		first, there := im.ids[key]
		if i, here := c.ids[key]; here {
			first, there = stored{mark: markOf(c.items[i])}, true
		}
		if there && first.mark != 0 && first.mark != markOf(m) {
			return to, chat.E(chat.IdempotencyConflict, "the id was used for another message")
		}
	}
	if m.replyTo == "" {
		return to, nil
	}
	key := keyOf(m.room, m.replyTo)
	if i, here := c.ids[key]; here {
		to.Answers = i + 1
	} else if first, there := im.ids[key]; there {
		to.ReplyTo = chat.Seq(first.seq)
	} else {
		return to, chat.BadField("reply_to", "no message before it in the room has the id %q", m.replyTo)
	}
	return to, nil
}

// append stores a chunk, and notes where its messages are.
func (im *Importer) append(ctx context.Context, c *chunk) error {
	if len(c.items) == 0 {
		return nil
	}
	sent, err := im.o.Store.ImportMessages(ctx, c.out)
	if err != nil {
		return err
	}
	for i, m := range c.items {
		is := &sent[i]
		if is.Err != nil {
			im.refuse(m.line, messageType, m.room, m.id, is.Err)
			continue
		}
		if is.Duplicate {
			im.counts.Messages.Known++
		} else {
			im.counts.Messages.Made++
			if is.Message.CreatedAt.After(m.at.Truncate(time.Millisecond)) {
				im.counts.Later++
			}
		}
		if m.id != "" {
			im.ids[keyOf(m.room, m.id)] = stored{uint32(is.Message.Seq), markOf(m)}
		}
		im.runs.add(&is.Message)
	}
	if im.runs.full() {
		return im.storeRuns(ctx)
	}
	return nil
}
