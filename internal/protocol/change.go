package protocol

import (
	"cmp"
	"encoding/json"
	"strconv"

	"chat-service/internal/chat"
)

// State is what may change about a message, as it is shown beside the message itself: only of a message that was ever changed. To add a
// field: chat.State, here State, stateView and appendMore, which tests hold together, and AppendChange if changes carry it.
type State struct {
	ChangeSeq chat.ChangeSeq `json:"change_seq"` // of the last change
	Version   uint64         `json:"version"`    // 1: as sent
	EditedAt  string         `json:"edited_at,omitempty"`
	Recalled  *Act           `json:"recalled,omitempty"`
	Reactions []Reaction     `json:"reactions,omitempty"` // in order of first arrival
	Pinned    *Act           `json:"pinned,omitempty"`
}

// Act is what somebody did to a message, and when.
type Act struct {
	By chat.UserID `json:"by"`
	At string      `json:"at"`
}

// Reaction is who reacted with a key.
type Reaction struct {
	Key   string        `json:"key"`
	Count int           `json:"count"`
	Users []chat.UserID `json:"user_ids"` // the first ten
}

// stateView shows s.
func stateView(s *chat.State) *State {
	if s == nil {
		return nil
	}
	v := &State{ChangeSeq: s.ChangeSeq, Version: s.Version}
	if !s.EditedAt.IsZero() {
		v.EditedAt = chat.FormatTime(s.EditedAt)
	}
	if !s.RecalledAt.IsZero() {
		v.Recalled = &Act{s.RecalledBy, chat.FormatTime(s.RecalledAt)}
	}
	if !s.PinnedAt.IsZero() {
		v.Pinned = &Act{s.PinnedBy, chat.FormatTime(s.PinnedAt)}
	}
	for _, r := range s.Reactions {
		v.Reactions = append(v.Reactions, Reaction(r))
	}
	return v
}

// appendMore appends the members of a message that a plain one hasn't got.
func appendMore(dst []byte, m *chat.Message) []byte {
	if m.Data != "" {
		dst = append(append(dst, `,"data":`...), m.Data...)
	}
	if m.ReplyTo != 0 {
		dst = appendUint(dst, `,"reply_to":`, uint64(m.ReplyTo))
	}
	s := m.State
	if s == nil {
		return dst
	}
	dst = appendUint(dst, `,"change_seq":`, uint64(s.ChangeSeq))
	dst = appendUint(dst, `,"version":`, s.Version)
	if !s.EditedAt.IsZero() {
		dst = appendText(dst, `,"edited_at":`, chat.FormatTime(s.EditedAt))
	}
	if !s.RecalledAt.IsZero() {
		dst = appendAct(append(dst, `,"recalled":`...), Act{s.RecalledBy, chat.FormatTime(s.RecalledAt)})
	}
	if len(s.Reactions) > 0 {
		dst = appendList(append(dst, `,"reactions":`...), s.Reactions, appendReaction)
	}
	if !s.PinnedAt.IsZero() {
		dst = appendAct(append(dst, `,"pinned":`...), Act{s.PinnedBy, chat.FormatTime(s.PinnedAt)})
	}
	return dst
}

func appendAct(dst []byte, a Act) []byte {
	dst = appendUint(dst, `{"by":`, uint64(a.By))
	return append(appendText(dst, `,"at":`, a.At), '}')
}

func appendReaction(dst []byte, r *chat.Reaction) []byte {
	dst = appendText(dst, `{"key":`, r.Key)
	dst = strconv.AppendInt(append(dst, `,"count":`...), int64(r.Count), 10)
	dst = appendList(append(dst, `,"user_ids":`...), r.Users, func(dst []byte, u *chat.UserID) []byte {
		return strconv.AppendUint(dst, uint64(*u), 10)
	})
	return append(dst, '}')
}

// parts are parts of a message's state, as a set.
type parts uint8

const (
	partContent parts = 1 << iota // content, data, and when they were edited
	partRecalled
	partReactions
	partPinned

	allParts = partContent | partRecalled | partReactions | partPinned
)

// partsOf returns what a change of this kind may have changed; of a kind that isn't known here, all.
func partsOf(kind chat.ChangeKind) parts {
	switch kind {
	case chat.ChangeEdit:
		return partContent
	case chat.ChangeReaction:
		return partReactions
	case chat.ChangePin:
		return partPinned
	default: // a recall takes content and reactions, and an erase more than that
		return allParts
	}
}

// cause says what changed a message.
type cause struct {
	Kind chat.ChangeKind `json:"kind"`
	By   chat.UserID     `json:"by"`
	Key  string          `json:"key,omitempty"` // of a reaction
	On   *bool           `json:"on,omitempty"`  // of a reaction or a pin
}

func causeOf(c *chat.Change) *cause {
	w := &cause{Kind: c.Kind, By: c.User}
	switch c.Kind {
	case chat.ChangeReaction:
		w.Key, w.On = c.Key, &c.On
	case chat.ChangePin:
		w.On = &c.On
	}
	return w
}

