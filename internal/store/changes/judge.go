package changes

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/table"
)

// judge decides one change and does it. One that was asked for before is answered before any other rule: the first answer holds for
// ever.
func (b *batch) judge(i int) chat.Changed {
	c := b.asked[i]
	at := chat.Place{Room: c.Room, User: c.User}
	r, e := b.rooms[c.Room], b.entries[spot{c.Room, c.Seq}]
	if first, ok := b.stored[idKey{at, c.ID}]; ok {
		return b.repeat(i, first, r, e)
	}
	if slices.Contains(b.ended, c.Session) {
		return refused(c, chat.E(chat.Unauthenticated, "the session has ended, log in again"))
	}
	by := b.members[at]
	if b.erasing {
		by = chat.Member{User: c.User}
	}
	if r == nil || !b.erasing && (r.dissolved || !c.App && !by.In()) {
		return refused(c, messages.NoRoom())
	}
	if e == nil || c.Seq < by.VisibleFrom {
		return refused(c, noMessage())
	}
	if err := b.mayWrite(by, c); err != nil {
		return refused(c, err)
	}
	changed, err := b.apply(r, by, e, c)
	if err != nil {
		return refused(c, err)
	}
	return b.answer(i, r, e, changed)
}

func refused(c chat.Change, err error) chat.Changed {
	return chat.Changed{Change: c, Err: chat.As(err)}
}

// mayWrite judges what would put something before the others' eyes: a mute forbids that. Recalls, and taking something away, stay.
func (b *batch) mayWrite(by chat.Member, c chat.Change) error {
	writes := c.Kind == chat.ChangeEdit || c.Kind == chat.ChangeReaction && c.On
	if writes && by.MutedUntil.After(b.now) {
		return chat.E(chat.Muted, "muted until %s", by.MutedUntil.Format(time.RFC3339))
	}
	if b.refusal != nil {
		return b.refusal
	}
	return nil
}

// repeat answers a change that was asked for before.
func (b *batch) repeat(i int, first table.Asked, r *room, e *entry) chat.Changed {
	c := b.asked[i]
	if first.Hash != b.hashes[i] || r == nil || e == nil {
		return refused(c, chat.E(chat.IdempotencyConflict, "change_id was used for another change"))
	}
	mine := b.ours[own{idKey{first.Place, c.ID}, i, first.ChangeSeq, first.NoOp != ""}]
	return chat.Changed{
		Change: c, ChangeSeq: first.ChangeSeq, Prev: max(first.ChangeSeq, 1) - 1, Version: first.Version, AtSeq: r.Seq, Message: e.message(),
		Repeat: !mine, NoOp: first.NoOp != "" || first.ChangeSeq == 0,
	}
}

// apply does a change to a message, if the rules allow it; changed is false if it was so already.
func (b *batch) apply(r *room, by chat.Member, e *entry, c chat.Change) (changed bool, err error) {
	of := chat.Room{ID: c.Room, Type: r.kind}
	switch c.Kind {
	case chat.ChangeEdit:
		return b.edit(by, e, c)
	case chat.ChangeRecall:
		err := chat.MayRecall(of, by, e.message(), b.now, b.limits.RecallWindow)
		if c.App {
			err = chat.MayTakeBack(e.message())
		}
		if err != nil || !e.State.RecalledAt.IsZero() {
			return false, err
		}
		b.recall(r, e, c.User)
		return true, nil
	case chat.ChangeErase:
		if !b.erasing {
			break
		}
		b.recall(r, e, c.User)
		return true, nil
	case chat.ChangeReaction:
		if err := chat.MayReact(e.message()); err != nil {
			return false, err
		}
		return b.react(r, e, c)
	case chat.ChangePin:
		if err := chat.MayPin(of, by, e.message(), c.On); err != nil {
			return false, err
		}
		return b.pin(r, e, c)
	}
	return false, chat.E(chat.Invalid, "nobody can ask for a change of kind %q", c.Kind)
}

// answer gives a change its number, or says that it changed nothing.
func (b *batch) answer(i int, r *room, e *entry, changed bool) chat.Changed {
	c := b.asked[i]
	d := chat.Changed{Change: c, AtSeq: r.Seq, NoOp: !changed, Prev: r.Changes}
	row := table.Asked{
		Place: chat.Place{Room: c.Room, User: c.User}, ID: c.ID, Hash: b.hashes[i], Kind: c.Kind, Seq: c.Seq, Payload: payload(c),
		AtSeq: r.Seq, CreatedAt: b.now,
	}
	if changed {
		r.Changes++
		e.moved, e.State.ChangeSeq = true, r.Changes
		b.happened[c.Kind]++
	} else {
		row.NoOp = fmt.Sprintf("%d:%s", c.User, c.ID)
	}
	if !changed && numbersNothing() {
		r.Changes++
	}
	d.ChangeSeq, d.Version, d.Message = e.State.ChangeSeq, e.State.Version, e.message()
	row.ChangeSeq, row.Version = d.ChangeSeq, d.Version
	key := idKey{row.Place, row.ID}
	b.rows = append(b.rows, row)
	b.stored[key], b.ours[own{key, i, row.ChangeSeq, row.NoOp != ""}] = row, true
	return d
}

