package fakestore

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// asked is what was asked under a change_id, and the first answer.
type asked struct {
	change    chat.Change
	changeSeq chat.ChangeSeq
	version   uint64
	noOp      bool
}

type changeKey struct {
	user chat.UserID
	id   string
}

// reacted is who set a key under a message, in the order in which they came.
type reacted struct {
	seq chat.Seq
	key string
}

type reactor struct {
	chat.Reactor
	at chat.ChangeSeq
}

// Happened is a change, as endpoints are told of it, behind the entry that was the room's last then.
type Happened struct {
	After chat.Seq
	chat.WebhookEvent
}

// changes is what a room remembers of changes.
type changes struct {
	asked    map[changeKey]asked
	reacted  map[reacted][]reactor
	versions map[chat.Seq][]chat.Version // oldest first
	sent     map[chat.Seq]chat.Send      // what messages were sent as
	pinned   []chat.Seq                  // oldest first
	happened []Happened

	changedAt time.Time // when a message changed last
}

func newChanges() changes {
	return changes{map[changeKey]asked{}, map[reacted][]reactor{}, map[chat.Seq][]chat.Version{}, map[chat.Seq]chat.Send{}, nil, nil, time.Time{}}
}

// Apply implements the stations' ports; see changes.Store.
func (s *Store) Apply(ctx context.Context, batch []chat.Change, now time.Time) ([]chat.Changed, []chat.Head, error) {
	end, err := s.begin(ctx, "Apply")
	defer end()
	if err != nil || len(batch) == 0 {
		return nil, nil, err
	}
	done := make([]chat.Changed, len(batch))
	heads := map[chat.RoomID]chat.Head{}
	for i, c := range batch {
		done[i] = s.change(c, now.UTC().Truncate(time.Millisecond))
		if r := s.rooms[c.Room]; r != nil {
			heads[r.ID] = r.head()
		}
	}
	if s.unheard > 0 {
		s.unheard--
		return nil, nil, chat.E(chat.Unavailable, "the answer was lost")
	}
	out := make([]chat.Head, 0, len(heads))
	for _, h := range heads {
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b chat.Head) int { return cmp.Compare(a.Room, b.Room) })
	return done, out, nil
}

// PostChange implements the stations' ports; see changes.Store.
func (s *Store) PostChange(ctx context.Context, c chat.Change, now time.Time) (chat.Changed, error) {
	end, err := s.begin(ctx, "PostChange")
	defer end()
	if err != nil {
		return chat.Changed{}, err
	}
	d := s.change(c, now.UTC().Truncate(time.Millisecond))
	switch {
	case d.Err != nil:
	case d.Repeat:
		if c.App {
			break
		}
		m := s.rooms[c.Room].members[c.User]
		if from, to, _ := m.Window(s.rooms[c.Room].LastSeq); c.Seq < from || c.Seq > to {
			return chat.Changed{Change: c, Err: noMessage()}, nil
		}
	case !d.NoOp:
		told := d
		told.Change.Content, told.Change.Data, told.Change.IfVersion, told.Message = nil, nil, 0, chat.Message{}
		s.add(envelope.Announcement{Changed: &told})
	}
	return d, nil
}

func noMessage() *chat.Error { return chat.E(chat.NotFound, "no such message") }

// at returns the message with a seq, nil if there is none.
func (r *room) at(seq chat.Seq) *chat.Message {
	if r == nil || seq < r.first || seq >= r.first+chat.Seq(len(r.log)) {
		return nil
	}
	return &r.log[seq-r.first]
}

