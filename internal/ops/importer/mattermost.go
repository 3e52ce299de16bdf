package importer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"chat-service/internal/chat"
)

// Lines of Mattermost's bulk export, as much of them as is brought.
type (
	mmLine struct {
		Type    string     `json:"type"`
		Team    *mmTeam    `json:"team"`
		Channel *mmChannel `json:"channel"`
		User    *mmUser    `json:"user"`
		Post    *mmPost    `json:"post"`
		Direct  *mmDirect  `json:"direct_channel"`
		Private *mmPost    `json:"direct_post"`
	}
	mmTeam struct {
		Name  string `json:"name"`
		Shown string `json:"display_name"`
	}
	mmChannel struct {
		Team  string `json:"team"`
		Name  string `json:"name"`
		Shown string `json:"display_name"`
		Type  string `json:"type"`
	}
	mmUser struct {
		Username string `json:"username"`
		Email    string `json:"email"`
		Nickname string `json:"nickname"`
		First    string `json:"first_name"`
		Last     string `json:"last_name"`
		Teams    []struct {
			Name     string `json:"name"`
			Channels []struct {
				Name  string `json:"name"`
				Roles string `json:"roles"`
			} `json:"channels"`
		} `json:"teams"`
	}
	mmDirect struct {
		Members      []string `json:"members"`
		Participants []struct {
			Username string `json:"username"`
		} `json:"participants"`
	}
	mmPost struct {
		Team        string    `json:"team"`
		Channel     string    `json:"channel"`
		Members     []string  `json:"channel_members"`
		User        string    `json:"user"`
		Type        *string   `json:"type"`
		Message     string    `json:"message"`
		At          int64     `json:"create_at"`
		EditAt      *int64    `json:"edit_at"`
		Reactions   *[]any    `json:"reactions"`
		Attachments *[]any    `json:"attachments"`
		Replies     *[]mmPost `json:"replies"`
	}
)

// mmRoom is a channel, with those who are in it.
type mmRoom struct {
	line    int64
	team    string
	name    string
	open    bool
	direct  bool
	members []mmMember
}

type mmMember struct {
	user  string
	admin bool
}

// mattermost makes lines of our own of a bulk export: users, then a room for each channel, then all posts by their time, because a reply
// stands in its thread's line, among posts that are older.
type mattermost struct {
	leftOut *map[string]int64
	teams   map[string]string // shown by name
	rooms   map[string]*mmRoom
	order   []string
	users   []record
	bad     []text // what can't be read, and is refused as it stands
	posts   sorter
	written int64
	all     int64
	read    int64
}

// newMattermost reads the whole file, and reports to progress how far it has come.
func newMattermost(ctx context.Context, r io.Reader, leftOut *map[string]int64, progress *atomic.Int64) (*mattermost, error) {
	*leftOut = map[string]int64{}
	m := &mattermost{leftOut: leftOut, teams: map[string]string{}, rooms: map[string]*mmRoom{}, posts: sorter{limit: sortBytes}}
	in := newReader(r)
	for {
		t, err := in.next()
		if errors.Is(err, io.EOF) {
			m.read = in.read
			return m, m.posts.begin()
		}
		if err = errors.Join(err, ctx.Err()); err == nil {
			err = m.take(t)
		}
		if err != nil {
			return m, errors.Join(err, m.close())
		}
		progress.Store(in.read / 2) // the other half is to store it
	}
}

// skip counts what isn't brought.
func (m *mattermost) skip(what string, n int) {
	if n > 0 {
		(*m.leftOut)[what] += int64(n)
	}
}

// readable reads a line.
func readable(b []byte, l *mmLine) bool { return json.Unmarshal(b, l) == nil }

func (m *mattermost) take(t text) error {
	var l mmLine
	if len(t.bytes) == 0 {
		return nil
	}
	if t.long || !readable(t.bytes, &l) {
		t.bytes = slices.Clone(t.bytes[:min(len(t.bytes), 64)])
		m.bad = append(m.bad, t)
		return nil
	}
	switch {
	case l.Type == "team" && l.Team != nil:
		m.teams[l.Team.Name] = cmp.Or(l.Team.Shown, l.Team.Name)
	case l.Type == "channel" && l.Channel != nil:
		r := m.room(mmChannelID(l.Channel.Team, l.Channel.Name))
		r.line, r.team, r.name, r.open = t.number, l.Channel.Team, cmp.Or(l.Channel.Shown, l.Channel.Name), l.Channel.Type == "O"
	case l.Type == "user" && l.User != nil:
		return m.user(t.number, l.User)
	case l.Type == "direct_channel" && l.Direct != nil:
		for _, p := range l.Direct.Participants {
			l.Direct.Members = append(l.Direct.Members, p.Username)
		}
		m.direct(t.number, l.Direct.Members)
	case l.Type == "post" && l.Post != nil:
		return m.thread(t.number, mmChannelID(l.Post.Team, l.Post.Channel), l.Post)
	case l.Type == "direct_post" && l.Private != nil:
		return m.thread(t.number, m.direct(t.number, l.Private.Members), l.Private)
	case l.Type == "version":
	default:
		m.skip("lines of type "+strconv.Quote(l.Type), 1)
	}
	return nil
}

