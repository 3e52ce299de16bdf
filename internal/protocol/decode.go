package protocol

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"chat-service/internal/chat"
)

// fields a frame may carry, as bits, so that one pass can decode before the type is known.
const (
	fRoom = 1 << iota
	fContent
	fClientMsgID
	fClientSeq
	fSeq
	fUsers
	fRooms
	fRef
	fToken
)

type shape struct{ allowed, required uint16 }

func shapeOf(t Type) (shape, bool) {
	switch t {
	case TMessage:
		return shape{fRoom | fContent | fClientMsgID | fClientSeq, fRoom | fContent}, true
	case TJoinRoom, TLeaveRoom, TTyping:
		return shape{fRoom, fRoom}, true
	case TRead:
		return shape{fRoom | fSeq, fRoom | fSeq}, true
	case TSync:
		return shape{fRooms | fRef, fRooms}, true
	case TPresence:
		return shape{fUsers, fUsers}, true
	case TAuth:
		return shape{fToken, fToken}, true
	case TPing:
		return shape{}, true
	default:
		return shape{}, false
	}
}

var fieldBits = map[string]uint16{
	"room_id": fRoom, "content": fContent, "client_msg_id": fClientMsgID, "client_seq": fClientSeq,
	"seq": fSeq, "user_ids": fUsers, "rooms": fRooms, "ref": fRef, "token": fToken,
}

// Decode reads one client frame. The frame keeps nothing of b. On a *chat.Error (Invalid, UnknownType, UnknownField,
// TooLarge) the returned frame still carries what was understood (type, client_msg_id, client_seq), so that the answer
// can refer to it.
func Decode(b []byte, lim Limits) (Frame, error) {
	var f Frame
	d := decoder{dec: jsontext.NewDecoder(bytes.NewReader(b)), lim: lim}
	seen, err := d.object(&f)
	if err == nil {
		if _, e := d.dec.ReadToken(); !errors.Is(e, io.EOF) {
			err = chat.E(chat.Invalid, "malformed JSON: one object per frame")
		}
	}
	if err != nil {
		return f, err
	}
	return f, check(f, seen, d.unknown, lim)
}

func check(f Frame, seen uint16, unknown string, lim Limits) error {
	if f.Type == "" {
		return chat.BadField("type", "is required")
	}
	sh, ok := shapeOf(f.Type)
	if !ok {
		return chat.E(chat.UnknownType, "unknown frame type %q", clip(string(f.Type)))
	}
	if unknown == "" {
		unknown = lowest(seen &^ sh.allowed)
	}
	if unknown != "" {
		return &chat.Error{
			Kind: chat.UnknownField, Msg: "unknown field " + strconv.Quote(clip(unknown)) + " in " + string(f.Type),
			Fields: []chat.FieldError{{Field: clip(unknown), Message: "is not a field of " + string(f.Type)}},
		}
	}
	if miss := sh.required &^ seen; miss != 0 {
		return chat.BadField(lowest(miss), "is required")
	}
	return checkValues(f, seen, lim)
}

// lowest names the alphabetically first of a set of fields, "" for none.
func lowest(set uint16) string {
	name := ""
	for n, bit := range fieldBits {
		if set&bit != 0 && (name == "" || n < name) {
			name = n
		}
	}
	return name
}

