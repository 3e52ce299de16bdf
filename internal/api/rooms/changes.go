package rooms

import (
	"context"
	"encoding/json"
	"slices"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// EditBody changes what a message says: a field that is left out stays as it is, null takes it away.
type EditBody struct {
	Content   server.Maybe[string] `json:"content,omitzero" limit:"message_bytes" rule:"something to see, and no NUL; null or empty only beside data" example:"Hello again"`
	Data      server.Object        `json:"data,omitzero" rule:"an object within limits.data_bytes and limits.data_depth, no name twice; null only beside content"`
	IfVersion *uint64              `json:"if_version,omitempty" minimum:"1" maximum:"9007199254740991" doc:"edit only the version that was seen: 409 version_conflict if it isn't the present one"`
}

// VersionView is what a message said before.
type VersionView struct {
	Version uint64          `json:"version"`
	Content string          `json:"content"`
	Data    json.RawMessage `json:"data,omitempty"`
	At      string          `json:"written_at"`
}

// VersionsReply lists what a message said before, newest first.
type VersionsReply struct {
	Versions []VersionView `json:"versions"`
}

// ReactorView is somebody who reacted.
type ReactorView struct {
	UserID chat.UserID `json:"user_id"`
	At     string      `json:"reacted_at"`
}

// ReactorsReply is a page of those who reacted with one key, in order of arrival.
type ReactorsReply struct {
	Users      []ReactorView `json:"users"`
	NextCursor *string       `json:"next_cursor" doc:"null on the last page"`
}

// MineReply lists the caller's own reactions.
type MineReply struct {
	Reactions map[chat.Seq][]string `json:"reactions" doc:"by seq"`
	ToSeq     chat.Seq              `json:"to_seq" doc:"the last seq that this answers for"`
}

// PinsReply lists pinned messages, newest pin first.
type PinsReply struct {
	Messages []protocol.ShownMessage `json:"messages"`
}

// mineSpan is how many seqs one answer about own reactions covers.
const mineSpan = 1000

// edit changes what a message says.
func (v *Verbs) edit(c *server.Call, b EditBody) error {
	ch := chat.Change{Kind: chat.ChangeEdit, IfVersion: server.OrElse(b.IfVersion, 0)}
	var k server.Checks
	if b.Content.Set {
		text := server.OrElse(b.Content.Value, "")
		if ch.Content = &text; text != "" {
			k.Add(chat.CheckContent(text, v.opts.Limits.MessageBytes))
		}
	}
	if b.Data.Set {
		data, err := v.data(b.Data)
		k.Add(err)
		ch.Data = &data
	}
	k.Require(b.Content.Set || b.Data.Set, "content", "give content or data")
	return v.change(c, ch, &k)
}

// data reads a message's data in its canonical form; "" if there is none.
func (v *Verbs) data(o server.Object) (string, error) {
	if o.Raw == nil {
		return "", nil
	}
	return chat.CanonicalData(o.Raw, v.opts.Limits.DataBytes, v.opts.Limits.DataDepth)
}

// recall takes a message back.
func (v *Verbs) recall(c *server.Call) error {
	return v.change(c, chat.Change{Kind: chat.ChangeRecall}, &server.Checks{})
}

// pin pins a message, or takes the pin off.
func (v *Verbs) pin(on bool) server.Handler {
	return func(c *server.Call) error {
		return v.change(c, chat.Change{Kind: chat.ChangePin, On: on}, &server.Checks{})
	}
}

// react adds the caller's reaction to a message, or takes it away.
func (v *Verbs) react(on bool) server.Handler {
	return func(c *server.Call) error {
		key, err := c.Text("key")
		if err != nil {
			return err
		}
		var k server.Checks
		k.Add(chat.CheckReactionKey(key))
		return v.change(c, chat.Change{Kind: chat.ChangeReaction, Key: key, On: on}, &k)
	}
}

// change carries a change out under the request's Idempotency-Key, and answers with the message as it is then. Without a key a lost
// answer can't be retried safely, but the change gets one all the same: it is remembered by it.
func (v *Verbs) change(c *server.Call, ch chat.Change, k *server.Checks) error {
	return v.ChangeBy(c, c.User, ch, k)
}

// ChangeBy is change by a user: the caller, or somebody in whose name a key acts.
func (v *Verbs) ChangeBy(c *server.Call, by chat.UserID, ch chat.Change, k *server.Checks) error {
	ch.Room, ch.Seq, ch.User, ch.Session = c.Room, c.Seq, by, c.Session
	id, there, err := c.Key()
	switch k.Add(err); {
	case err != nil:
	case !there:
		id = newMsgID()
	case chat.CheckChangeID(id) != nil:
		k.Require(false, server.HeaderKey, "must be 1–36 characters of A–Z a–z 0–9 . _ : -")
	}
	ch.ID = id
	if err := k.Err(); err != nil {
		return err
	}
	if ch.Kind == chat.ChangeReaction {
		if err := v.attempts.React(ch.Room, v.opts.Limits.ReactionRate()); err != nil {
			return err
		}
	}
	if !ch.App {
		if err := v.attempts.Message(c.Ctx, by, v.opts.Limits.MessageRate()); err != nil {
			return err
		}
	}
	done, err := v.ports.Changes.PostChange(c.Ctx, ch, v.now())
	if err != nil {
		return err
	}
	if done.Err != nil {
		if ch.Kind == chat.ChangeReaction && done.Err.Kind == chat.NotFound {
			v.attempts.NoReaction(ch.Room, v.opts.Limits.ReactionRate())
		}
		return done.Err
	}
	return v.showOne(c, by, done.Message)
}

// showOne answers with one message, and the user's own reactions to it.
func (v *Verbs) showOne(c *server.Call, user chat.UserID, m chat.Message) error {
	mine, err := v.mine(c.Ctx, c.Room, user, []chat.Message{m})
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendShownTo(c.Buffer(), &m, mine[m.Seq]))
}