// mmChannelID is the id of a channel's room.
func mmChannelID(team, channel string) string { return team + "/" + channel }

func (m *mattermost) room(id string) *mmRoom {
	if m.rooms[id] == nil {
		m.rooms[id] = &mmRoom{}
		m.order = append(m.order, id)
	}
	return m.rooms[id]
}

func (m *mattermost) user(line int64, u *mmUser) error {
	full := strings.TrimSpace(u.First + " " + u.Last)
	b, err := json.Marshal(userLine{Type: userType, ID: u.Username, Nickname: cmp.Or(u.Nickname, full, u.Username), Username: u.Username, Email: u.Email})
	m.users = append(m.users, record{0, line, b})
	for _, team := range u.Teams {
		for _, c := range team.Channels {
			r := m.room(mmChannelID(team.Name, c.Name))
			r.members = append(r.members, mmMember{u.Username, slices.Contains(strings.Fields(c.Roles), "channel_admin")})
		}
	}
	return err
}

// direct notes a conversation and returns its room's id: that of whoever is in it.
func (m *mattermost) direct(line int64, people []string) string {
	people = slices.Compact(slices.Sorted(slices.Values(people)))
	sum := sha256.Sum256([]byte(strings.Join(people, "\x00")))
	id := "direct/" + hex.EncodeToString(sum[:16])
	if m.rooms[id] == nil {
		r := m.room(id)
		r.line, r.direct, r.name = line, len(people) <= 2, strings.Join(people, ", ")
		for _, p := range people {
			r.members = append(r.members, mmMember{user: p})
		}
	}
	return id
}

// thread notes a post and the replies to it.
func (m *mattermost) thread(line int64, room string, p *mmPost) error {
	id, err := m.post(line, room, p, "")
	if p.Replies == nil {
		return err
	}
	for i := range *p.Replies {
		_, e := m.post(line, room, &(*p.Replies)[i], id)
		err = errors.Join(err, e)
	}
	return err
}

// post notes a post. An export has no ids: who wrote what when is one.
func (m *mattermost) post(line int64, room string, p *mmPost, answers string) (id string, err error) {
	if p.Type != nil && *p.Type != "" {
		m.skip("posts of Mattermost itself or of its plugins", 1)
		return "", nil
	}
	if p.EditAt != nil && *p.EditAt > 0 {
		m.skip("marks that a post was edited", 1)
	}
	for what, list := range map[string]*[]any{"reactions": p.Reactions, "attachments": p.Attachments} {
		if list != nil {
			m.skip(what, len(*list))
		}
	}
	if strings.TrimSpace(p.Message) == "" {
		m.skip("posts without a text", 1)
		return "", nil
	}
	sum := sum(room, p.User, strconv.FormatInt(p.At, 10), p.Message)
	id = hex.EncodeToString(sum[:16])
	b, err := json.Marshal(messageLine{
		Type: messageType, Room: room, ID: id, Sender: p.User, At: time.UnixMilli(p.At).UTC().Format(chat.TimeLayout), Content: p.Message, ReplyTo: answers,
	})
	m.all++
	return id, errors.Join(err, m.posts.add(record{p.At, line, b}))
}

// next returns a line of our own, with the number of the line in the file.
func (m *mattermost) next() (text, error) {
	switch {
	case len(m.bad) > 0:
		t := m.bad[0]
		m.bad = m.bad[1:]
		return t, nil
	case len(m.users) > 0:
		r := m.users[0]
		m.users = m.users[1:]
		return text{number: r.line, bytes: r.json}, nil
	case len(m.order) > 0:
		id := m.order[0]
		m.order = m.order[1:]
		return m.roomLine(id, m.rooms[id])
	}
	r, err := m.posts.next()
	m.written++
	return text{number: r.line, bytes: r.json}, err
}

func (m *mattermost) roomLine(id string, r *mmRoom) (text, error) {
	l := roomLine{Type: roomType, ID: id, Name: r.name, Kind: string(chat.Group), Visibility: string(chat.Private)}
	switch {
	case r.direct:
		l.Kind, l.Name = string(chat.Direct), ""
	case r.team != "" && len(m.teams) > 1:
		l.Name = cmp.Or(m.teams[r.team], r.team) + ": " + r.name
	case r.open:
		l.Visibility = string(chat.Public)
	}
	l.Name = clip(l.Name, 128)
	for i, p := range r.members {
		role := chat.Plain
		if p.admin {
			role = chat.Admin
		}
		if !r.direct && (i == 0 || p.admin && !slices.ContainsFunc(r.members[:i], func(m mmMember) bool { return m.admin })) {
			l.Owner = p.user // the first admin, else the first member
		}
		raw, err := json.Marshal(memberLine{User: p.user, Role: string(role)})
		if err != nil {
			return text{}, fmt.Errorf("write a room: %w", err)
		}
		l.Members = append(l.Members, raw)
	}
	b, err := json.Marshal(l)
	return text{number: r.line, bytes: b}, err
}

// clip cuts a name to n characters.
func clip(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// done counts half of the file as read; the other half follows as it is stored.
func (m *mattermost) done() int64 {
	return m.read/2 + int64(float64(m.read)/2*float64(m.written)/float64(max(m.all, 1)))
}

func (m *mattermost) close() error { return m.posts.close() }
