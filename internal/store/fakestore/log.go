package fakestore

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// room is a room with its log and everybody who is or was in it.
type room struct {
	chat.Room
	activeAt time.Time
	log      []chat.Message // log[i] has seq first + i
	first    chat.Seq
	members  map[chat.UserID]*chat.Member
	cursors  map[cursorKey]*cursor
	changes
}

type cursorKey struct {
	user    chat.UserID
	session chat.SessionID
}

type cursor struct {
	last  uint64
	moved time.Time
}

func (s *Store) newRoom(r chat.Room) *room {
	n := &room{
		Room: r, activeAt: s.now(), first: r.LastSeq + 1, members: map[chat.UserID]*chat.Member{}, cursors: map[cursorKey]*cursor{},
		changes: newChanges(),
	}
	s.rooms[r.ID] = n
	return n
}

// enter puts a membership there.
func (r *room) enter(m chat.Member) {
	m.Room = r.ID
	if old := r.members[m.User]; old != nil && old.In() {
		r.MemberCount--
	}
	if r.members[m.User] = &m; m.In() {
		r.MemberCount++
	}
}

// in returns the user's open membership, nil if there is none.
func (r *room) in(user chat.UserID) *chat.Member {
	if r == nil || r.members[user] == nil || !r.members[user].In() {
		return nil
	}
	return r.members[user]
}

func (r *room) head() chat.Head {
	return chat.Head{Room: r.ID, Seq: r.LastSeq, Before: r.LastSeq, Epoch: r.Epoch, MsgCount: r.MsgCount, Changes: r.Changes}
}

// Append implements the stations' ports; see messages.Store.
func (s *Store) Append(ctx context.Context, sends []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error) {
	end, err := s.begin(ctx, "Append")
	defer end()
	if err != nil || len(sends) == 0 {
		return nil, nil, err
	}
	heads := map[chat.RoomID]chat.Head{}
	sent := make([]chat.Sent, len(sends))
	for _, send := range sends {
		if r := s.rooms[send.Room]; r != nil {
			heads[r.ID] = r.head()
		}
	}
	for i, send := range sends {
		sent[i] = s.judge(send, now.UTC().Truncate(time.Millisecond))
	}
	if s.unheard > 0 {
		s.unheard--
		return nil, nil, chat.E(chat.Unavailable, "the answer was lost")
	}
	out := make([]chat.Head, 0, len(heads))
	for id, was := range heads {
		h := s.rooms[id].head()
		h.Before = was.Before
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b chat.Head) int { return cmp.Compare(a.Room, b.Room) })
	return sent, out, nil
}

// Post implements the stations' ports; see messages.Store.
func (s *Store) Post(ctx context.Context, send chat.Send, now time.Time) (chat.Sent, error) {
	end, err := s.begin(ctx, "Post")
	defer end()
	if err != nil {
		return chat.Sent{}, err
	}
	sent := s.judge(send, now.UTC().Truncate(time.Millisecond))
	if sent.Err == nil && !sent.Duplicate {
		s.add(envelope.Announcement{Message: &sent.Message, Room: &s.rooms[send.Room].Room})
	}
	return sent, nil
}

// PostSaid implements the stations' ports; see messages.Store.
func (s *Store) PostSaid(ctx context.Context, send chat.Send, now time.Time) (chat.Sent, error) {
	end, err := s.begin(ctx, "PostSaid")
	defer end()
	if err != nil {
		return chat.Sent{}, err
	}
	r := s.rooms[send.Room]
	if r != nil {
		i := slices.IndexFunc(r.log, func(m chat.Message) bool { return m.Said() && m.ClientMsgID == send.ClientMsgID })
		if i >= 0 && !sameBody(r.sent[r.log[i].Seq], send) {
			return chat.Sent{Err: chat.E(chat.IdempotencyConflict, "client_msg_id was used for another message")}, nil
		} else if i >= 0 {
			return chat.Sent{Message: r.log[i], Duplicate: true}, nil
		}
	}
	switch {
	case r == nil || !r.DissolvedAt.IsZero():
		return chat.Sent{Err: noRoom()}, nil
	case send.ReplyTo > r.LastSeq:
		return chat.Sent{Err: chat.BadField("reply_to", "there is no such message")}, nil
	}
	m := r.write(chat.Message{Kind: chat.System, ClientMsgID: send.ClientMsgID, Content: send.Content, Data: send.Data, ReplyTo: send.ReplyTo, CreatedAt: now.UTC()})
	r.sent[m.Seq] = send
	s.add(envelope.Announcement{Message: &m, Room: &r.Room})
	return chat.Sent{Message: m}, nil
}

