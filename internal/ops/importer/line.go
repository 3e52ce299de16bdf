package importer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// The types of lines.
const (
	userType    = "user"
	roomType    = "room"
	memberType  = "member"
	messageType = "message"
)

// oldest is the earliest time that a line may name. Clocks that were never set say 1970.
var oldest = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)

// maxContent is the length of a text in bytes where limits.message_bytes is off: that of the largest frame.
const maxContent = 4128768

// ahead is by how much clocks may differ.
const ahead = time.Minute

// userLine is {"type":"user",…}.
type userLine struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Nickname  string `json:"nickname"`
	Username  string `json:"username"`
	Email     string `json:"email"`
	CreatedAt string `json:"created_at"`
}

// roomLine is {"type":"room",…}. A member is an id, or an object like a member's line without type and room.
type roomLine struct {
	Type       string           `json:"type"`
	ID         string           `json:"id"`
	Name       string           `json:"name"`
	Kind       string           `json:"kind"`
	Visibility string           `json:"visibility"`
	Owner      string           `json:"owner"`
	CreatedAt  string           `json:"created_at"`
	Members    []jsontext.Value `json:"members"`
}

// memberLine is {"type":"member",…}.
type memberLine struct {
	Type     string `json:"type"`
	Room     string `json:"room"`
	User     string `json:"user"`
	Role     string `json:"role"`
	JoinedAt string `json:"joined_at"`
}

// messageLine is {"type":"message",…}.
type messageLine struct {
	Type    string         `json:"type"`
	Room    string         `json:"room"`
	ID      string         `json:"id"`
	Sender  string         `json:"sender"`
	At      string         `json:"at"`
	Content string         `json:"content"`
	Data    jsontext.Value `json:"data"`
	ReplyTo string         `json:"reply_to"`
}

// The lines as they are understood. Users and rooms are still named by the application's own ids. n counts lines in the order in which they
// are taken, in which later ones see earlier ones; line is what a person finds in the file.
type (
	user struct {
		n    int64
		line int64
		chat.ImportedUser
	}
	room struct {
		n       int64
		line    int64
		owner   string
		members []member
		chat.ImportedRoom
	}
	member struct {
		n    int64
		line int64
		room string
		user string
		chat.ImportedMember
	}
	message struct {
		n, line       int64
		room, sender  string
		id, replyTo   string
		at            time.Time
		content, data string
	}
)

// checker checks what a line says by itself.
type checker struct {
	limits chat.Limits
	now    time.Time
}

// typeOf reads what a line is; an error if it is no JSON object.
func typeOf(b []byte) (string, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return "", notJSON(err)
	}
	return head.Type, nil
}

