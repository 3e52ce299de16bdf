package backend

import (
	"net/netip"
	"time"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// ActView is a line of the audit trail.
type ActView struct {
	ID        uint64         `json:"id"`
	At        string         `json:"recorded_at"`
	Kind      chat.ActKind   `json:"kind"`
	By        string         `json:"by" doc:"user:<id>, operator:<name>@<host>, key:<id>, or empty for somebody who isn't known"`
	UserID    chat.UserID    `json:"user_id,omitempty" doc:"whom it is about"`
	RoomID    chat.RoomID    `json:"room_id,omitempty"`
	SessionID chat.SessionID `json:"session_id,omitempty"`
	IP        string         `json:"ip,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	Detail    string         `json:"detail,omitempty"`
}

// ActsReply is a page of the audit trail.
type ActsReply struct {
	Acts       []ActView `json:"acts"`
	NextCursor *string   `json:"next_cursor" doc:"null on the last page"`
}

// actKinds lists the names of the kinds of acts.
func actKinds() (names []string) {
	for _, s := range chat.ActSpecs() {
		names = append(names, string(s.Kind))
	}
	return names
}

// acts reads a page of the audit trail. One more than the page holds is read, to know whether there is a next one.
func (v *Verbs) acts(c *server.Call) error {
	q := c.Query()
	cursor, limit := q.Page()
	before, err := server.IDCursor(server.ListActs, cursor)
	q.Check.Add(err)
	find := chat.ActQuery{Before: before, Limit: limit + 1, IP: q.Text("ip")}
	if kind := q.Text("kind"); kind != "" {
		find.Kinds = []chat.ActKind{chat.ActKind(kind)}
	}
	if find.IP != "" {
		_, err := netip.ParseAddr(find.IP)
		q.Check.Require(err == nil, "ip", "must be an IP address")
	}
	if since := q.Text("since"); since != "" {
		find.Since, err = time.Parse(time.RFC3339, since)
		q.Check.Require(err == nil && find.Since.Year() > 1970, "since", "must be a time, written as RFC 3339")
	}
	user, room := ref(q, "user"), ref(q, "room")
	if err := q.Check.Err(); err != nil {
		return err
	}
	if find.User, find.Room, err = v.about(c, user, room); err != nil {
		return err
	}
	as, err := v.ports.Trail.Acts(c.Ctx, find)
	if err != nil {
		return err
	}
	as, next := server.Cut(server.ListActs, as, limit, func(a chat.Act) uint64 { return a.ID })
	return c.OK(ActsReply{server.Views(as, func(a chat.Act) ActView {
		return ActView{a.ID, chat.FormatTime(a.At), a.Kind, a.By, a.User, a.Room, a.Session, a.IP, a.Request, a.Detail}
	}), next})
}

// ref reads whom or what a query names; zero if it is left out.
func ref(q *server.Query, name string) (r chat.Ref) {
	if text := q.Text(name); text != "" {
		var err error
		r, err = chat.ParseRef(name, text)
		q.Check.Add(err)
	}
	return r
}

// about finds whom and what a query names. Of numbers the trail may know what is there no more.
func (v *Verbs) about(c *server.Call, user, room chat.Ref) (u chat.UserID, r chat.RoomID, err error) {
	u, r = chat.UserID(user.ID), chat.RoomID(room.ID)
	if user.Own != "" {
		found, err := v.person(c, user)
		if chat.KindOf(err) == chat.NotFound {
			err = chat.BadField("user", "names nobody")
		}
		if u = found.ID; err != nil {
			return 0, 0, err
		}
	}
	if room.Own != "" {
		found, err := v.ports.Spaces.ExternalRoom(c.Ctx, room.Own)
		if chat.KindOf(err) == chat.NotFound {
			err = chat.BadField("room", "names no room")
		}
		if r = found.ID; err != nil {
			return 0, 0, err
		}
	}
	return u, r, nil
}