// judge decides a send and does it. A duplicate is answered before any other rule.
func (s *Store) judge(send chat.Send, now time.Time) chat.Sent {
	if s.poisonText != "" && send.Content == s.poisonText {
		panic("poison")
	}
	r := s.rooms[send.Room]
	if r != nil {
		i := slices.IndexFunc(r.log, func(m chat.Message) bool {
			return m.Kind != chat.System && m.Sender == send.Sender && m.ClientMsgID == send.ClientMsgID
		})
		if i >= 0 {
			r.spend(send, now)
			if !sameBody(r.sent[r.log[i].Seq], send) {
				return chat.Sent{Err: chat.E(chat.IdempotencyConflict, "client_msg_id was used for another message")}
			}
			return chat.Sent{Message: r.log[i], Duplicate: true}
		}
	}
	if x := s.sessions[send.Session]; x != nil && !x.RevokedAt.IsZero() {
		if r != nil {
			r.spend(send, now)
		}
		return chat.Sent{Err: chat.As(noSession())}
	}
	m := r.in(send.Sender)
	if m == nil || !r.DissolvedAt.IsZero() {
		if r != nil {
			r.spend(send, now)
		}
		return chat.Sent{Err: noRoom()}
	}
	if want := r.last(send) + 1; send.ClientSeq != 0 && send.ClientSeq != want {
		e := chat.E(chat.OutOfOrder, "client_seq is %d, expected %d", send.ClientSeq, want)
		e.Expected = want
		return chat.Sent{Err: e}
	}
	r.spend(send, now)
	switch {
	case m.MutedUntil.After(now):
		return chat.Sent{Err: chat.E(chat.Muted, "muted until %s", m.MutedUntil.Format(time.RFC3339))}
	case send.Refused != nil:
		return chat.Sent{Err: send.Refused}
	case send.ReplyTo != 0 && (send.ReplyTo < m.VisibleFrom || send.ReplyTo > r.LastSeq):
		return chat.Sent{Err: chat.BadField("reply_to", "there is no such message")}
	}
	r.MsgCount++
	msg := r.write(chat.Message{
		Kind: chat.KindOfContent(send.Content), Sender: send.Sender, ClientMsgID: send.ClientMsgID, Content: send.Content,
		Data: send.Data, ReplyTo: send.ReplyTo, CreatedAt: now,
	})
	m.ReadSeq, m.ReadCount = msg.Seq, msg.Ord
	r.sent[msg.Seq] = send
	return chat.Sent{Message: msg}
}

// sameBody reports whether two sends ask for the same message.
func sameBody(a, b chat.Send) bool {
	return a.Content == b.Content && a.Data == b.Data && a.ReplyTo == b.ReplyTo
}

// later is the later one of two times: created_at never falls along seq.
func later(now, active time.Time) time.Time {
	if active.After(now) {
		return active
	}
	return now
}

// write puts a message at the end of the log.
func (r *room) write(m chat.Message) chat.Message {
	r.LastSeq++
	m.Room, m.Seq, m.Ord = r.ID, r.LastSeq, r.MsgCount
	m.CreatedAt = later(m.CreatedAt, r.activeAt).Truncate(time.Millisecond)
	r.log = append(r.log, m)
	r.activeAt = later(m.CreatedAt, r.activeAt)
	return m
}

