package protocol

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"chat-service/internal/chat"
)

// AppendMessage appends a `message` frame.
func AppendMessage(dst []byte, m chat.Message) []byte {
	dst = append(dst, `{"type":"message","room_id":`...)
	dst = strconv.AppendUint(dst, uint64(m.Room), 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(m.Seq), 10)
	dst = appendID(dst, m.Room, m.Seq)
	dst = append(dst, `,"kind":"`...)
	dst = append(dst, m.Kind...)
	dst = append(dst, `","sender_id":`...)
	dst = strconv.AppendUint(dst, uint64(m.Sender), 10)
	dst = append(dst, `,"client_msg_id":`...)
	dst = AppendString(dst, m.ClientMsgID)
	dst = append(dst, `,"content":`...)
	dst = AppendString(dst, m.Content)
	dst = append(dst, `,"created_at":"`...)
	dst = m.CreatedAt.UTC().AppendFormat(dst, chat.TimeLayout)
	return append(dst, `"}`...)
}

// AppendAck appends the `ack` of a committed message; clientSeq is echoed where it isn't 0.
func AppendAck(dst []byte, m chat.Message, clientSeq uint64, duplicate bool) []byte {
	dst = append(dst, `{"type":"ack","client_msg_id":`...)
	dst = AppendString(dst, m.ClientMsgID)
	dst = append(dst, `,"room_id":`...)
	dst = strconv.AppendUint(dst, uint64(m.Room), 10)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(m.Seq), 10)
	dst = appendID(dst, m.Room, m.Seq)
	if clientSeq != 0 {
		dst = append(dst, `,"client_seq":`...)
		dst = strconv.AppendUint(dst, clientSeq, 10)
	}
	dst = append(dst, `,"created_at":"`...)
	dst = m.CreatedAt.UTC().AppendFormat(dst, chat.TimeLayout)
	dst = append(dst, `","duplicate":`...)
	dst = strconv.AppendBool(dst, duplicate)
	return append(dst, '}')
}

func appendID(dst []byte, room chat.RoomID, seq chat.Seq) []byte {
	dst = append(dst, `,"id":"`...)
	dst = strconv.AppendUint(dst, uint64(room), 10)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(seq), 10)
	return append(dst, '"')
}

// AppendString appends s as a JSON string; invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // its error only tells of the replacement
	return dst
}

// ErrorRef says what an `error` frame answers.
type ErrorRef struct {
	Ref       string // client_msg_id, the client's own ref, or the frame's type
	Room      chat.RoomID
	ClientSeq uint64
}

// AppendError appends an `error` frame.
func AppendError(dst []byte, e *chat.Error, ref ErrorRef) []byte {
	msg := e.Msg
	if msg == "" {
		msg = defaultMessage(e.Kind)
	}
	return appendJSON(dst, struct {
		Type         string            `json:"type"`
		Code         string            `json:"code"`
		Message      string            `json:"message"`
		Ref          string            `json:"ref"`
		Retry        bool              `json:"retry"`
		RetryAfterMS int64             `json:"retry_after_ms"`
		Room         chat.RoomID       `json:"room_id,omitempty"`
		ClientSeq    uint64            `json:"client_seq,omitempty"`
		Expected     uint64            `json:"expected,omitempty"`
		Errors       []chat.FieldError `json:"errors,omitempty"`
	}{"error", e.Kind.String(), msg, ref.Ref, e.Kind.Retry(), RetryAfter(e).Milliseconds(), ref.Room, ref.ClientSeq, e.Expected, e.Fields})
}

func defaultMessage(k chat.Kind) string {
	switch k {
	case chat.Unavailable:
		return "something that this needs is away for the moment; try again"
	case chat.Internal:
		return "something went wrong on the server; try again"
	default:
		return k.String()
	}
}

// WelcomeRoom is one of the rooms in `welcome`.
type WelcomeRoom struct {
	ID      chat.RoomID   `json:"id"`
	Type    chat.RoomType `json:"type"`
	LastSeq chat.Seq      `json:"last_seq"`
	Epoch   uint64        `json:"epoch"`
	ReadSeq chat.Seq      `json:"read_seq"`
	Unread  uint64        `json:"unread"`
}

// Welcome is the `welcome` frame's content.
type Welcome struct {
	Type           string         `json:"type"`
	SessionID      chat.SessionID `json:"session_id"`
	User           User           `json:"user"`
	ServerTime     string         `json:"server_time"`
	PingIntervalMS int64          `json:"ping_interval_ms"`
	Limits         Limits         `json:"limits"`
	Rooms          []WelcomeRoom  `json:"rooms"`
	More           bool           `json:"more,omitempty"`
	Features       []string       `json:"features,omitempty"` // what this way through the system can do beyond the first edition
}

