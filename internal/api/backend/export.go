package backend

import (
	"fmt"
	"strings"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

// ExportBody names what to export.
type ExportBody struct {
	User *string `json:"user,omitempty" minLength:"1" maxBytes:"140" rule:"as in a path; either user or room" example:"ext:ann"`
	Room *string `json:"room,omitempty" minLength:"1" maxBytes:"140" rule:"as in a path; either user or room"`
}

// startExport remembers what to export: all of it up to now.
func (v *Verbs) startExport(c *server.Call, b ExportBody) error {
	if (b.User == nil) == (b.Room == nil) {
		return chat.BadField("user", "give either user or room")
	}
	j := chat.Job{Kind: chat.JobExportUser}
	if b.User != nil {
		u, err := v.inBody(c, "user", *b.User)
		if err != nil {
			return err
		}
		j.User, c.Target = u.ID, u.ID
	} else {
		var err error
		j.Kind = chat.JobExportRoom
		if c.RoomRef, err = chat.ParseRef("room", *b.Room); err == nil {
			_, err = v.anySpace(c)
		}
		if chat.KindOf(err) == chat.NotFound {
			err = chat.BadField("room", "names no room")
		}
		if err != nil {
			return err
		}
		j.Room = c.Room
	}
	j, err := v.ports.Exports.StartExport(c.Ctx, j)
	if err != nil {
		return err
	}
	return c.Created("/server/export/"+j.ID.String(), jobView(j))
}

// What one page of an export holds at most, and how often it asks the store.
const (
	exportLines = 500
	exportBytes = 1 << 20
	exportReads = 8
	exportRead  = 200 // messages, users
)

// exported answers with a page of an export, as lines of the import's format.
func (v *Verbs) exported(c *server.Call) error {
	q := c.Query()
	cursor := q.Text("cursor")
	if err := q.Check.Err(); err != nil {
		return err
	}
	j, err := v.ports.Jobs.Job(c.Ctx, c.Job)
	if err == nil && !j.Exports() {
		err = chat.E(chat.NotFound, "no such export")
	}
	if err != nil {
		return err
	}
	c.Target, c.Room = j.User, j.Room
	e := &export{v: v, c: c, job: j, names: map[chat.UserID]string{}}
	if e.at, err = placeOf(j.ID, cursor); err != nil {
		return err
	}
	next := e.roomPiece
	if j.Kind == chat.JobExportUser {
		next = e.userPiece
	}
	for reads := 0; !e.done && reads < exportReads && e.lines < exportLines && len(e.out) < exportBytes; reads++ {
		if err := next(); err != nil {
			return err
		}
	}
	if e.done {
		return c.Lines(e.out, "")
	}
	return c.Lines(e.out, e.at.cursor(j.ID))
}

// place is where an export goes on: what comes next there, in which room, and after which id.
type place struct {
	what  what
	room  chat.RoomID
	after uint64
}

// what comes next in an export.
type what int

const (
	someUsers    what = iota // of a room: who is or was in it; of a user: their own line
	oneRoom                  // its line
	someMembers              // of a room
	someMessages             // of the room
)

// cursor writes the place, so that only what an export returned is taken.
func (p place) cursor(job chat.JobID) string {
	at := fmt.Sprintf("%d-%d-%d", p.what, p.room, p.after)
	return at + "." + chat.CursorSum("export "+job.String(), at)
}

// placeOf reads a cursor; "" is the beginning.
func placeOf(job chat.JobID, cursor string) (p place, err error) {
	if cursor == "" {
		return p, nil
	}
	at, _, _ := strings.Cut(cursor, ".")
	if _, err := fmt.Sscanf(at, "%d-%d-%d", &p.what, &p.room, &p.after); err != nil || p.cursor(job) != cursor {
		return p, chat.BadCursor()
	}
	return p, nil
}

// export is a page in the making. Each piece asks the store once or a few times, and moves the place.
type export struct {
	v     *Verbs
	c     *server.Call
	job   chat.Job
	at    place
	room  *chat.ExportedRoom
	names map[chat.UserID]string // ids of users, as lines name them
	out   []byte
	lines int
	done  bool
}

// roomPiece is the next piece of a room: its people, the room, its members, its messages.
func (e *export) roomPiece() error {
	x := e.v.ports.Exports
	switch e.at.what {
	case someUsers, someMembers:
		ids, err := x.RoomPeople(e.c.Ctx, e.job.Room, chat.UserID(e.at.after), exportRead)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			e.at = place{what: e.at.what + 1, room: e.job.Room}
			return nil
		}
		us, err := x.ExportUsers(e.c.Ctx, e.job.Room, ids)
		if err != nil {
			return err
		}
		if err := e.open(e.job.Room); err != nil {
			return err
		}
		for _, u := range us {
			if e.at.what == someUsers {
				e.add(lineOfUser(u))
			} else if u.Member.In() && u.User.ID != e.room.Room.Owner && e.room.Room.Type != chat.Direct {
				e.add(lineOfMember(e.room, u))
			}
		}
		e.at.after = uint64(ids[len(ids)-1])
		return nil
	case oneRoom:
		e.at = place{what: someMembers, room: e.job.Room}
		return e.roomLine(e.job.Room)
	default:
		more, err := e.messages(0)
		e.done = !more
		return err
	}
}

