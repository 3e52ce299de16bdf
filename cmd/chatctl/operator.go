package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"chat-service/internal/auth"
	"chat-service/internal/chat"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
)

// userCmd is `chatctl user`.
type userCmd struct {
	Show     userShowCmd     `cmd:"" default:"withargs" help:"Show an account, without its password (the default)."`
	Disable  userDisableCmd  `cmd:"" help:"Shut an account: its sessions end and its sockets close at once."`
	Enable   userEnableCmd   `cmd:"" help:"Open a disabled account again."`
	Erase    userEraseCmd    `cmd:"" help:"Shut and empty an account for good, and take back all that its user wrote."`
	Password userPasswordCmd `cmd:"" help:"Set a new password; all sessions end."`
	Sessions userSessionsCmd `cmd:"" help:"List live sessions with their addresses, or end them."`
}

// roomCmd is `chatctl room`.
type roomCmd struct {
	Show     roomShowCmd     `cmd:"" default:"withargs" help:"Show a room (the default)."`
	Owner    roomOwnerCmd    `cmd:"" help:"Make a member the owner of a group."`
	Dissolve roomDissolveCmd `cmd:"" help:"Dissolve a group for good."`
}

// operatorName says who acts, for the audit trail.
func operatorName() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if by := os.Getenv("SUDO_USER"); by != "" {
		name = by + " as " + name
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "operator:" + name + "@" + host
}

// act runs fn as an operator's act and then calls the workers, so that its effects don't wait for their next look.
func act(ctx context.Context, s *installation.Settings, fn func(ctx context.Context, db *store.Store) error) error {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	ctx = chat.WithOrigin(ctx, chat.Origin{By: operatorName()})
	return s.WithStore(ctx, func(ctx context.Context, in *installation.Installation, db *store.Store) error {
		if err := fn(ctx, db); err != nil {
			return err
		}
		if st, err := in.OpenState(); err == nil {
			_ = st.Call(ctx) // else the workers look by themselves, later
			_ = st.Close()
		}
		return nil
	})
}

// onUser is act on an account.
func onUser(ctx context.Context, s *installation.Settings, who string, fn func(ctx context.Context, db *store.Store, u chat.User) error) error {
	return act(ctx, s, func(ctx context.Context, db *store.Store) error {
		info, err := findUser(ctx, db, who)
		if chat.KindOf(err) == chat.NotFound {
			return noUser(who)
		}
		if err != nil {
			return err
		}
		return fn(ctx, db, info.User)
	})
}

func noUser(who string) error { return fmt.Errorf("no user has the id, username or email %q", who) }

// userDisableCmd is `chatctl user disable`.
type userDisableCmd struct {
	Who string `arg:"" name:"id|name" help:"The user's id, username or email address."`
}

// Help shows examples.
func (*userDisableCmd) Help() string {
	return `The user can't log in, all sessions end, and sockets close with 4504. What was written stays.

  chatctl user disable alice`
}

// Run disables.
func (c *userDisableCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return onUser(ctx, s, c.Who, func(ctx context.Context, db *store.Store, u chat.User) error {
		if err := db.Accounts.DisableUser(ctx, u.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "user %d (%s) is disabled, their sessions have ended\n", u.ID, u.Username)
		return err
	})
}

// userEnableCmd is `chatctl user enable`.
type userEnableCmd struct {
	Who string `arg:"" name:"id|name" help:"The user's id, username or email address."`
}

// Help shows examples.
func (*userEnableCmd) Help() string {
	return `The user may log in again; the old sessions stay ended.

  chatctl user enable alice`
}

