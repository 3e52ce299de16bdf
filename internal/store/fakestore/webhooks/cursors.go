package webhooks

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
)

// ClaimWebhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) ClaimWebhook(_ context.Context, c chat.WebhookClaim) (chat.WebhookCursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cur := s.cursors[c.WebhookPlace]
	switch {
	case cur == nil:
		e := s.find(c.Webhook)
		if e == nil {
			return chat.WebhookCursor{}, noWebhook()
		}
		cur = &chat.WebhookCursor{WebhookPlace: c.WebhookPlace}
		if c.Room != 0 {
			cur.Seq, cur.Changes = s.before(c.Room, e.CreatedAt)
		}
		s.cursors[c.WebhookPlace] = cur
	case cur.Token == c.Token:
	case cur.Next.After(c.Now):
		return *cur, nil
	}
	cur.Token, cur.Next = c.Token, c.Until
	out := *cur
	out.Claimed = true
	return out, nil
}

// before is what of a room is older than a time.
func (s *Store) before(room chat.RoomID, at time.Time) (seq chat.Seq, changes chat.ChangeSeq) {
	at = at.UTC().Truncate(time.Millisecond)
	_, log, done, _, _ := s.log.Look(room)
	for _, m := range log {
		if m.CreatedAt.Before(at) {
			seq = m.Seq
		}
	}
	for _, h := range done {
		if h.At.Before(at) {
			changes = h.Changes
		}
	}
	return seq, changes
}

// DueWebhooks implements the stations' ports; see webhooks.Store of the store.
func (s *Store) DueWebhooks(_ context.Context, ids []chat.WebhookID, now time.Time, limit int) (due []chat.WebhookPlace, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		var of []*chat.WebhookCursor
		for at, c := range s.cursors {
			if at.Webhook == id && !c.Next.IsZero() && !c.Next.After(now) {
				of = append(of, c)
			}
		}
		slices.SortFunc(of, func(a, b *chat.WebhookCursor) int { return a.Next.Compare(b.Next) })
		for _, c := range of[:min(limit, len(of))] {
			due = append(due, c.WebhookPlace)
		}
		at := chat.WebhookPlace{Webhook: id}
		if c := s.cursors[at]; (c == nil || c.Next.IsZero()) && len(s.users(at, 1)) > 0 {
			due = append(due, at)
		}
	}
	return due, nil
}

// users is what happened to accounts that an endpoint wasn't told.
func (s *Store) users(at chat.WebhookPlace, limit int) (es []chat.WebhookEvent) {
	e := s.find(at.Webhook)
	if e == nil {
		return nil
	}
	for _, l := range s.log.Lives()[e.lives:] {
		if !s.done[told{at.Webhook, l.Row}] && len(es) < limit {
			es = append(es, l)
		}
	}
	for _, n := range s.notes {
		if n.hook == at.Webhook && !s.done[told{n.hook, n.event.Row}] && len(es) < limit {
			es = append(es, n.event)
		}
	}
	return es
}

// NoteWebhooks implements the stations' ports; see webhooks.Store of the store.
func (s *Store) NoteWebhooks(ctx context.Context, notes []chat.WebhookNote) error {
	for _, n := range notes {
		u, err := s.log.User(ctx, n.User)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.notes = append(s.notes, note{n.Webhook, chat.WebhookEvent{Kind: n.Kind, At: n.At, User: u, Row: notedFrom + uint64(len(s.notes))}})
		s.mu.Unlock()
	}
	return nil
}

// notedFrom is the first row of a note: rows of accounts are below.
const notedFrom = 1 << 40

// WebhookPage implements the stations' ports; see webhooks.Store of the store.
func (s *Store) WebhookPage(_ context.Context, cur chat.WebhookCursor, limit int) (es []chat.WebhookEvent, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rooms, users := s.log.Outside()
	if cur.Room == 0 {
		es = s.users(cur.WebhookPlace, limit)
		for i := range es {
			es[i].Then, es[i].Ext = cur, users[es[i].User.ID]
		}
		return es, nil
	}
	r, log, done, _, _ := s.log.Look(cur.Room)
	log = slices.DeleteFunc(slices.Clone(log), func(m chat.Message) bool { return m.Seq <= cur.Seq })
	all := log
	_, whole, _, _, _ := s.log.Look(cur.Room)
	at := cur
	for len(es) < limit {
		var e chat.WebhookEvent
		i := slices.IndexFunc(done, func(h fakestore.Happened) bool { return h.Changes > at.Changes })
		switch {
		case i >= 0 && done[i].After <= at.Seq:
			e = done[i].WebhookEvent
			at.Changes = e.Changes
			e.Message = whole[slices.IndexFunc(whole, func(m chat.Message) bool { return m.Seq == e.Seq })]
		case len(all) > 0:
			e, all = chat.WebhookEventOf(all[0]), all[1:]
			at.Seq = e.Seq
		default:
			return es, nil
		}
		e.Epoch, e.Ext, e.ByExt, e.Then = r.Epoch, rooms[cur.Room], users[e.By], at
		es = append(es, e)
	}
	return es, nil
}

// SettleWebhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) SettleWebhook(_ context.Context, x chat.WebhookSettled) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range x.Attempts {
		a.ID = uint64(len(s.attempts) + 1)
		a.Took = a.Took.Truncate(time.Microsecond)
		s.attempts = append(s.attempts, a)
	}
	e := s.find(x.Webhook)
	if e != nil {
		s.health(e, x)
	}
	c := s.cursors[x.WebhookPlace]
	if c == nil || c.Token != x.Token {
		return chat.E(chat.Conflict, "the claim was lost")
	}
	c.Seq, c.Changes, c.Tries, c.Next = x.Seq, x.Changes, x.Tries, x.Next
	if !x.Keep {
		c.Token = ""
	}
	for _, row := range x.Rows {
		s.done[told{x.Webhook, row}] = true
	}
	return nil
}

func (s *Store) health(e *endpoint, x chat.WebhookSettled) {
	switch {
	case x.Health == chat.WebhookFailing && e.FailingSince.IsZero() && e.DisabledAt.IsZero():
		e.FailingSince = x.Now
	case x.Health == chat.WebhookWell && !e.FailingSince.IsZero():
		if x.Now.Sub(e.FailingSince) >= 10*time.Second {
			for at, c := range s.cursors {
				if at.Webhook == e.ID && c.Token == "" && c.Next.After(x.Now) {
					c.Next = x.Now
				}
			}
		}
		e.FailingSince = time.Time{}
	}
	if x.Disable != "" && e.DisabledAt.IsZero() {
		e.DisabledAt, e.DisabledWhy = x.Now, x.Disable
	}
}

// SweepWebhook implements the stations' ports; see webhooks.Store of the store. It looks at all rooms in one step.
func (s *Store) SweepWebhook(_ context.Context, w chat.WebhookSweep) (rooms []chat.RoomID, next chat.WebhookSweep, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(w.Webhook)
	w.Done = true
	if e == nil || !e.DisabledAt.IsZero() || e.sweptEnd.After(w.Now) {
		return nil, w, nil
	}
	w.Began, w.Since = w.Now, cmp.Or(e.sweptAt, e.CreatedAt).Add(-5*time.Minute)
	for _, id := range s.log.RoomIDs() {
		r, _, _, active, _ := s.log.Look(id)
		c := s.cursors[chat.WebhookPlace{Webhook: w.Webhook, Room: id}]
		lags := c == nil || c.Next.IsZero() && (c.Seq < r.LastSeq || c.Changes < r.Changes)
		if lags && !active.Before(w.Since.Truncate(time.Minute)) {
			rooms = append(rooms, id)
		}
	}
	e.sweptAt, e.sweptEnd = w.Now, w.Now.Add(w.Pause)
	return rooms, w, nil
}

// WebhookBurdens implements the stations' ports; see webhooks.Store of the store.
func (s *Store) WebhookBurdens(_ context.Context, ids []chat.WebhookID) (bs []chat.WebhookBurden, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		b := chat.WebhookBurden{Webhook: id}
		for at, c := range s.cursors {
			if at.Webhook == id && !c.Next.IsZero() && c.Tries > 0 {
				b.Rooms++
			}
		}
		if b.Rooms > 0 {
			bs = append(bs, b)
		}
	}
	return bs, nil
}

// ReplayWebhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) ReplayWebhook(_ context.Context, id chat.WebhookID, r chat.WebhookReplay) (rooms int, next chat.RoomID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(id)
	if e == nil {
		return 0, 0, noWebhook()
	}
	if r.Event != "" {
		return 1, 0, s.replayEvent(e, r.Event)
	}
	since := r.Since
	if since.Before(e.CreatedAt) {
		since = e.CreatedAt
	}
	looked := 0
	for _, room := range s.log.RoomIDs() {
		c := s.cursors[chat.WebhookPlace{Webhook: id, Room: room}]
		_, _, _, active, _ := s.log.Look(room)
		if c == nil || room <= r.After || active.Before(since.Add(-time.Minute).Truncate(time.Minute)) {
			continue
		}
		if looked++; looked > r.Limit {
			break
		}
		if looked == r.Limit {
			next = room
		}
		seq, changes := s.before(room, since)
		if seq < c.Seq || changes < c.Changes {
			s.setBack(c, min(seq, c.Seq), min(changes, c.Changes))
			rooms++
		}
	}
	return rooms, next, nil
}

func (s *Store) setBack(c *chat.WebhookCursor, seq chat.Seq, changes chat.ChangeSeq) {
	c.Seq, c.Changes, c.Tries, c.Next, c.Token = seq, changes, 0, s.now(), ""
}

func (s *Store) replayEvent(e *endpoint, id string) error {
	none := chat.E(chat.NotFound, "no such event")
	room, seq, change, ok := chat.ParseWebhookEventID(id)
	c := s.cursors[chat.WebhookPlace{Webhook: e.ID, Room: room}]
	r, _, done, _, _ := s.log.Look(room)
	if !ok || c == nil || seq > r.LastSeq {
		return none
	}
	at := chat.WebhookCursor{Seq: seq - 1}
	if change != 0 {
		i := slices.IndexFunc(done, func(h fakestore.Happened) bool { return h.Changes == change && h.Seq == seq })
		if i < 0 {
			return none
		}
		at.Seq, at.Changes = done[i].After, change-1
	} else {
		for _, h := range done {
			if h.After < seq {
				at.Changes = h.Changes
			}
		}
	}
	first, changes := s.before(room, e.CreatedAt)
	switch {
	case at.Seq < first || at.Changes < changes:
		return none
	case at.Seq > c.Seq || at.Changes > c.Changes || at.Seq == c.Seq && at.Changes == c.Changes:
		return chat.E(chat.Conflict, "the event wasn't told yet")
	}
	s.setBack(c, at.Seq, at.Changes)
	return nil
}