// changeFrame is a `change` frame.
type changeFrame struct {
	Type      Type           `json:"type"`
	Room      chat.RoomID    `json:"room_id"`
	ChangeSeq chat.ChangeSeq `json:"change_seq"`
	Prev      chat.ChangeSeq `json:"prev"`
	AtSeq     chat.Seq       `json:"at_seq"`
	Message   *changed       `json:"message,omitempty"`
	Cause     *cause         `json:"cause,omitempty"`
}

// changed is the message in a `change` frame. What is there is the whole of that part: null and [] say that there is nothing.
type changed struct {
	Seq       chat.Seq         `json:"seq"`
	ChangeSeq chat.ChangeSeq   `json:"change_seq"`
	Version   uint64           `json:"version"`
	Content   *string          `json:"content,omitempty"`
	Data      *json.RawMessage `json:"data,omitempty"`
	EditedAt  string           `json:"edited_at,omitempty"`
	Recalled  *Act             `json:"recalled,omitempty"` // never taken back
	Reactions *[]Reaction      `json:"reactions,omitempty"`
	Pinned    **Act            `json:"pinned,omitempty"`
}

// AppendChange appends the `change` frame of a committed change for those who can see the message. prev is the change that the frame
// follows: the one before it, or before those that it covers.
func AppendChange(dst []byte, c chat.Changed, prev chat.ChangeSeq) []byte {
	some := allParts
	if s := c.Message.State; prev == c.Prev && s != nil && s.ChangeSeq == c.ChangeSeq { // else more than this one may have changed
		some = partsOf(c.Change.Kind)
	}
	f := bare(&c, prev)
	f.Message, f.Cause = changedOf(&c.Message, some), causeOf(&c.Change)
	return appendJSON(dst, f)
}

// AppendBareChange appends the `change` frame of the same change for those who can't see the message: it only moves their cursor.
func AppendBareChange(dst []byte, c chat.Changed, prev chat.ChangeSeq) []byte {
	return appendJSON(dst, bare(&c, prev))
}

func bare(c *chat.Changed, prev chat.ChangeSeq) changeFrame {
	return changeFrame{Type: TChange, Room: c.Change.Room, ChangeSeq: c.ChangeSeq, Prev: prev, AtSeq: c.AtSeq}
}

// AppendCaughtUp appends the `change` frame that brings a client's state of a message up to date: by its last change, after prev.
func AppendCaughtUp(dst []byte, m chat.Message, prev chat.ChangeSeq, at chat.Seq) []byte {
	f := changeFrame{Type: TChange, Room: m.Room, Prev: prev, AtSeq: at, Message: changedOf(&m, allParts)}
	f.ChangeSeq = f.Message.ChangeSeq
	return appendJSON(dst, f)
}

func changedOf(m *chat.Message, some parts) *changed {
	s := stateView(m.State)
	if s == nil {
		s = &State{Version: 1}
	}
	c := &changed{Seq: m.Seq, ChangeSeq: s.ChangeSeq, Version: s.Version}
	if some&partContent != 0 {
		data := json.RawMessage("null")
		if m.Data != "" {
			data = json.RawMessage(m.Data)
		}
		c.Content, c.Data, c.EditedAt = &m.Content, &data, s.EditedAt
	}
	if some&partRecalled != 0 {
		c.Recalled = s.Recalled
	}
	if some&partReactions != 0 {
		if s.Reactions == nil {
			s.Reactions = []Reaction{}
		}
		c.Reactions = &s.Reactions
	}
	if some&partPinned != 0 {
		c.Pinned = &s.Pinned
	}
	return c
}

// AppendDone appends the `done` of a committed change, or of one that had nothing to change. ref is the client's, else its change_id.
func AppendDone(dst []byte, c chat.Changed, ref string) []byte {
	return appendJSON(dst, struct {
		Type      Type           `json:"type"`
		Ref       string         `json:"ref"`
		ChangeID  string         `json:"change_id"`
		Room      chat.RoomID    `json:"room_id"`
		Seq       chat.Seq       `json:"seq"`
		ChangeSeq chat.ChangeSeq `json:"change_seq"`
		Version   uint64         `json:"version"`
	}{TDone, cmp.Or(ref, c.Change.ID), c.Change.ID, c.Change.Room, c.Change.Seq, c.ChangeSeq, c.Version})
}

// AppendMine appends a `mine` frame: the keys of one's own reactions to a message.
func AppendMine(dst []byte, room chat.RoomID, seq chat.Seq, keys []string) []byte {
	return appendJSON(dst, struct {
		Type Type        `json:"type"`
		Room chat.RoomID `json:"room_id"`
		Seq  chat.Seq    `json:"seq"`
		Keys []string    `json:"keys"`
	}{TMine, room, seq, append([]string{}, keys...)})
}
