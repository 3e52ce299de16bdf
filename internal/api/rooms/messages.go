package rooms

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// MessageBody is a message to send.
type MessageBody struct {
	Content     string        `json:"content,omitempty" limit:"message_bytes" rule:"something to see, and no NUL; empty only beside data" example:"Hello"`
	Data        server.Object `json:"data,omitzero" rule:"an object within limits.data_bytes and limits.data_depth, no name twice" doc:"for the application; with it content may be empty"`
	ReplyTo     *chat.Seq     `json:"reply_to,omitempty" minimum:"1" rule:"a message of the same room that the caller may see" doc:"the message that this one answers"`
	ClientMsgID *string       `json:"client_msg_id,omitempty" minLength:"1" maxLength:"36" pattern:"^[A-Za-z0-9._:-]*$" doc:"a retry with the same id returns the first result; the server makes one if left out" example:"m-1"`
}

// HistoryReply is a stretch of a room's log, ascending by seq.
type HistoryReply struct {
	Messages []protocol.ShownMessage `json:"messages"`
	LastSeq  chat.Seq                `json:"last_seq" doc:"the newest that the caller may see"`
	Epoch    uint64                  `json:"epoch"`
	Changes  chat.ChangeSeq          `json:"change_seq" doc:"the room's last change that is surely in the messages"`
	HasMore  bool                    `json:"has_more" doc:"there are older messages, or newer ones if after_seq was given"`
	Page     int                     `json:"page,omitempty"`
	PageSize int                     `json:"page_size,omitempty"`
}

// ReadBody moves the caller's read pointer.
type ReadBody struct {
	Seq *chat.Seq `json:"seq" required:"true" doc:"clamped to the room's last seq; never moves backwards" example:"1"`
}

// ReadReply is the read pointer's new position.
type ReadReply struct {
	ReadSeq chat.Seq `json:"read_seq"`
	Unread  uint64   `json:"unread"`
}

// UnreadReply counts unread messages.
type UnreadReply struct {
	Total uint64                 `json:"total"`
	Rooms map[chat.RoomID]uint64 `json:"rooms" doc:"by room id"`
}

// post sends a message. Without a client_msg_id a lost answer can't be retried safely, but the message gets one all
// the same: the log's rows are unique by it.
func (v *Verbs) post(c *server.Call, b MessageBody) error { return v.PostBy(c, c.User, b) }

// PostBy sends a message of a user's: the caller's, or somebody's in whose name a key does. By user 0 it is a system message of the
// application's.
func (v *Verbs) PostBy(c *server.Call, sender chat.UserID, b MessageBody) error {
	m := chat.Send{Room: c.Room, Sender: sender, Session: c.Session, Content: b.Content, ReplyTo: server.OrElse(b.ReplyTo, 0)}
	var k server.Checks
	data, err := v.data(b.Data)
	m.Data = data
	if k.Add(err); b.Content != "" || err == nil && data == "" {
		k.Add(chat.CheckContent(b.Content, v.opts.Limits.MessageBytes))
	}
	if b.ClientMsgID != nil {
		m.ClientMsgID = *b.ClientMsgID
		k.Add(chat.CheckClientMsgID(m.ClientMsgID))
	} else {
		m.ClientMsgID = newMsgID()
	}
	if err := k.Err(); err != nil {
		return err
	}
	sent, err := v.send(c.Ctx, m)
	if err != nil {
		return err
	}
	if sent.Err != nil {
		return sent.Err
	}
	status := http.StatusCreated
	if sent.Duplicate {
		status = http.StatusOK
	}
	mine, err := v.mine(c.Ctx, c.Room, sender, []chat.Message{sent.Message}) // a retry may find it changed
	if err != nil {
		return err
	}
	return c.Reply(status, protocol.ShownMessageView(sent.Message, mine[sent.Message.Seq]))
}

// send posts a message within its sender's allowance. The application has none of its own: its calls are counted.
func (v *Verbs) send(ctx context.Context, m chat.Send) (chat.Sent, error) {
	if m.Sender == 0 {
		m.Content = chat.SaidContent(m.Content)
		return v.ports.Messages.PostSaid(ctx, m, v.now())
	}
	if err := v.attempts.Message(ctx, m.Sender, v.opts.Limits.MessageRate()); err != nil {
		return chat.Sent{}, err
	}
	return v.ports.Messages.Post(ctx, m, v.now())
}

// newMsgID makes a client_msg_id for a client that sent none.
func newMsgID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return "api-" + hex.EncodeToString(b[:])
}