// Run enables.
func (c *userEnableCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return onUser(ctx, s, c.Who, func(ctx context.Context, db *store.Store, u chat.User) error {
		if err := db.Accounts.EnableUser(ctx, u.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(io.out, "user %d (%s) may log in again\n", u.ID, u.Username)
		return err
	})
}

// userPasswordCmd is `chatctl user password`.
type userPasswordCmd struct {
	Who   string `arg:"" name:"id|name" help:"The user's id, username or email address."`
	Stdin bool   `help:"Read the new password from the first line of standard input instead of making one."`
}

// Help shows examples.
func (*userPasswordCmd) Help() string {
	return `Sets a password, by default one made at random, which is printed once. All sessions of the user end.

  chatctl user password alice
  pass show chat/alice | chatctl user password alice --stdin`
}

// Run sets the password. Its hash gets the parameters of the api at the next login.
func (c *userPasswordCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	password := rand.Text()
	if c.Stdin {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if password = strings.TrimRight(line, "\r\n"); password == "" {
			return errors.Join(errors.New("--stdin: there is no password on standard input"), err)
		}
	}
	hasher, err := auth.NewHasher(auth.DefaultHashOptions(), auth.NewPolicy(true))
	if err != nil {
		return err
	}
	return onUser(ctx, s, c.Who, func(ctx context.Context, db *store.Store, u chat.User) error {
		if err := hasher.Check(password, u.Username); err != nil {
			return err
		}
		hash, err := hasher.Hash(ctx, password)
		if err != nil {
			return err
		}
		if err := db.Accounts.SetPassword(ctx, u.ID, "", hash, ""); err != nil {
			return err
		}
		if c.Stdin {
			_, err = fmt.Fprintf(io.out, "user %d (%s) has the new password, their sessions have ended\n", u.ID, u.Username)
		} else {
			_, err = fmt.Fprintln(io.out, password)
		}
		return err
	})
}

// userSessionsCmd is `chatctl user sessions`.
type userSessionsCmd struct {
	Who    string `arg:"" name:"id|name" help:"The user's id, username or email address."`
	End    string `placeholder:"ID" help:"End this session."`
	EndAll bool   `help:"End all sessions."`
	JSON   bool   `help:"Print JSON."`
}

// Help shows examples.
func (*userSessionsCmd) Help() string {
	return `Lists live sessions, the most recently used first. Ending one closes its sockets with 4502.

  chatctl user sessions alice
  chatctl user sessions alice --end 5c1d…
  chatctl user sessions alice --end-all`
}

// sessionView is what an operator sees of a session.
type sessionView struct {
	ID         chat.SessionID `json:"id"`
	Device     string         `json:"device"`
	IP         string         `json:"ip"`
	CreatedAt  time.Time      `json:"created_at"`
	LastSeenAt time.Time      `json:"last_seen_at"`
	ExpiresAt  time.Time      `json:"expires_at"`
}

// Run lists or ends.
func (c *userSessionsCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return onUser(ctx, s, c.Who, func(ctx context.Context, db *store.Store, u chat.User) error {
		switch {
		case c.EndAll:
			return db.Accounts.RevokeSessions(ctx, u.ID, "")
		case c.End != "":
			return db.Accounts.RevokeSession(ctx, u.ID, chat.SessionID(c.End))
		}
		ss, err := db.Accounts.Sessions(ctx, u.ID)
		if err != nil {
			return err
		}
		views := make([]sessionView, len(ss))
		rows := [][]string{{"ID", "DEVICE", "ADDRESS", "CREATED", "LAST SEEN", "EXPIRES"}}
		for i, x := range ss {
			views[i] = sessionView{x.ID, x.Device, x.IP, x.CreatedAt, x.LastSeenAt, x.ExpiresAt}
			rows = append(rows, []string{
				string(x.ID), oneLine(x.Device, 40), x.IP, timeText(x.CreatedAt), timeText(x.LastSeenAt), timeText(x.ExpiresAt),
			})
		}
		if c.JSON {
			return io.printJSON(map[string]any{"sessions": views})
		}
		return io.printRows(rows)
	})
}

// roomOwnerCmd is `chatctl room owner`.
type roomOwnerCmd struct {
	ID  uint64 `arg:"" help:"The room's id."`
	Who string `arg:"" name:"id|name" help:"The new owner, a member: id, username or email address."`
}

// Help shows examples.
func (*roomOwnerCmd) Help() string {
	return `The old owner stays as an admin, or as what they are if they have left. Clients see it as done by the old owner; chatctl audit says who it was.

  chatctl room owner 7 alice`
}

// Run appoints.
func (c *roomOwnerCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	return onUser(ctx, s, c.Who, func(ctx context.Context, db *store.Store, u chat.User) error {
		if _, err := db.Operator.RoomInfo(ctx, chat.RoomID(c.ID)); err != nil {
			return noRoom(err, c.ID)
		}
		if _, err := db.Rooms.Appoint(ctx, chat.RoomID(c.ID), u.ID); err != nil {
			if chat.KindOf(err) == chat.NotFound {
				return fmt.Errorf("user %d (%s) is not a member of room %d, or the room is dissolved", u.ID, u.Username, c.ID)
			}
			return err
		}
		_, err := fmt.Fprintf(io.out, "user %d (%s) owns room %d\n", u.ID, u.Username, c.ID)
		return err
	})
}

// roomDissolveCmd is `chatctl room dissolve`.
type roomDissolveCmd struct {
	ID  uint64 `arg:"" help:"The room's id."`
	Yes bool   `help:"Confirm."`
}

// Help shows examples.
func (*roomDissolveCmd) Help() string {
	return `Every membership ends. Clients see it as done by the owner; chatctl audit says who it was.

  chatctl room dissolve 7 --yes`
}

// Run dissolves.
func (c *roomDissolveCmd) Run(ctx context.Context, s *installation.Settings, io *streams) error {
	if !c.Yes {
		return fmt.Errorf("room %d will end for all of its members, and can't be brought back: add --yes to confirm", c.ID)
	}
	return act(ctx, s, func(ctx context.Context, db *store.Store) error {
		if err := db.Rooms.Close(ctx, chat.RoomID(c.ID)); err != nil {
			return noRoom(err, c.ID)
		}
		_, err := fmt.Fprintf(io.out, "room %d is dissolved\n", c.ID)
		return err
	})
}