// say puts a system message at the end of the log.
func (r *room) say(ev chat.SystemEvent, now time.Time) *chat.Message {
	content, err := json.Marshal(ev)
	if err != nil {
		panic(err) // a SystemEvent can always be written
	}
	m := r.write(chat.Message{Kind: chat.System, Content: string(content), CreatedAt: now.Truncate(time.Millisecond)})
	r.activeAt = later(now, r.activeAt)
	return &m
}

// last is the last client_seq of the send's session.
func (r *room) last(send chat.Send) uint64 {
	if c := r.cursors[cursorKey{send.Sender, send.Session}]; c != nil {
		return c.last
	}
	return 0
}

// spend uses up the send's client_seq if it is the next one. The numbers of those who were never members are not kept.
func (r *room) spend(send chat.Send, now time.Time) {
	key := cursorKey{send.Sender, send.Session}
	stranger := r.cursors[key] == nil && (r.in(send.Sender) == nil || !r.DissolvedAt.IsZero())
	if send.ClientSeq == 0 || send.ClientSeq != r.last(send)+1 || stranger {
		return
	}
	r.cursors[key] = &cursor{send.ClientSeq, now}
}

// MarkRead implements the stations' ports; see messages.Store.
func (s *Store) MarkRead(ctx context.Context, marks []chat.ReadMark) ([]chat.ReadState, error) {
	end, err := s.begin(ctx, "MarkRead")
	defer end()
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	return s.mark(marks), nil
}

func (s *Store) mark(marks []chat.ReadMark) []chat.ReadState {
	moved := map[chat.Place]bool{}
	for _, mark := range marks {
		r := s.rooms[mark.Room]
		m := r.in(mark.User)
		if m == nil {
			continue
		}
		if seq := min(mark.Seq, r.LastSeq); seq > m.ReadSeq && seq >= m.VisibleFrom {
			m.ReadSeq, m.ReadCount = seq, r.ord(seq)
			moved[chat.Place{Room: mark.Room, User: mark.User}] = true
		}
	}
	states := make([]chat.ReadState, len(marks))
	for i, mark := range marks {
		states[i] = chat.ReadState{Room: mark.Room, User: mark.User}
		r := s.rooms[mark.Room]
		m := r.in(mark.User)
		if m == nil {
			states[i].Err = noRoom()
			continue
		}
		states[i].ReadSeq, states[i].Moved = m.ReadSeq, moved[chat.Place{Room: mark.Room, User: mark.User}]
		states[i].Unread, states[i].Changes = r.membership(*m).Unread(), r.Changes
	}
	return states
}

// ord is the number of users' messages up to a seq.
func (r *room) ord(seq chat.Seq) uint64 {
	if seq < r.first || seq == r.LastSeq {
		return r.MsgCount
	}
	return r.log[seq-r.first].Ord
}

// ReadAndTell implements the stations' ports; see messages.Store.
func (s *Store) ReadAndTell(ctx context.Context, mark chat.ReadMark) (chat.ReadState, error) {
	end, err := s.begin(ctx, "ReadAndTell")
	defer end()
	if err != nil {
		return chat.ReadState{}, err
	}
	state := s.mark([]chat.ReadMark{mark})[0]
	if state.Err != nil {
		return state, state.Err
	}
	if state.Moved {
		s.add(envelope.Announcement{Read: &state})
	}
	return state, nil
}

// span returns a copy of the messages with seqs from … to.
func (r *room) span(from, to chat.Seq) []chat.Message {
	if r == nil {
		return nil
	}
	from, to = max(from, r.first), min(to, r.LastSeq)
	if from > to {
		return nil
	}
	return slices.Clone(r.log[from-r.first : to-r.first+1])
}

// Messages implements the stations' ports; see messages.Store.
func (s *Store) Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error) {
	end, err := s.begin(ctx, "Messages")
	defer end()
	if err != nil || from > to || limit <= 0 {
		return nil, err
	}
	ms := s.rooms[room].span(from, to)
	return ms[:min(len(ms), limit)], nil
}