// change decides a change and does it. One that was asked for before is answered before any other rule.
func (s *Store) change(c chat.Change, now time.Time) chat.Changed {
	no := func(err error) chat.Changed { return chat.Changed{Change: c, Err: chat.As(err)} }
	r := s.rooms[c.Room]
	msg := r.at(c.Seq)
	if r != nil {
		if first, ok := r.asked[changeKey{c.User, c.ID}]; ok {
			if !sameChange(first.change, c) || msg == nil {
				return no(chat.E(chat.IdempotencyConflict, "change_id was used for another change"))
			}
			return chat.Changed{
				Change: c, ChangeSeq: first.changeSeq, Prev: max(first.changeSeq, 1) - 1, Version: first.version, AtSeq: r.LastSeq,
				Message: *msg, Repeat: true, NoOp: first.noOp,
			}
		}
	}
	if x := s.sessions[c.Session]; x != nil && !x.RevokedAt.IsZero() {
		return no(noSession())
	}
	m := r.in(c.User)
	if c.App && r != nil {
		m = &chat.Member{}
	}
	switch {
	case m == nil || !r.DissolvedAt.IsZero():
		return no(noRoom())
	case msg == nil || c.Seq < m.VisibleFrom:
		return no(noMessage())
	case m.MutedUntil.After(now) && (c.Kind == chat.ChangeEdit || c.Kind == chat.ChangeReaction && c.On):
		return no(chat.E(chat.Muted, "muted until %s", m.MutedUntil.Format(time.RFC3339)))
	}
	next := *msg
	st := chat.State{Version: 1}
	if msg.State != nil {
		st = *msg.State
	}
	next.State = &st
	changed, err := s.apply(r, *m, &next, c, now)
	if err != nil {
		return no(err)
	}
	d := chat.Changed{Change: c, Prev: r.Changes, AtSeq: r.LastSeq, NoOp: !changed}
	if changed {
		r.Changes++
		st.ChangeSeq = r.Changes
		*msg, r.changedAt = next, later(now, r.changedAt)
		r.happened = append(r.happened, Happened{r.LastSeq, chat.WebhookEvent{
			Kind: chat.WebhookKindOf(c.Kind, c.On), At: now, Room: c.Room, Seq: c.Seq, Changes: r.Changes, By: c.User, Key: c.Key,
		}})
	}
	d.Message, d.ChangeSeq, d.Version = *msg, msg.ChangeSeq(), msg.Version()
	r.asked[changeKey{c.User, c.ID}] = asked{c, d.ChangeSeq, d.Version, d.NoOp}
	return d
}

func sameChange(a, b chat.Change) bool {
	same := func(x, y *string) bool { return (x == nil) == (y == nil) && (x == nil || *x == *y) }
	return a.Kind == b.Kind && a.Seq == b.Seq && a.Key == b.Key && a.On == b.On && a.IfVersion == b.IfVersion &&
		same(a.Content, b.Content) && same(a.Data, b.Data)
}

// apply does a change to a copy of a message, if the rules allow it.
func (s *Store) apply(r *room, by chat.Member, m *chat.Message, c chat.Change, now time.Time) (changed bool, err error) {
	limits := s.o.Limits
	switch st := m.State; c.Kind {
	case chat.ChangeEdit:
		if err := chat.MayEditMessage(by, *m, now, limits.EditWindow); err != nil {
			return false, err
		}
		return r.edit(m, c, now)
	case chat.ChangeRecall:
		err := chat.MayRecall(r.Room, by, *m, now, limits.RecallWindow)
		if c.App {
			err = chat.MayTakeBack(*m)
		}
		if err != nil || m.Recalled() {
			return false, err
		}
		m.Content, m.Data = "", ""
		s.Recalled(st.Reactions)
		st.Reactions, st.RecalledBy, st.RecalledAt = nil, c.User, now
		delete(r.versions, m.Seq)
		for k := range r.reacted {
			if k.seq == m.Seq {
				delete(r.reacted, k)
			}
		}
		return true, nil
	case chat.ChangeReaction:
		if err := chat.MayReact(*m); err != nil {
			return false, err
		}
		return r.react(m, c, now, limits.ReactionsPerMessage)
	case chat.ChangePin:
		if err := chat.MayPin(r.Room, by, *m, c.On); err != nil || m.Pinned() == c.On {
			return false, err
		}
		if c.On && limits.PinsPerRoom > 0 && len(r.pinned) >= limits.PinsPerRoom {
			return false, chat.E(chat.LimitReached, "the room has %d pinned messages, which is the limit", len(r.pinned))
		}
		r.pinned = slices.DeleteFunc(r.pinned, func(seq chat.Seq) bool { return seq == m.Seq })
		if st.PinnedBy, st.PinnedAt = 0, (time.Time{}); c.On {
			st.PinnedBy, st.PinnedAt = c.User, now
			r.pinned = append(r.pinned, m.Seq)
		}
		return true, nil
	default:
		return false, chat.E(chat.Invalid, "nobody can ask for a change of kind %q", c.Kind)
	}
}

