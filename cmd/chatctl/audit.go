package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
)

// auditCmd is `chatctl audit`.
type auditCmd struct {
	User  string        `placeholder:"ID|NAME" help:"Only acts about this user."`
	Room  uint64        `placeholder:"ID" help:"Only acts about this room."`
	IP    string        `name:"ip" placeholder:"ADDRESS" help:"Only acts from this address."`
	Kind  []string      `placeholder:"KIND" help:"Only acts of these kinds, such as login_failed."`
	Since time.Duration `placeholder:"TIME" help:"Only acts of this last time, such as 24h."`
	Limit int           `default:"50" help:"Maximum number shown."`
	JSON  bool          `help:"Print JSON."`
}

// Help lists the kinds and shows examples.
func (*auditCmd) Help() string {
	var b strings.Builder
	b.WriteString("Shows what was done to accounts and rooms, newest first: who, what, from where, in which request.\n\n")
	for _, a := range chat.ActSpecs() {
		fmt.Fprintf(&b, "  %-22s %s\n", a.Kind, a.Doc)
	}
	b.WriteString(`
  chatctl audit --user alice --since 24h
  chatctl audit --kind login_failed,throttled --ip 192.0.2.7 --json`)
	return b.String()
}

// actView is an act as JSON.
type actView struct {
	ID      uint64         `json:"id"`
	At      time.Time      `json:"at"`
	Kind    chat.ActKind   `json:"kind"`
	By      string         `json:"by,omitempty"`
	User    chat.UserID    `json:"user_id,omitempty"`
	Room    chat.RoomID    `json:"room_id,omitempty"`
	Session chat.SessionID `json:"session_id,omitempty"`
	IP      string         `json:"ip,omitempty"`
	Request string         `json:"request_id,omitempty"`
	Detail  string         `json:"detail,omitempty"`
}

// query checks the flags.
func (c *auditCmd) query() (chat.ActQuery, error) {
	q := chat.ActQuery{Room: chat.RoomID(c.Room), IP: c.IP, Limit: c.Limit}
	if c.Limit < 1 {
		return q, errors.New("--limit: must be at least 1")
	}
	if c.Since > 0 {
		q.Since = time.Now().Add(-c.Since)
	}
	for _, k := range c.Kind {
		if !slices.ContainsFunc(chat.ActSpecs(), func(a chat.ActSpec) bool { return string(a.Kind) == k }) {
			return q, fmt.Errorf("--kind: there is no kind %q: see chatctl audit --help", k)
		}
		q.Kinds = append(q.Kinds, chat.ActKind(k))
	}
	return q, nil
}

// Run lists.
func (c *auditCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	q, err := c.query()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error {
		if c.User != "" {
			info, err := findUser(ctx, db, c.User)
			if chat.KindOf(err) == chat.NotFound {
				return noUser(c.User)
			}
			if err != nil {
				return err
			}
			q.User = info.User.ID
		}
		as, err := db.Audit.Acts(ctx, q)
		if err != nil {
			return err
		}
		views := make([]actView, len(as))
		rows := [][]string{{"WHEN", "KIND", "USER", "ROOM", "BY", "ADDRESS", "REQUEST", "DETAIL"}}
		for i, a := range as {
			views[i] = actView{a.ID, a.At, a.Kind, a.By, a.User, a.Room, a.Session, a.IP, a.Request, a.Detail}
			rows = append(rows, []string{
				timeText(a.At), string(a.Kind), idText(uint64(a.User)), idText(uint64(a.Room)), a.By, a.IP, a.Request, oneLine(a.Detail, 60),
			})
		}
		if c.JSON {
			return io.printJSON(map[string]any{"acts": views})
		}
		return io.printRows(rows)
	})
}

// idText is an id in a table; 0 is none.
func idText(id uint64) string {
	if id == 0 {
		return "-"
	}
	return fmt.Sprint(id)
}
