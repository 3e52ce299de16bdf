package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/ops/spread"
	"chat-service/internal/store"
	"chat-service/internal/store/operator"
)

// userShowCmd is `chatctl user show`.
type userShowCmd struct {
	Who  string `arg:"" name:"id|name" help:"The user's id, username or email address."`
	JSON bool   `help:"Print JSON."`
}

// Help shows examples.
func (*userShowCmd) Help() string {
	return `Shows an account, without its password. Where a number is one user's id and another's name, say id:42 or name:42; that goes for every command that takes a user.

  chatctl user 42
  chatctl user id:42
  chatctl user show disable
  chatctl user alice --json`
}

// userView is what an operator sees of a user. The password hash is not part of it.
type userView struct {
	ID        chat.UserID     `json:"id"`
	Username  string          `json:"username"`
	Nickname  string          `json:"nickname"`
	Email     string          `json:"email,omitempty"`
	Status    chat.UserStatus `json:"status"`
	Online    *bool           `json:"online"` // nil: unknown
	LastSeen  *time.Time      `json:"last_seen"`
	CreatedAt time.Time       `json:"created_at"`
	Sessions  int             `json:"sessions"`
	Rooms     int             `json:"rooms"`
	Partition int             `json:"partition"`
}

// Run looks the user up.
func (c *userShowCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, in *installation.Installation, db *store.Store) error {
		info, err := findUser(ctx, db, c.Who)
		if chat.KindOf(err) == chat.NotFound {
			return noUser(c.Who)
		}
		if err != nil {
			return err
		}
		u := info.User
		v := userView{
			ID: u.ID, Username: u.Username, Nickname: u.Nickname, Email: u.Email, Status: u.Status, Online: online(ctx, in, u.ID),
			CreatedAt: u.CreatedAt, Sessions: info.Sessions, Rooms: info.Rooms, Partition: info.Partition,
		}
		if !u.LastSeen.IsZero() {
			v.LastSeen = &u.LastSeen
		}
		if c.JSON {
			return io.printJSON(v)
		}
		return io.printRows(v.rows())
	})
}

// findUser looks for an id and for a login name. A name may consist of digits: where both are there and differ, neither is taken, since
// the wrong account could be disabled. Names can't hold a colon, so that id: and name: say which is meant.
func findUser(ctx context.Context, db *store.Store, who string) (operator.UserInfo, error) {
	login := strings.ToLower(strings.TrimSpace(norm.NFKC.String(who)))
	if name, ok := strings.CutPrefix(login, "name:"); ok {
		return userNamed(ctx, db, name)
	}
	number, chosen := strings.CutPrefix(login, "id:")
	id, err := strconv.ParseUint(number, 10, 64)
	switch {
	case err != nil && chosen:
		return operator.UserInfo{}, chat.E(chat.NotFound, "not an id")
	case err != nil:
		return userNamed(ctx, db, login)
	}
	byID, err := db.Operator.UserInfo(ctx, chat.UserID(id))
	switch {
	case chosen || err != nil && chat.KindOf(err) != chat.NotFound:
		return byID, err
	case err != nil:
		return userNamed(ctx, db, login)
	}
	named, err := db.Accounts.UserByLogin(ctx, login)
	switch {
	case chat.KindOf(err) == chat.NotFound || err == nil && named.ID == byID.User.ID:
		return byID, nil
	case err != nil:
		return operator.UserInfo{}, err
	}
	return operator.UserInfo{}, fmt.Errorf("%q is the id of user %s (%s) and the name of user %s (%s): say id:%d or name:%s",
		who, byID.User.ID, byID.User.Username, named.ID, named.Username, id, named.Username)
}

func userNamed(ctx context.Context, db *store.Store, login string) (operator.UserInfo, error) {
	u, err := db.Accounts.UserByLogin(ctx, login)
	if err != nil {
		return operator.UserInfo{}, err
	}
	return db.Operator.UserInfo(ctx, u.ID)
}

// online asks Redis; nil if it isn't known.
func online(ctx context.Context, in *installation.Installation, u chat.UserID) *bool {
	st, err := in.OpenState()
	if err != nil {
		return nil
	}
	defer st.Close()
	ps, err := st.Online(ctx, []chat.UserID{u})
	if err != nil || len(ps) != 1 || !ps[0].Known {
		return nil
	}
	return &ps[0].Online
}