func (r *room) edit(m *chat.Message, c chat.Change, now time.Time) (changed bool, err error) {
	st := m.State
	was := chat.Version{Version: st.Version, Content: m.Content, Data: m.Data, At: m.CreatedAt}
	if !st.EditedAt.IsZero() {
		was.At = st.EditedAt
	}
	if c.IfVersion != 0 && c.IfVersion != st.Version {
		return false, chat.E(chat.VersionConflict, "the message has version %d", st.Version)
	}
	if c.Content != nil {
		m.Content = *c.Content
	}
	if c.Data != nil {
		m.Data = *c.Data
	}
	switch {
	case m.Content == "" && m.Data == "":
		return false, chat.BadField("content", "must not be empty without data")
	case m.Content == was.Content && m.Data == was.Data:
		return false, nil
	}
	m.Kind = chat.KindOfContent(m.Content)
	st.Version++
	st.EditedAt = later(now, was.At)
	r.versions[m.Seq] = append(r.versions[m.Seq], was)
	return true, nil
}

func (r *room) react(m *chat.Message, c chat.Change, now time.Time, most int) (changed bool, err error) {
	key := reacted{m.Seq, c.Key}
	is := func(k reactor) bool { return k.User == c.User }
	rs := slices.Clone(m.State.Reactions)
	i := slices.IndexFunc(rs, func(x chat.Reaction) bool { return x.Key == c.Key })
	switch {
	case slices.ContainsFunc(r.reacted[key], is) == c.On:
		return false, nil
	case c.On && i < 0 && most > 0 && len(rs) >= most:
		return false, chat.E(chat.LimitReached, "the message has reactions with %d keys, which is the limit", len(rs))
	case c.On:
		r.reacted[key] = append(r.reacted[key], reactor{chat.Reactor{User: c.User, At: now}, r.Changes + 1})
	default:
		r.reacted[key] = slices.DeleteFunc(r.reacted[key], is)
	}
	if i < 0 {
		i, rs = len(rs), append(rs, chat.Reaction{Key: c.Key})
	}
	all := r.reacted[key]
	if rs[i].Count = len(all); len(all) == 0 {
		rs = slices.Delete(rs, i, i+1)
	} else {
		rs[i].Users = nil
		for _, k := range all[:min(len(all), chat.ShownReactors)] {
			rs[i].Users = append(rs[i].Users, k.User)
		}
	}
	m.State.Reactions = rs
	return true, nil
}

// recalledAfter counts the recalled messages after a number of users' messages.
func (r *room) recalledAfter(count uint64) (n uint64) {
	for i := range r.log {
		if r.log[i].Recalled() && r.log[i].Kind != chat.System && r.log[i].Ord > count {
			n++
		}
	}
	return n
}

// membership is a member's place in the room, as readers see it.
func (r *room) membership(m chat.Member) chat.Membership {
	return chat.Membership{Room: r.Room, Member: m, Recalled: r.recalledAfter(m.ReadCount)}
}

// ChangedSince implements the stations' ports; see changes.Store.
func (s *Store) ChangedSince(ctx context.Context, q chat.ChangesQuery) (page chat.ChangesPage, err error) {
	end, err := s.begin(ctx, "ChangedSince")
	defer end()
	if err != nil {
		return page, err
	}
	r := s.rooms[q.Room]
	if r == nil {
		return page, noRoom()
	}
	page = chat.ChangesPage{Covered: r.Changes, Epoch: r.Epoch}
	n := 0
	for _, m := range r.log {
		if m.ChangeSeq() <= q.Since {
			continue
		}
		if n++; m.Seq >= q.From && m.Seq <= cmp.Or(q.To, chat.MaxID) {
			page.Messages = append(page.Messages, m)
		}
	}
	if q.Since > r.Changes || q.Most > 0 && n > q.Most {
		page.Messages, page.Resync = nil, true
		return page, nil
	}
	slices.SortFunc(page.Messages, func(a, b chat.Message) int { return cmp.Compare(a.ChangeSeq(), b.ChangeSeq()) })
	most, left := 0, cmp.Or(q.Bytes, math.MaxInt)
	for most < min(len(page.Messages), q.Limit) && left > 0 {
		left -= len(page.Messages[most].Content) + len(page.Messages[most].Data)
		most++
	}
	if len(page.Messages) > most && most > 0 {
		page.Messages, page.More = page.Messages[:most], true
		page.Covered = page.Messages[most-1].ChangeSeq()
	}
	return page, nil
}