// payload is what was asked, as far as it isn't what somebody wrote.
func payload(c chat.Change) string {
	var p struct {
		Key string `json:"key,omitempty"`
		On  *bool  `json:"on,omitempty"`
	}
	if p.Key = c.Key; c.Kind == chat.ChangeReaction || c.Kind == chat.ChangePin {
		p.On = &c.On
	}
	if p.On == nil {
		return ""
	}
	text, _ := json.Marshal(p) // such a struct can always be written
	return string(text)
}

// edit replaces content and data, and keeps what they were.
func (b *batch) edit(by chat.Member, e *entry, c chat.Change) (changed bool, err error) {
	if err := chat.MayEditMessage(by, e.message(), b.now, b.limits.EditWindow); err != nil {
		return false, err
	}
	if c.IfVersion != 0 && c.IfVersion != e.State.Version {
		return false, chat.E(chat.VersionConflict, "the message has version %d", e.State.Version)
	}
	content, data := e.Content, e.Data
	if c.Content != nil {
		content = *c.Content
	}
	if c.Data != nil {
		data = *c.Data
	}
	if content == "" && data == "" {
		return false, chat.BadField("content", "must not be empty without data")
	}
	if content == e.Content && data == e.Data {
		return false, nil
	}
	was := chat.Version{Version: e.State.Version, Content: e.Content, Data: e.Data, At: e.CreatedAt}
	if !e.State.EditedAt.IsZero() {
		was.At = e.State.EditedAt
	}
	e.State.Earlier += lineOf(was)
	e.Content, e.Data, e.Kind, e.text = content, data, chat.KindOfContent(content), true
	e.State.Version++
	e.State.EditedAt = messages.EntryTime(b.now, was.At) // whatever the writers' clocks say
	return true, nil
}

// recall takes a message back, and all that was ever written in it.
func (b *batch) recall(r *room, e *entry, by chat.UserID) {
	e.Content, e.Data, e.text, e.recalled = "", "", true, true
	e.State.Earlier = ""
	for _, x := range e.State.Reactions {
		e.reactions += x.Count
	}
	e.State.Reactions, e.State.RecalledBy, e.State.RecalledAt = nil, by, b.now
	if !countsRecalled() && e.Kind != chat.System { // nobody has a system message unread
		r.recalled = max(r.recalled, e.Ord)
	}
}

// pin pins a message, or takes the pin away.
func (b *batch) pin(r *room, e *entry, c chat.Change) (changed bool, err error) {
	switch on := !e.State.PinnedAt.IsZero(); {
	case on == c.On:
		return false, nil
	case !c.On:
		r.pins--
		e.State.PinnedBy, e.State.PinnedAt = 0, time.Time{}
		return true, nil
	}
	if most := b.limits.PinsPerRoom; most > 0 && r.pins >= most {
		return false, chat.E(chat.LimitReached, "the room has %d pinned messages, which is the limit", r.pins)
	}
	r.pins++
	e.State.PinnedBy, e.State.PinnedAt, e.pinSeq = c.User, b.now, r.Changes+1
	return true, nil
}

// react sets a reaction, or takes it away.
func (b *batch) react(r *room, e *entry, c chat.Change) (changed bool, err error) {
	key := keyedOf(c)
	it := b.reacted[reaction{key, c.User}]
	if it.is == c.On {
		return false, nil
	}
	rs := slices.Clone(e.State.Reactions) // answers that were given hold the list as it was
	i := slices.IndexFunc(rs, func(k chat.Reaction) bool { return k.Key == c.Key })
	first, loaded := b.first[key]
	switch {
	case c.On && i < 0:
		if most := b.limits.ReactionsPerMessage; most > 0 && len(rs) >= most {
			return false, chat.E(chat.LimitReached, "the message has reactions with %d keys, which is the limit", len(rs))
		}
		rs = append(rs, chat.Reaction{Key: c.Key, Count: 1, Users: []chat.UserID{c.User}})
		if loaded {
			b.first[key] = []chat.UserID{c.User}
		}
	case c.On:
		k := &rs[i]
		if len(k.Users) < chat.ShownReactors {
			k.Users = append(slices.Clone(k.Users), c.User)
		}
		if loaded && len(first) == k.Count {
			b.first[key] = append(first, c.User)
		}
		k.Count++
	case i >= 0:
		first = slices.DeleteFunc(first, func(u chat.UserID) bool { return u == c.User })
		b.first[key] = first
		if rs[i].Count--; rs[i].Count <= 0 {
			rs = slices.Delete(rs, i, i+1)
		} else {
			rs[i].Users = slices.Clone(first[:min(len(first), chat.ShownReactors)])
		}
	}
	e.State.Reactions = rs
	it.is = c.On
	it.row = table.Reaction{}
	if c.On {
		it.row = table.Reaction{Place: chat.Place{Room: c.Room, User: c.User}, Seq: c.Seq, Key: c.Key, ChangeSeq: r.Changes + 1, At: b.now}
	}
	return true, nil
}

// message is the message as it is now, in memory of its own but for the lists of reactions, which are never written to.
func (e *entry) message() chat.Message { return e.Whole() }