// history answers with bytes that are appended without reflection: a page may hold a hundred messages.
func (v *Verbs) history(c *server.Call) error {
	q, err := HistoryQuery(c)
	if err != nil {
		return err
	}
	p, err := v.readHistory(c.Ctx, q)
	if err != nil {
		return err
	}
	mine, err := v.mine(c.Ctx, q.Room, q.User, p.Messages)
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendHistoryReply(c.Buffer(), p, q, mine))
}

// HistoryQuery reads the two forms of a request: by page, or by one seq and a limit. limit alone is the size of the
// newest page.
func HistoryQuery(c *server.Call) (chat.HistoryQuery, error) {
	q := c.Query()
	h := chat.HistoryQuery{Room: c.Room, User: c.User}
	seqs := 0
	seq := func(name string) *chat.Seq {
		if !q.Has(name) {
			return nil
		}
		seqs++
		s := chat.Seq(q.Number(name))
		return &s
	}
	h.Before, h.After, h.Around = seq("before_seq"), seq("after_seq"), seq("around_seq")
	paged := q.Has("page") || q.Has("page_size")
	page := q.Number("page")
	size, limit := q.Number("page_size"), q.Number("limit")
	h.MinSeq, h.MinChanges = chat.Seq(q.Number("min_seq")), chat.ChangeSeq(q.Number("min_change_seq"))
	q.Check.Require(seqs <= 1, "before_seq", "give only one of before_seq, after_seq and around_seq")
	q.Check.Require(seqs == 0 || !paged, "page", "can't be mixed with before_seq, after_seq or around_seq")
	q.Check.Require(!paged || !q.Has("limit"), "limit", "belongs to before_seq, after_seq and around_seq: use page_size")
	if seqs == 0 {
		h.Page, h.PageSize = int(page), int(size)
		if q.Has("limit") {
			h.PageSize = int(limit)
		}
	} else {
		h.Limit = int(limit)
	}
	return h, q.Check.Err()
}

// readHistory reads from the store, or, if it is the newest page, from the cache. Which messages the user may see and
// what the newest one is, only the store can say; the cache is used only if it holds exactly the page that follows
// from that, in the states that belong to the room's last change.
func (v *Verbs) readHistory(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	if v.ports.Recents == nil || q.Page != 1 {
		return v.ports.Messages.History(ctx, q)
	}
	var asked, hit bool
	var failed error
	q.Known = func(page chat.HistoryPage, from, to chat.Seq) (ms []chat.Message, ok bool) {
		if to < q.MinSeq || page.Changes < q.MinChanges {
			return nil, false
		}
		asked = true
		ms, failed = v.ports.Recents.Recent(ctx, q.Room, page.Epoch, page.Changes)
		ms, ok = tail(ms, to, int(to-from)+1)
		hit = ok && failed == nil
		return ms, hit
	}
	p, err := v.ports.Messages.History(ctx, q)
	switch {
	case hit:
		v.opts.Recent.WithLabelValues("hit").Inc()
		return p, err
	case !asked:
		return p, err
	}
	if err == nil && failed == nil && !p.Ended && len(p.Messages) > 0 {
		failed = v.ports.Recents.Warm(ctx, q.Room, p.Epoch, p.Changes, p.Messages)
	}
	if failed != nil {
		v.opts.Degraded.WithLabelValues("recents").Inc()
	}
	v.opts.Recent.WithLabelValues("miss").Inc()
	return p, err
}

// tail cuts the n messages up to the seq out of ascending ones; ok is false if one of them is missing.
func tail(ms []chat.Message, upTo chat.Seq, n int) (cut []chat.Message, ok bool) {
	end, found := slices.BinarySearchFunc(ms, upTo, func(m chat.Message, s chat.Seq) int { return cmp.Compare(m.Seq, s) })
	if !found || end+1 < n {
		return nil, false
	}
	cut = ms[end+1-n : end+1]
	return cut, cut[0].Seq+chat.Seq(n-1) == upTo // each seq is there once, so there can't be a gap
}

// read moves the read pointer. A seq beyond the room's last one means "all", so clients need not know it.
func (v *Verbs) read(c *server.Call, b ReadBody) error {
	st, err := v.ports.Messages.ReadAndTell(c.Ctx, chat.ReadMark{Room: c.Room, User: c.User, Seq: *b.Seq})
	if err != nil {
		return err
	}
	if st.Err != nil {
		return st.Err
	}
	return c.OK(ReadReply{st.ReadSeq, st.Unread})
}

// unread counts from counters that every message and read pointer carry; no message is read for it.
func (v *Verbs) unread(c *server.Call) error {
	total, per, err := v.ports.Lists.Unread(c.Ctx, c.User)
	if err != nil {
		return err
	}
	r := UnreadReply{Total: total, Rooms: map[chat.RoomID]uint64{}}
	for room, n := range per {
		r.Rooms[room] = n
	}
	return c.OK(r)
}