func checkValues(f Frame, seen uint16, lim Limits) error {
	if seen&fRoom != 0 && f.Room == 0 {
		return chat.BadField("room_id", "must be at least 1")
	}
	if seen&fClientMsgID != 0 {
		if err := chat.CheckClientMsgID(f.ClientMsgID); err != nil {
			return err
		}
	}
	if seen&fClientSeq != 0 && f.ClientSeq == 0 {
		return chat.BadField("client_seq", "must be at least 1")
	}
	if seen&fContent != 0 {
		return chat.CheckContent(f.Content, lim.MessageBytes)
	}
	if len(f.Ref) > 64 {
		return chat.BadField("ref", "must have at most 64 bytes")
	}
	if lim.SyncRooms > 0 && len(f.Sync) > lim.SyncRooms {
		return chat.BadField("rooms", "at most %d rooms at a time", lim.SyncRooms)
	}
	if lim.Watch > 0 && len(f.Users) > lim.Watch {
		return chat.BadField("user_ids", "at most %d users", lim.Watch)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

type decoder struct {
	dec     *jsontext.Decoder
	lim     Limits
	unknown string // first field name that no frame has
}

var errSyntax = chat.E(chat.Invalid, "malformed JSON")

func (d *decoder) token() (jsontext.Token, error) {
	t, err := d.dec.ReadToken()
	if err != nil {
		return t, errSyntax
	}
	return t, nil
}

// object reads the frame's members; values of the wrong JSON type are reported after the whole object was read, so that
// type and client_msg_id are known by then.
func (d *decoder) object(f *Frame) (seen uint16, err error) {
	t, err := d.token()
	if err != nil {
		return 0, err
	}
	if t.Kind() != '{' {
		return 0, chat.E(chat.Invalid, "a frame is a JSON object")
	}
	var bad error
	for {
		t, err := d.token()
		if err != nil {
			return seen, err
		}
		if t.Kind() == '}' {
			return seen, bad
		}
		name := t.String()
		if name == "type" {
			s, err := d.str("type")
			f.Type = Type(s)
			if err != nil && keep(&bad, err) {
				return seen, err
			}
			continue
		}
		bit, known := fieldBits[name]
		if !known {
			if d.unknown == "" {
				d.unknown = name
			}
			if d.dec.SkipValue() != nil {
				return seen, errSyntax
			}
			continue
		}
		seen |= bit
		if err := d.member(f, name, bit); err != nil && keep(&bad, err) {
			return seen, err
		}
	}
}

// keep remembers the first bad value; true means that reading can't go on.
func keep(bad *error, err error) bool {
	if errors.Is(err, errSyntax) {
		return true
	}
	if *bad == nil {
		*bad = err
	}
	return false
}

func (d *decoder) member(f *Frame, name string, bit uint16) (err error) {
	var n uint64
	switch bit {
	case fRoom:
		n, err = d.num(name)
		f.Room = chat.RoomID(n)
	case fSeq:
		n, err = d.num(name)
		f.Seq = chat.Seq(n)
	case fClientSeq:
		f.ClientSeq, err = d.num(name)
	case fContent:
		f.Content, err = d.str(name)
	case fClientMsgID:
		f.ClientMsgID, err = d.str(name)
	case fRef:
		f.Ref, err = d.str(name)
	case fToken:
		f.Token, err = d.str(name)
	case fUsers:
		f.Users, err = d.users()
	case fRooms:
		f.Sync, err = d.points()
	}
	return err
}

func (d *decoder) str(name string) (string, error) {
	if d.dec.PeekKind() != '"' {
		return "", d.wrong(name, "a string")
	}
	t, err := d.token()
	if err != nil {
		return "", err
	}
	return t.String(), nil
}

func (d *decoder) num(name string) (uint64, error) {
	if d.dec.PeekKind() != '0' {
		return 0, d.wrong(name, "a whole number")
	}
	v, err := d.dec.ReadValue()
	if err != nil {
		return 0, errSyntax
	}
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil || n > chat.MaxID {
		return 0, chat.BadField(name, "must be a whole number from 0 to 2^53-1")
	}
	return n, nil
}

// wrong skips a value of the wrong kind and says what was wanted.
func (d *decoder) wrong(name, want string) error {
	if d.dec.SkipValue() != nil {
		return errSyntax
	}
	return chat.BadField(name, "must be %s", want)
}

func (d *decoder) users() ([]chat.UserID, error) {
	if d.dec.PeekKind() != '[' {
		return nil, d.wrong("user_ids", "a list of user ids")
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	us := []chat.UserID{}
	var bad error
	for d.dec.PeekKind() != ']' {
		n, err := d.num("user_ids")
		if err != nil && keep(&bad, err) {
			return nil, err
		}
		us = append(us, chat.UserID(n))
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	return us, bad
}

func (d *decoder) points() ([]SyncPoint, error) {
	if d.dec.PeekKind() != '{' {
		return nil, d.wrong("rooms", `an object of "<room id>": seq`)
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	ps := []SyncPoint{}
	var bad error
	for d.dec.PeekKind() != '}' {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		id, perr := strconv.ParseUint(t.String(), 10, 64)
		if perr != nil || id == 0 || id > chat.MaxID {
			keep(&bad, chat.BadField("rooms", "keys are room ids"))
		}
		p := SyncPoint{Room: chat.RoomID(id)}
		if err := d.point(&p); err != nil && keep(&bad, err) {
			return nil, err
		}
		ps = append(ps, p)
	}
	if _, err := d.token(); err != nil {
		return nil, err
	}
	return ps, bad
}

// point reads a seq, or {"seq":…,"epoch":…}.
func (d *decoder) point(p *SyncPoint) error {
	if d.dec.PeekKind() != '{' {
		n, err := d.num("rooms")
		p.Seq = chat.Seq(n)
		return err
	}
	if _, err := d.token(); err != nil {
		return err
	}
	var bad error
	for d.dec.PeekKind() != '}' {
		t, err := d.token()
		if err != nil {
			return err
		}
		name := t.String()
		if name != "seq" && name != "epoch" {
			if d.unknown == "" {
				d.unknown = "rooms." + name
			}
			if d.dec.SkipValue() != nil {
				return errSyntax
			}
			continue
		}
		n, err := d.num("rooms." + name)
		if err != nil && keep(&bad, err) {
			return err
		}
		if name == "seq" {
			p.Seq = chat.Seq(n)
		} else {
			p.Epoch = n
		}
	}
	if _, err := d.token(); err != nil {
		return err
	}
	return bad
}