// Spans implements the stations' ports; see messages.Store.
func (s *Store) Spans(ctx context.Context, spans []chat.Span, bytes int) (ms []chat.Message, whole bool, err error) {
	end, err := s.begin(ctx, "Spans")
	defer end()
	if err != nil {
		return nil, false, err
	}
	spans = slices.SortedFunc(slices.Values(spans), func(a, b chat.Span) int {
		return cmp.Or(cmp.Compare(a.Room, b.Room), cmp.Compare(a.From, b.From))
	})
	for _, span := range spans {
		for _, m := range s.rooms[span.Room].span(span.From, span.To) {
			if bytes <= 0 {
				return ms, false, nil
			}
			ms, bytes = append(ms, m), bytes-len(m.Content)-len(m.Data)
		}
	}
	return ms, true, nil
}

// History implements the stations' ports; see messages.Store.
func (s *Store) History(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	end, err := s.begin(ctx, "History")
	defer end()
	switch {
	case err != nil:
		return chat.HistoryPage{}, err
	case q.Page < 0 || q.PageSize < 0 || q.Limit < 0:
		return chat.HistoryPage{}, chat.BadField("page", "page, page_size and limit must not be negative")
	}
	r := s.rooms[q.Room]
	if r == nil || r.members[q.User] == nil {
		return chat.HistoryPage{}, noRoom()
	}
	first, last, _ := r.members[q.User].Window(r.LastSeq)
	return s.stretchOf(q, r, first, chat.HistoryPage{LastSeq: last, Epoch: r.Epoch, Changes: r.Changes, Ended: !r.members[q.User].In()}), nil
}

// WholeHistory implements the stations' ports; see messages.Store.
func (s *Store) WholeHistory(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error) {
	end, err := s.begin(ctx, "WholeHistory")
	defer end()
	if err != nil {
		return chat.HistoryPage{}, err
	}
	if q.Page < 0 || q.PageSize < 0 || q.Limit < 0 {
		return chat.HistoryPage{}, chat.BadField("page", "page, page_size and limit must not be negative")
	}
	r := s.rooms[q.Room]
	if r == nil {
		return chat.HistoryPage{}, noRoom()
	}
	return s.stretchOf(q, r, 1, chat.HistoryPage{LastSeq: r.LastSeq, Epoch: r.Epoch, Changes: r.Changes}), nil
}

func (s *Store) stretchOf(q chat.HistoryQuery, r *room, first chat.Seq, page chat.HistoryPage) chat.HistoryPage {
	last := page.LastSeq
	all := r.span(first, last)
	n := cmp.Or(q.Limit, 20)
	from, to := 0, len(all) // of all
	switch {
	case q.After != nil:
		for from < to && all[from].Seq <= *q.After {
			from++
		}
		page.HasMore, to = to-from > n, min(to, from+n)
		return s.filled(q, page, all[from:to])
	case q.Around != nil:
		start := chat.Seq(0)
		if half := chat.Seq((n - 1) / 2); *q.Around > half {
			start = *q.Around - half
		}
		start = max(first, start)
		for to > 0 && all[to-1].Seq > start+chat.Seq(n)-1 {
			to--
		}
	case q.Before != nil:
		for to > 0 && all[to-1].Seq >= *q.Before {
			to--
		}
	default:
		n = cmp.Or(q.PageSize, 20)
		skip := cmp.Or(q.Page, 1) - 1
		if skip > len(all)/n {
			return page
		}
		to = max(0, to-skip*n)
	}
	from = max(0, to-n)
	page.HasMore = from > 0 && from < to
	return s.filled(q, page, all[from:to])
}

// PageRead is the verb of reading a page's messages: History does it, unless the caller has them.
const PageRead = "History: messages"

// filled puts messages into a page, or what the caller has of them. The caller holds s.mu.
func (s *Store) filled(q chat.HistoryQuery, page chat.HistoryPage, ms []chat.Message) chat.HistoryPage {
	if len(ms) == 0 {
		return page
	}
	if q.Known != nil {
		if known, ok := q.Known(page, ms[0].Seq, ms[len(ms)-1].Seq); ok {
			page.Messages = known
			return page
		}
	}
	s.calls[PageRead]++
	page.Messages = ms
	return page
}