// AppendWelcome appends a `welcome` frame; w.Type is set here.
func AppendWelcome(dst []byte, w Welcome) []byte {
	w.Type = "welcome"
	if w.Rooms == nil {
		w.Rooms = []WelcomeRoom{}
	}
	return appendJSON(dst, w)
}

// AppendHead appends a `head` frame of one or more rooms' last seqs.
func AppendHead(dst []byte, heads map[chat.RoomID]chat.Seq) []byte {
	return appendJSON(dst, struct {
		Type  string                   `json:"type"`
		Rooms map[chat.RoomID]chat.Seq `json:"rooms"`
	}{"head", heads})
}

// AppendJoined appends a `joined` frame.
func AppendJoined(dst []byte, r ListedRoom) []byte {
	return appendJSON(dst, struct {
		Type string     `json:"type"`
		Room ListedRoom `json:"room"`
	}{"joined", r})
}

// AppendLeft appends a `left` frame; seq 0 where the leave has no place in the log (leave_room).
func AppendLeft(dst []byte, room chat.RoomID, seq chat.Seq, why chat.LeaveReason) []byte {
	return appendJSON(dst, struct {
		Type   string           `json:"type"`
		Room   chat.RoomID      `json:"room_id"`
		Seq    chat.Seq         `json:"seq"`
		Reason chat.LeaveReason `json:"reason"`
	}{"left", room, seq, why})
}

// AppendRoom appends a `room` frame.
func AppendRoom(dst []byte, r Room, c chat.Change, about chat.UserID) []byte {
	return appendJSON(dst, struct {
		Type   string      `json:"type"`
		Room   Room        `json:"room"`
		Change chat.Change `json:"change"`
		User   chat.UserID `json:"user_id,omitempty"`
	}{"room", r, c, about})
}

// AppendRead appends a `read` frame; unread is shown to the reader's own devices only (nil: leave it out).
func AppendRead(dst []byte, room chat.RoomID, user chat.UserID, seq chat.Seq, unread *uint64) []byte {
	return appendJSON(dst, struct {
		Type   string      `json:"type"`
		Room   chat.RoomID `json:"room_id"`
		User   chat.UserID `json:"user_id"`
		Seq    chat.Seq    `json:"seq"`
		Unread *uint64     `json:"unread,omitempty"`
	}{"read", room, user, seq, unread})
}

// AppendTyping appends a `typing` frame.
func AppendTyping(dst []byte, room chat.RoomID, user chat.UserID) []byte {
	dst = append(dst, `{"type":"typing","room_id":`...)
	dst = strconv.AppendUint(dst, uint64(room), 10)
	dst = append(dst, `,"user_id":`...)
	dst = strconv.AppendUint(dst, uint64(user), 10)
	return append(dst, '}')
}

// AppendPresence appends a `presence` frame.
func AppendPresence(dst []byte, ps []chat.Presence) []byte {
	vs := make([]Presence, len(ps))
	for i, p := range ps {
		vs[i] = PresenceView(p)
	}
	return appendJSON(dst, struct {
		Type  string     `json:"type"`
		Users []Presence `json:"users"`
	}{"presence", vs})
}

// AppendResync appends a `resync` frame.
func AppendResync(dst []byte, room chat.RoomID, epoch uint64, ref string) []byte {
	return appendJSON(dst, struct {
		Type  string      `json:"type"`
		Room  chat.RoomID `json:"room_id"`
		Epoch uint64      `json:"epoch"`
		Ref   string      `json:"ref,omitempty"`
	}{"resync", room, epoch, ref})
}

// Synced is the `synced` frame's content.
type Synced struct {
	Type    string      `json:"type"`
	Room    chat.RoomID `json:"room_id"`
	Epoch   uint64      `json:"epoch"`
	From    chat.Seq    `json:"from_seq"`
	To      chat.Seq    `json:"to_seq"`
	LastSeq chat.Seq    `json:"last_seq"`
	More    bool        `json:"more"`
	Ref     string      `json:"ref,omitempty"`
}

// AppendSynced appends a `synced` frame; s.Type is set here.
func AppendSynced(dst []byte, s Synced) []byte {
	s.Type = "synced"
	return appendJSON(dst, s)
}

// AppendGoaway appends a `goaway` frame.
func AppendGoaway(dst []byte, after time.Duration, reason string) []byte {
	return appendJSON(dst, struct {
		Type    string `json:"type"`
		AfterMS int64  `json:"after_ms"`
		Reason  string `json:"reason"`
	}{"goaway", after.Milliseconds(), reason})
}

// AppendPong appends a `pong` frame.
func AppendPong(dst []byte) []byte { return append(dst, `{"type":"pong"}`...) }

// appendJSON appends v, which is one of this package's frames: they hold nothing that encoding/json refuses.
func appendJSON(dst []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("protocol: a frame that can't be encoded: " + err.Error())
	}
	return append(dst, b...)
}