// mine finds the user's own reactions to messages of a room. It asks the store only where somebody may have reacted whom the message
// doesn't name.
func (v *Verbs) mine(ctx context.Context, room chat.RoomID, user chat.UserID, ms []chat.Message) (map[chat.Seq][]string, error) {
	var own map[chat.Seq][]string
	var asked []chat.Seq
	for i := range ms {
		if ms[i].State == nil || len(ms[i].State.Reactions) == 0 {
			continue
		}
		if own == nil {
			own = map[chat.Seq][]string{}
		}
		keys, sure := ownReactions(ms[i].State.Reactions, user)
		if own[ms[i].Seq] = keys; !sure {
			asked = append(asked, ms[i].Seq)
		}
	}
	slices.Sort(asked)
	for answered := chat.Seq(0); len(asked) > 0; asked = asked[1:] {
		from := asked[0]
		if from <= answered {
			continue
		}
		answered = from + mineSpan - 1
		all, err := v.ports.Changes.MyReactions(ctx, room, user, from, min(answered, asked[len(asked)-1]))
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			own[r.Seq] = r.Keys
		}
	}
	return own, nil
}

// ownReactions are the keys of the user's reactions as far as the message tells, in order of bytes; sure: it tells all.
func ownReactions(rs []chat.Reaction, user chat.UserID) (keys []string, sure bool) {
	sure = true
	for _, r := range rs {
		if slices.Contains(r.Users, user) {
			keys = append(keys, r.Key)
		} else if r.Count > len(r.Users) {
			sure = false
		}
	}
	slices.Sort(keys)
	return keys, sure
}

// oneMessage shows a message.
func (v *Verbs) oneMessage(c *server.Call) error {
	m, err := v.ports.Changes.One(c.Ctx, c.Room, c.User, c.Seq)
	if err != nil {
		return err
	}
	return v.showOne(c, c.User, m)
}

// versions lists what a message said before.
func (v *Verbs) versions(c *server.Call) error {
	vs, err := v.ports.Changes.Versions(c.Ctx, c.Room, c.User, c.Seq)
	if err != nil {
		return err
	}
	return c.OK(VersionsReply{server.Views(vs, func(v chat.Version) VersionView {
		return VersionView{v.Version, v.Content, json.RawMessage(v.Data), chat.FormatTime(v.At)}
	})})
}

// reactors lists a page of those who reacted to a message with a key.
func (v *Verbs) reactors(c *server.Call) error {
	q := c.Query()
	key := q.Text("key")
	cursor, limit := q.Page()
	q.Check.Add(chat.CheckReactionKey(key))
	if err := q.Check.Err(); err != nil {
		return err
	}
	rs, next, err := v.ports.Changes.Reactors(c.Ctx, chat.ReactorsQuery{
		Room: c.Room, User: c.User, Seq: c.Seq, Key: key, Cursor: cursor, Limit: limit,
	})
	if err != nil {
		return err
	}
	return c.OK(ReactorsReply{server.Views(rs, func(r chat.Reactor) ReactorView {
		return ReactorView{r.User, chat.FormatTime(r.At)}
	}), server.OrNull(next)})
}

// ownReacts lists the caller's own reactions to a stretch of messages.
func (v *Verbs) ownReacts(c *server.Call) error {
	q := c.Query()
	from, to := chat.Seq(q.Number("from_seq")), chat.Seq(q.Number("to_seq"))
	q.Check.Require(from <= to, "to_seq", "must not be below from_seq")
	if err := q.Check.Err(); err != nil {
		return err
	}
	to = min(to, from+mineSpan-1)
	all, err := v.ports.Changes.MyReactions(c.Ctx, c.Room, c.User, from, to)
	if err != nil {
		return err
	}
	r := MineReply{map[chat.Seq][]string{}, to}
	for _, o := range all {
		r.Reactions[o.Seq] = o.Keys
	}
	return c.OK(r)
}

// pins lists the pinned messages that the caller may see.
func (v *Verbs) pins(c *server.Call) error {
	ms, err := v.ports.Changes.Pins(c.Ctx, c.Room, c.User)
	if err != nil {
		return err
	}
	mine, err := v.mine(c.Ctx, c.Room, c.User, ms)
	if err != nil {
		return err
	}
	return c.Write(protocol.AppendPinsReply(c.Buffer(), ms, mine))
}