// userPiece is the next piece of a user: their line, then each of their rooms with what they wrote in it.
func (e *export) userPiece() error {
	x := e.v.ports.Exports
	switch e.at.what {
	case someUsers:
		us, err := x.ExportUsers(e.c.Ctx, 0, []chat.UserID{e.job.User})
		if err != nil {
			return err
		}
		for _, u := range us {
			e.add(lineOfUser(u))
		}
		e.at.what = oneRoom
		return nil
	case oneRoom:
		rs, err := x.ExportRooms(e.c.Ctx, e.job.User, e.at.room, 1)
		if err != nil || len(rs) == 0 {
			e.done = err == nil
			return err
		}
		e.at = place{what: someMessages, room: rs[0].Room.ID}
		return e.roomLine(e.at.room)
	default:
		more, err := e.messages(e.job.User)
		if err == nil && !more {
			e.at = place{what: oneRoom, room: e.at.room}
		}
		return err
	}
}

// open reads the room that is exported, if it isn't known.
func (e *export) open(id chat.RoomID) error {
	if e.room != nil && e.room.Room.ID == id {
		return nil
	}
	r, err := e.v.ports.Exports.ExportRoom(e.c.Ctx, id)
	e.room = &r
	return err
}

// roomLine adds a room's line; in a user's export behind the lines of those whom it names.
func (e *export) roomLine(id chat.RoomID) error {
	if err := e.open(id); err != nil {
		return err
	}
	named := []chat.UserID{e.room.Room.Owner}
	if e.room.Room.Type == chat.Direct {
		var err error
		if named, err = e.v.ports.Exports.RoomPeople(e.c.Ctx, id, 0, 2); err != nil {
			return err
		}
	}
	us, err := e.v.ports.Exports.ExportUsers(e.c.Ctx, id, append(named, e.job.User))
	if err != nil {
		return err
	}
	l := lineOfRoom(e.room)
	for _, u := range us {
		if e.job.Kind == chat.JobExportUser && u.User.ID != e.job.User {
			e.add(userLine{Type: "user", ID: nameOfUser(u), Nickname: u.User.Nickname})
		}
		switch {
		case u.User.ID == e.room.Room.Owner:
			l.Owner = nameOfUser(u)
		case e.room.Room.Type == chat.Direct:
			l.Members = append(l.Members, firstMember{User: nameOfUser(u)})
		case u.Member.In():
			l.Members = append(l.Members, firstMember{nameOfUser(u), string(u.Member.Role), chat.FormatTime(u.Member.JoinedAt)})
		}
	}
	e.add(l)
	return nil
}