func notJSON(err error) error {
	var sem *json.SemanticError
	if errors.As(err, &sem) {
		return chat.E(chat.Invalid, "is no JSON object with a type")
	}
	return chat.E(chat.Invalid, "is not JSON: %s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

func (c checker) user(line int64, b []byte) (u user, err error) {
	var l userLine
	if err := protocol.Unmarshal(b, &l); err != nil {
		return u, err
	}
	u = user{line: line, ImportedUser: chat.ImportedUser{Who: chat.External(l.ID), Nickname: l.Nickname, Username: normal(l.Username), Email: normal(l.Email)}}
	if u.CreatedAt, err = c.time("created_at", l.CreatedAt); err != nil {
		return u, err
	}
	if !u.Who.Valid() {
		return u, chat.BadField("id", "must have 1–%d bytes without control characters", chat.MaxSubject)
	}
	if err := chat.CheckLine("nickname", l.Nickname, 1, 64); err != nil {
		return u, err
	}
	if u.Username != "" {
		if err := chat.CheckUsername(u.Username); err != nil {
			return u, err
		}
		if u.Username == "me" || strings.Trim(u.Username, "._-") == "" {
			return u, chat.BadField("username", "is reserved")
		}
	}
	return u, chat.CheckEmail(u.Email)
}

// normal is the form in which usernames and addresses are stored.
func normal(s string) string {
	return strings.TrimSpace(norm.NFKC.String(strings.ToLower(norm.NFKC.String(s))))
}

func (c checker) room(line int64, b []byte) (r room, err error) {
	var l roomLine
	if err := protocol.Unmarshal(b, &l); err != nil {
		return r, err
	}
	r = room{line: line, owner: l.Owner, ImportedRoom: chat.ImportedRoom{
		Ext: l.ID, Name: l.Name, Type: chat.RoomType(l.Kind), Visibility: chat.Visibility(l.Visibility),
	}}
	if r.Visibility == "" {
		r.Visibility = chat.Private
	}
	if r.CreatedAt, err = c.time("created_at", l.CreatedAt); err != nil {
		return r, err
	}
	if !chat.ValidRoomExt(l.ID) {
		return r, chat.BadField("id", "must have 1–%d bytes without control characters", chat.MaxRoomExt)
	}
	if r.Visibility != chat.Private && r.Visibility != chat.Public {
		return r, chat.BadField("visibility", "must be private or public")
	}
	for i, raw := range l.Members {
		m, err := c.listed(line, raw)
		if err != nil {
			return r, fmt.Errorf("members[%d]: %w", i, err)
		}
		m.room = l.ID
		r.members = append(r.members, m)
	}
	if l.Owner != "" && !slices.ContainsFunc(r.members, func(m member) bool { return m.user == l.Owner }) {
		r.members = append(r.members, member{line: line, room: l.ID, user: l.Owner, ImportedMember: chat.ImportedMember{Role: chat.Plain}})
	}
	if limit := c.limits.RoomMembers; limit > 0 && len(r.members) > limit {
		return r, chat.E(chat.RoomFull, "a room holds at most %d members", limit)
	}
	return r, r.check()
}

// check checks what follows from the kind.
func (r *room) check() error {
	switch r.Type {
	case chat.Group:
		if r.owner == "" {
			return chat.BadField("owner", "is missing: a group has one")
		}
		return chat.CheckLine("name", r.Name, 1, 128)
	case chat.Direct:
		people := map[string]bool{}
		for i := range r.members {
			people[r.members[i].user] = true
			r.members[i].Role = chat.Plain
		}
		switch {
		case len(people) < 1 || len(people) > 2:
			return chat.BadField("members", "a direct room has two, or one for notes of their own")
		case r.Visibility != chat.Private:
			return chat.BadField("visibility", "a direct room is private")
		case r.Name != "":
			return chat.BadField("name", "a direct room has none")
		}
		r.owner = ""
		return nil
	default:
		return chat.BadField("kind", "must be group or direct")
	}
}

// listed reads a member in a room's list: an id, or an object.
func (c checker) listed(line int64, raw jsontext.Value) (m member, err error) {
	if raw.Kind() != '"' {
		return c.memberOf(line, raw, false)
	}
	var id string
	if err := json.Unmarshal(raw, &id); err != nil {
		return m, notJSON(err)
	}
	m = member{line: line, user: id, ImportedMember: chat.ImportedMember{Role: chat.Plain}}
	return m, m.check()
}

func (c checker) member(line int64, b []byte) (m member, err error) { return c.memberOf(line, b, true) }

func (c checker) memberOf(line int64, b []byte, whole bool) (m member, err error) {
	var l memberLine
	if err := protocol.Unmarshal(b, &l); err != nil {
		return m, err
	}
	m = member{line: line, room: l.Room, user: l.User, ImportedMember: chat.ImportedMember{Role: chat.Role(l.Role)}}
	if m.Role == "" {
		m.Role = chat.Plain
	}
	if m.JoinedAt, err = c.time("joined_at", l.JoinedAt); err != nil {
		return m, err
	}
	switch {
	case whole && l.Room == "":
		return m, chat.BadField("room", "is missing")
	case !whole && (l.Room != "" || l.Type != ""):
		return m, chat.BadField("room", "is said by the line")
	case m.Role != chat.Plain && m.Role != chat.Admin:
		return m, chat.BadField("role", "must be admin or member: the owner stands in the room's line")
	}
	return m, m.check()
}

func (m member) check() error {
	if !chat.External(m.user).Valid() {
		return chat.BadField("user", "must be a user's id")
	}
	return nil
}

func (c checker) message(line int64, b []byte) (m message, err error) {
	var l messageLine
	if err := protocol.Unmarshal(b, &l); err != nil {
		return m, err
	}
	m = message{line: line, room: l.Room, sender: l.Sender, id: l.ID, replyTo: l.ReplyTo, content: l.Content}
	switch {
	case l.Room == "":
		return m, chat.BadField("room", "is missing")
	case l.Sender == "":
		return m, chat.BadField("sender", "is missing")
	case l.At == "":
		return m, chat.BadField("at", "is missing")
	case len(l.ID) > chat.MaxSubject:
		return m, chat.BadField("id", "must have at most %d bytes", chat.MaxSubject)
	}
	if m.at, err = c.time("at", l.At); err != nil {
		return m, err
	}
	if len(l.Data) > 0 && !bytes.Equal(l.Data, []byte("null")) {
		if m.data, err = chat.CanonicalData(l.Data, c.limits.DataBytes, c.limits.DataDepth); err != nil {
			return m, err
		}
	}
	if m.data != "" && m.content == "" {
		return m, nil
	}
	return m, chat.CheckContent(m.content, cmp.Or(c.limits.MessageBytes, maxContent))
}

// time reads a time; "" is none.
func (c checker) time(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return t, chat.BadField(field, "must be a time by RFC 3339, such as 2024-05-06T07:08:09.123Z")
	case t.Before(oldest):
		return t, chat.BadField(field, "is before 1990: was the clock not set?")
	case t.After(c.now.Add(ahead)):
		return t, chat.BadField(field, "is in the future")
	}
	return t.UTC(), nil
}

// why is the reason of a refusal in plain words.
func why(err error) string {
	var e *chat.Error
	if !errors.As(err, &e) || e.Msg == "" {
		return err.Error()
	}
	if outer, _, found := strings.Cut(err.Error(), e.Error()); found {
		return outer + e.Msg
	}
	return e.Msg
}
