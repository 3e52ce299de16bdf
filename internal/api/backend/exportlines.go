package backend

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"chat-service/internal/chat"
)

// The lines of an export are those of docs/import.md.
type (
	userLine struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		Nickname  string `json:"nickname"`
		Username  string `json:"username,omitempty"`
		Email     string `json:"email,omitempty"`
		CreatedAt string `json:"created_at,omitempty"`
	}
	roomLine struct {
		Type       string          `json:"type"`
		ID         string          `json:"id"`
		Name       string          `json:"name,omitempty"`
		Kind       chat.RoomType   `json:"kind"`
		Visibility chat.Visibility `json:"visibility,omitempty"`
		Owner      string          `json:"owner,omitempty"`
		CreatedAt  string          `json:"created_at"`
		Members    []firstMember   `json:"members,omitempty"`
	}
	firstMember struct {
		User     string `json:"user"`
		Role     string `json:"role,omitempty"`
		JoinedAt string `json:"joined_at,omitempty"`
	}
	memberLine struct {
		Type     string    `json:"type"`
		Room     string    `json:"room"`
		User     string    `json:"user"`
		Role     chat.Role `json:"role"`
		JoinedAt string    `json:"joined_at"`
	}
	messageLine struct {
		Type    string          `json:"type"`
		Room    string          `json:"room"`
		ID      string          `json:"id"`
		Sender  string          `json:"sender"`
		At      string          `json:"at"`
		Content string          `json:"content,omitempty"`
		Data    json.RawMessage `json:"data,omitempty"`
		ReplyTo string          `json:"reply_to,omitempty"`
	}
)

// nameOfUser is the id of a user in an export: the application's own, else one that is made of the number.
func nameOfUser(u chat.ExportedUser) string {
	if u.Own != "" {
		return u.Own
	}
	return "user:" + u.User.ID.String()
}

func nameOfRoom(r *chat.ExportedRoom) string {
	if r.Own != "" {
		return r.Own
	}
	return "room:" + r.Room.ID.String()
}

func nameOfMessage(room chat.RoomID, seq chat.Seq) string { return room.String() + ":" + seq.String() }

// lineOfUser shows a user. A name that begins with ~ is one that nobody chose.
func lineOfUser(u chat.ExportedUser) userLine {
	l := userLine{Type: "user", ID: nameOfUser(u), Nickname: u.User.Nickname, Email: u.User.Email, CreatedAt: chat.FormatTime(u.User.CreatedAt)}
	if !strings.HasPrefix(u.User.Username, "~") {
		l.Username = u.User.Username
	}
	return l
}

// lineOfRoom shows a room, without anybody.
func lineOfRoom(r *chat.ExportedRoom) roomLine {
	l := roomLine{Type: "room", ID: nameOfRoom(r), Kind: r.Room.Type, CreatedAt: chat.FormatTime(r.Room.CreatedAt)}
	if r.Room.Type != chat.Direct {
		l.Name, l.Visibility = r.Room.Name, r.Room.Visibility
	}
	return l
}

func lineOfMember(r *chat.ExportedRoom, u chat.ExportedUser) memberLine {
	return memberLine{"member", nameOfRoom(r), nameOfUser(u), u.Member.Role, chat.FormatTime(u.Member.JoinedAt)}
}

// add appends a line.
func (e *export) add(line any) {
	b := bytes.NewBuffer(e.out)
	w := json.NewEncoder(b)
	w.SetEscapeHTML(false)
	_ = w.Encode(line) // such a line can always be written
	e.out, e.lines = b.Bytes(), e.lines+1
}

// messages adds messages of the room, those of one user only unless that is 0. more: there may be others. What was recalled, what the system
// said, and what is newer than the export is left out.
func (e *export) messages(of chat.UserID) (more bool, err error) {
	if err := e.open(e.at.room); err != nil {
		return false, err
	}
	ms, err := e.v.ports.Logs.Messages(e.c.Ctx, e.at.room, chat.Seq(e.at.after)+1, chat.MaxID, exportRead)
	if err != nil {
		return false, err
	}
	if more = len(ms) > 0; !more {
		return false, nil
	}
	e.at.after = uint64(ms[len(ms)-1].Seq)
	ms = slices.DeleteFunc(ms, func(m chat.Message) bool {
		late := m.CreatedAt.After(e.job.CreatedAt)
		more = more && !late // times don't fall along seq
		return late || !e.shown(&m, of)
	})
	there, err := e.answered(ms, of)
	if err != nil {
		return false, err
	}
	if err := e.name(ms); err != nil {
		return false, err
	}
	for _, m := range ms {
		l := messageLine{
			Type: "message", Room: nameOfRoom(e.room), ID: nameOfMessage(m.Room, m.Seq), Sender: e.names[m.Sender], At: chat.FormatTime(m.CreatedAt),
			Content: m.Content, Data: json.RawMessage(m.Data),
		}
		if there[m.ReplyTo] {
			l.ReplyTo = nameOfMessage(m.Room, m.ReplyTo)
		}
		e.add(l)
	}
	return more, nil
}

// shown reports whether a message is in the export.
func (e *export) shown(m *chat.Message, of chat.UserID) bool {
	return m.Kind != chat.System && !m.Recalled() && (of == 0 || m.Sender == of)
}

// answered finds those of the messages that others answer which are in the export, too.
func (e *export) answered(ms []chat.Message, of chat.UserID) (map[chat.Seq]bool, error) {
	var seqs []chat.Seq
	for _, m := range ms {
		if m.ReplyTo != 0 {
			seqs = append(seqs, m.ReplyTo)
		}
	}
	found, err := e.v.ports.Replies.States(e.c.Ctx, e.at.room, seqs)
	there := map[chat.Seq]bool{}
	for i := range found {
		there[found[i].Seq] = e.shown(&found[i], of)
	}
	return there, err
}

// name finds the ids of the messages' senders.
func (e *export) name(ms []chat.Message) error {
	var ids []chat.UserID
	for _, m := range ms {
		if e.names[m.Sender] == "" {
			ids = append(ids, m.Sender)
		}
	}
	us, err := e.v.ports.Exports.ExportUsers(e.c.Ctx, 0, ids)
	for _, u := range us {
		e.names[u.User.ID] = nameOfUser(u)
	}
	return err
}