func (v userView) rows() [][]string {
	online := "unknown"
	if v.Online != nil {
		online = strconv.FormatBool(*v.Online)
	}
	seen := "never"
	if v.LastSeen != nil {
		seen = timeText(*v.LastSeen)
	}
	return [][]string{
		{"id", v.ID.String()},
		{"username", v.Username},
		{"nickname", v.Nickname},
		{"email", v.Email},
		{"status", string(v.Status)},
		{"online", online},
		{"last seen", seen},
		{"created", timeText(v.CreatedAt)},
		{"live sessions", strconv.Itoa(v.Sessions)},
		{"rooms", strconv.Itoa(v.Rooms)},
		{"partition", strconv.Itoa(v.Partition)},
	}
}

// roomShowCmd is `chatctl room show`.
type roomShowCmd struct {
	ID   uint64 `arg:"" help:"The room's id."`
	JSON bool   `help:"Print JSON."`
}

// Help shows examples.
func (*roomShowCmd) Help() string {
	return `Shows a room: its last seq, announcements that wait, and the worker that owns it.

  chatctl room 7
  chatctl room show 7
  chatctl room 7 --json`
}

// roomView is what an operator sees of a room.
type roomView struct {
	ID          chat.RoomID     `json:"id"`
	Type        chat.RoomType   `json:"type"`
	Name        string          `json:"name"`
	Visibility  chat.Visibility `json:"visibility"`
	Owner       chat.UserID     `json:"owner_id,omitempty"`
	Members     int             `json:"member_count"`
	Ended       int             `json:"ended_memberships"`
	LastSeq     chat.Seq        `json:"last_seq"`
	TopSeq      uint64          `json:"top_seq"`
	Messages    uint64          `json:"messages"`
	Epoch       uint64          `json:"epoch"`
	Outbox      int             `json:"outbox"`
	Partition   int             `json:"partition"`
	WorkerOwner string          `json:"worker,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	DissolvedAt *time.Time      `json:"dissolved_at,omitempty"`
}

// Run looks the room up.
func (c *roomShowCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	return s.WithStore(ctx, func(ctx context.Context, in *installation.Installation, db *store.Store) error {
		info, err := db.Operator.RoomInfo(ctx, chat.RoomID(c.ID))
		if err != nil {
			return noRoom(err, c.ID)
		}
		sp, err := spread.Of(ctx, db, in.RabbitMQ.Partitions)
		if err != nil {
			return err
		}
		r := info.Room
		v := roomView{
			ID: r.ID, Type: r.Type, Name: r.Name, Visibility: r.Visibility, Owner: r.Owner, Members: r.MemberCount, Ended: info.Ended,
			LastSeq: r.LastSeq, TopSeq: info.TopSeq, Messages: r.MsgCount, Epoch: r.Epoch, Outbox: info.Outbox, Partition: info.Partition,
			WorkerOwner: sp.Partitions[info.Partition].Owner, CreatedAt: r.CreatedAt,
		}
		if !r.DissolvedAt.IsZero() {
			v.DissolvedAt = &r.DissolvedAt
		}
		if v.TopSeq != uint64(v.LastSeq) {
			io.say("warning: last_seq is %d, but the highest message has seq %d: the database was damaged or only partly restored", v.LastSeq, v.TopSeq)
		}
		if c.JSON {
			return io.printJSON(v)
		}
		return io.printRows(v.rows())
	})
}

func (v roomView) rows() [][]string {
	owner := v.WorkerOwner
	if owner == "" {
		owner = "no live worker"
	}
	rows := [][]string{
		{"id", v.ID.String()},
		{"type", string(v.Type)},
		{"name", v.Name},
		{"visibility", string(v.Visibility)},
		{"owner", v.Owner.String()},
		{"members", fmt.Sprintf("%d (%d have left)", v.Members, v.Ended)},
		{"last seq", v.LastSeq.String()},
		{"messages", strconv.FormatUint(v.Messages, 10)},
		{"epoch", strconv.FormatUint(v.Epoch, 10)},
		{"outbox", fmt.Sprintf("%d waiting", v.Outbox)},
		{"partition", fmt.Sprintf("%d (worker %s)", v.Partition, owner)},
		{"created", timeText(v.CreatedAt)},
	}
	if v.DissolvedAt != nil {
		rows = append(rows, []string{"dissolved", timeText(*v.DissolvedAt)})
	}
	return rows
}

// noRoom names the room that doesn't exist.
func noRoom(err error, id uint64) error {
	if chat.KindOf(err) == chat.NotFound {
		return errors.New("there is no room " + strconv.FormatUint(id, 10) + ": give its number (room_id in the protocol)")
	}
	return err
}