// States implements the stations' ports; see changes.Store.
func (s *Store) States(ctx context.Context, room chat.RoomID, seqs []chat.Seq) (ms []chat.Message, err error) {
	end, err := s.begin(ctx, "States")
	defer end()
	if err != nil {
		return nil, err
	}
	for _, seq := range sortedIDs(seqs) {
		if m := s.rooms[room].at(seq); m != nil {
			ms = append(ms, *m)
		}
	}
	return ms, nil
}

// One implements the stations' ports; see changes.Store.
func (s *Store) One(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) (chat.Message, error) {
	end, err := s.begin(ctx, "One")
	defer end()
	if err != nil {
		return chat.Message{}, err
	}
	_, m, err := s.visible(room, user, seq)
	return m, err
}

// Versions implements the stations' ports; see changes.Store.
func (s *Store) Versions(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) ([]chat.Version, error) {
	end, err := s.begin(ctx, "Versions")
	defer end()
	if err != nil {
		return nil, err
	}
	r, m, err := s.visible(room, user, seq)
	if err == nil {
		err = chat.MaySeeVersions(r.Room, *r.members[user], m)
	}
	if err != nil {
		return nil, err
	}
	vs := slices.Clone(r.versions[seq])
	slices.Reverse(vs)
	return vs, nil
}

// Reactors implements the stations' ports; see changes.Store.
func (s *Store) Reactors(ctx context.Context, q chat.ReactorsQuery) (rs []chat.Reactor, next string, err error) {
	end, err := s.begin(ctx, "Reactors")
	defer end()
	if err != nil {
		return nil, "", err
	}
	var after uint64
	if q.Cursor != "" {
		if after, err = strconv.ParseUint(q.Cursor, 10, 64); err != nil {
			return nil, "", chat.BadCursor()
		}
	}
	r, _, err := s.visible(q.Room, q.User, q.Seq)
	if err != nil {
		return nil, "", err
	}
	for _, k := range r.reacted[reacted{q.Seq, q.Key}] {
		if k.at <= chat.ChangeSeq(after) {
			continue
		}
		if len(rs) == cmp.Or(q.Limit, 20) {
			return rs, next, nil
		}
		rs, next = append(rs, k.Reactor), strconv.FormatUint(uint64(k.at), 10)
	}
	return rs, "", nil
}

// MyReactions implements the stations' ports; see changes.Store.
func (s *Store) MyReactions(ctx context.Context, room chat.RoomID, user chat.UserID, from, to chat.Seq) (own []chat.OwnReactions, err error) {
	end, err := s.begin(ctx, "MyReactions")
	defer end()
	if err != nil {
		return nil, err
	}
	r, first, last, err := s.window(room, user)
	if err != nil {
		return nil, err
	}
	from = max(from, first)
	for seq := from; seq <= min(to, last, from+999); seq++ {
		var keys []string
		for k, all := range r.reacted {
			if k.seq == seq && slices.ContainsFunc(all, func(x reactor) bool { return x.User == user }) {
				keys = append(keys, k.key)
			}
		}
		if len(keys) > 0 {
			slices.Sort(keys)
			own = append(own, chat.OwnReactions{Seq: seq, Keys: keys})
		}
	}
	return own, nil
}

// Pins implements the stations' ports; see changes.Store.
func (s *Store) Pins(ctx context.Context, room chat.RoomID, user chat.UserID) (ms []chat.Message, err error) {
	end, err := s.begin(ctx, "Pins")
	defer end()
	if err != nil {
		return nil, err
	}
	r, first, last, err := s.window(room, user)
	if err != nil {
		return nil, err
	}
	for _, seq := range slices.Backward(r.pinned) {
		if first <= seq && seq <= last {
			ms = append(ms, *r.at(seq))
		}
	}
	return ms, nil
}

// window returns a room and what the user may see of it.
func (s *Store) window(id chat.RoomID, user chat.UserID) (r *room, from, to chat.Seq, err error) {
	if r = s.rooms[id]; r == nil || r.members[user] == nil {
		return nil, 0, 0, noRoom()
	}
	from, to, _ = r.members[user].Window(r.LastSeq)
	return r, from, to, nil
}

// visible returns a message that the user may see, and its room.
func (s *Store) visible(id chat.RoomID, user chat.UserID, seq chat.Seq) (*room, chat.Message, error) {
	r, from, to, err := s.window(id, user)
	if err != nil {
		return nil, chat.Message{}, err
	}
	m := r.at(seq)
	if m == nil || seq < from || seq > to {
		return nil, chat.Message{}, noMessage()
	}
	return r, *m, nil
}
