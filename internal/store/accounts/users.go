package accounts

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/audit"
	"chat-service/internal/store/db"
	"chat-service/internal/store/outbox"
	"chat-service/internal/store/table"
	"chat-service/internal/store/webhooks"
)

// Store reads and writes the tables users, sessions and refresh_tokens.
type Store struct {
	d      *db.DB
	outbox *outbox.Store
	audit  *audit.Store
	hooks  *webhooks.Store
}

// New opens the store over d.
func New(d *db.DB) *Store { return &Store{d, outbox.New(d), audit.New(d), webhooks.New(d)} }

func noUser() error { return chat.E(chat.NotFound, "no such user") }

// taken turns a violated unique key into the kind that names it.
func taken(err error) error {
	switch {
	case db.Duplicate(err, "users_username"):
		return chat.Wrap(chat.UsernameTaken, err, "the username is taken")
	case db.Duplicate(err, "users_skeleton"):
		return chat.Wrap(chat.UsernameTaken, err, "the username looks like one that is taken")
	case db.Duplicate(err, "users_email"):
		return chat.Wrap(chat.EmailTaken, err, "the email address is in use")
	}
	return err
}

// CreateUser stores an account and returns it with its id. Username and email come normalised; Status and CreatedAt
// are set here when they are zero. UsernameTaken, also where an account has a username that looks the same; EmailTaken.
func (s *Store) CreateUser(ctx context.Context, u chat.User) (chat.User, error) {
	u.Status = cmp.Or(u.Status, chat.Active)
	if u.CreatedAt.IsZero() {
		u.CreatedAt = s.d.Now()
	}
	u.CreatedAt = db.Micros(u.CreatedAt)
	err := s.d.Tx(ctx, "create user", db.Repeatable, func(tx db.Tx) error {
		id, err := table.Users.Create(tx.DB, &u)
		if u.ID = chat.UserID(id); err != nil {
			return taken(err)
		}
		return s.hooks.AddUser(tx, u.ID, chat.WebhookUserCreated, u.CreatedAt)
	})
	if k := chat.KindOf(err); k == chat.UsernameTaken || k == chat.EmailTaken {
		// A lost COMMIT may have created it: a password hash is salted, so an equal one is our own row.
		if have, e := s.UserByLogin(ctx, u.Username); e == nil && u.PasswordHash != "" && have.PasswordHash == u.PasswordHash {
			return have, nil
		}
	}
	if err != nil {
		return chat.User{}, err
	}
	return u, nil
}

// UserByLogin finds an account by its normalised username or email. Usernames can't hold an @. NotFound.
func (s *Store) UserByLogin(ctx context.Context, login string) (chat.User, error) {
	if strings.Contains(login, "@") {
		return s.oneUser(ctx, "email = ?", login)
	}
	return s.oneUser(ctx, "username = ?", login)
}

// User returns an account, disabled ones too. NotFound.
func (s *Store) User(ctx context.Context, id chat.UserID) (chat.User, error) {
	return s.oneUser(ctx, "id = ?", id)
}

func (s *Store) oneUser(ctx context.Context, where string, arg any) (chat.User, error) {
	us, err := s.find(ctx, "read user", func(tx db.Tx) db.Tx { return db.Tx{DB: tx.Where(where, arg).Limit(1)} })
	if err == nil && len(us) == 0 {
		err = noUser()
	}
	if err != nil {
		return chat.User{}, err
	}
	return us[0], nil
}

// Users returns those of the accounts that exist, by ascending id.
func (s *Store) Users(ctx context.Context, ids []chat.UserID) ([]chat.User, error) {
	ids = db.SortedIDs(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	return s.find(ctx, "read users", func(tx db.Tx) db.Tx { return db.Tx{DB: tx.Where("id IN ?", ids).Order("id")} })
}

// SearchUsers returns active accounts whose username or nickname begins with prefix (any case), by ascending id after
// the given one, at most limit.
func (s *Store) SearchUsers(ctx context.Context, q chat.UserSearch) ([]chat.User, error) {
	like := db.LikePrefix(table.SearchKey(q.Prefix))
	return s.find(ctx, "find users", func(tx db.Tx) db.Tx {
		found := tx.Where("id > ? AND status = ? AND (username LIKE ? OR nickname_key LIKE ?)", q.After, chat.Active, like, like)
		if q.Beside != 0 {
			found = found.Where("(id = ? OR id IN (SELECT b.user_id FROM members a JOIN members b ON b.room_id = a.room_id AND b.left_seq = 0"+
				" WHERE a.user_id = ? AND a.left_seq = 0))", q.Beside, q.Beside)
		}
		return db.Tx{DB: found.Order("id").Limit(q.Limit)}
	})
}

// find reads the accounts that where selects.
func (s *Store) find(ctx context.Context, verb string, where func(tx db.Tx) db.Tx) (us []chat.User, err error) {
	err = s.d.Retry(ctx, verb, func(tx db.Tx) (err error) {
		us, err = table.People.Find(where(tx).DB)
		return err
	})
	return us, err
}

// UpdateUser changes an account's profile and returns it; another nickname or picture is announced to those who see it. NotFound,
// EmailTaken; Conflict if the account was emptied.
func (s *Store) UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error) {
	var u chat.User
	var cols []string
	set := func(to *string, from *string, names ...string) {
		if from != nil {
			*to = *from
			cols = append(cols, names...)
		}
	}
	set(&u.Nickname, p.Nickname, "nickname", "nickname_key")
	set(&u.AvatarURL, p.AvatarURL, "avatar_url")
	set(&u.Email, p.Email, "email")
	if len(cols) == 0 {
		return s.User(ctx, id)
	}
	err := s.d.Tx(ctx, "update user", db.Repeatable, func(tx db.Tx) error {
		if err := living(tx, id); err != nil {
			return err
		}
		if p.Email != nil {
			if err := s.recordEmail(tx, id, *p.Email); err != nil {
				return err
			}
		}
		before, err := table.People.Find(tx.Where("id = ?", id))
		if err != nil {
			return err
		}
		if err := tx.Table("users").Where("id = ?", id).Updates(table.Users.Only(cols...).Map(&u)).Error; err != nil {
			return taken(err)
		}
		return s.announce(tx, before, p)
	})
	if err != nil {
		return chat.User{}, err
	}
	return s.User(ctx, id)
}

// announce tells of another nickname or picture than the user had before.
func (s *Store) announce(tx db.Tx, before []chat.User, p chat.UserPatch) error {
	if len(before) == 0 {
		return nil
	}
	u := before[0]
	if p.Nickname != nil {
		u.Nickname = *p.Nickname
	}
	if p.AvatarURL != nil {
		u.AvatarURL = *p.AvatarURL
	}
	if u.Nickname == before[0].Nickname && u.AvatarURL == before[0].AvatarURL {
		return nil
	}
	return s.outbox.Add(tx, envelope.Announcement{Profile: &u})
}

// recordEmail records a change of address, if it is one. The addresses themselves are nobody's business but their owner's.
func (s *Store) recordEmail(tx db.Tx, id chat.UserID, email string) error {
	had, err := table.People.Find(tx.Where("id = ?", id))
	if err != nil || len(had) == 0 || had[0].Email == email {
		return err
	}
	a := chat.Act{Kind: chat.ActEmail, User: id}
	switch {
	case had[0].Email == "":
		a.Detail = "added"
	case email == "":
		a.Detail = "removed"
	}
	return s.audit.Add(tx, a)
}

// SetPassword stores a new password hash and revokes the user's sessions except keep ("": all). was is the hash that is replaced, "" any:
// Forbidden if another one was set meanwhile. NotFound.
func (s *Store) SetPassword(ctx context.Context, id chat.UserID, was, hash string, keep chat.SessionID) error {
	return s.d.Tx(ctx, "set password", db.Repeatable, func(tx db.Tx) error {
		has, _, err := lockUser(tx, id)
		if err == nil {
			err = living(tx, id)
		}
		switch {
		case err != nil:
			return err
		case has == hash: // again: the answer was lost
		case was != "" && was != has:
			return chat.E(chat.Forbidden, "the old password is wrong")
		}
		if err := setUser(tx, id, "password_hash", hash); err != nil {
			return err
		}
		if err := s.audit.Add(tx, chat.Act{Kind: chat.ActPassword, User: id}); err != nil {
			return err
		}
		return s.revokeAll(tx, id, keep, false)
	})
}

// Rehash replaces the hash was by another one of the same password; sessions stay. It does nothing when the user has
// another hash by now: a password that was set meanwhile stands.
func (s *Store) Rehash(ctx context.Context, id chat.UserID, was, hash string) error {
	return s.d.Retry(ctx, "rehash", func(tx db.Tx) error {
		return tx.Exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?", hash, id, was).Error
	})
}

// DisableUser shuts an account: its sessions end, its sockets close. NotFound.
func (s *Store) DisableUser(ctx context.Context, id chat.UserID) error {
	now := s.d.Now()
	return s.d.Tx(ctx, "disable user", db.Repeatable, func(tx db.Tx) error {
		if err := setUser(tx, id, "status", chat.Disabled); err != nil {
			return err
		}
		if err := s.audit.Add(tx, chat.Act{Kind: chat.ActDisabled, User: id}); err != nil {
			return err
		}
		if err := s.hooks.AddUser(tx, id, chat.WebhookUserDisabled, now); err != nil {
			return err
		}
		return s.revokeAll(tx, id, "", true)
	})
}

// EnableUser opens a disabled account again; its old sessions stay ended. NotFound; Conflict if it was emptied.
func (s *Store) EnableUser(ctx context.Context, id chat.UserID) error {
	now := s.d.Now()
	return s.d.Tx(ctx, "enable user", db.Repeatable, func(tx db.Tx) error {
		if _, _, err := lockUser(tx, id); err != nil {
			return err
		}
		if err := living(tx, id); err != nil {
			return err
		}
		if err := setUser(tx, id, "status", chat.Active); err != nil {
			return err
		}
		if err := s.hooks.AddUser(tx, id, chat.WebhookUserEnabled, now); err != nil {
			return err
		}
		return s.audit.Add(tx, chat.Act{Kind: chat.ActEnabled, User: id})
	})
}

// setUser stores one column; rows that match count even if nothing changes.
func setUser(tx db.Tx, id chat.UserID, col string, v any) error {
	res := tx.Table("users").Where("id = ?", id).UpdateColumn(col, v)
	if res.Error == nil && res.RowsAffected == 0 {
		return noUser()
	}
	return res.Error
}

// LastSeen returns when each of the users was last online, without those who never were.
func (s *Store) LastSeen(ctx context.Context, users []chat.UserID) (map[chat.UserID]time.Time, error) {
	var us []chat.User
	err := s.d.Retry(ctx, "read last seen", func(tx db.Tx) (err error) {
		us, err = table.LastSeen.Find(tx.Where("id IN ? AND last_seen IS NOT NULL", db.SortedIDs(users)))
		return err
	})
	seen := make(map[chat.UserID]time.Time, len(us))
	for _, u := range us {
		seen[u.ID] = u.LastSeen
	}
	return seen, err
}

// SawUsers records when users were last online, in one statement; a time never goes back.
func (s *Store) SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error {
	if len(at) == 0 {
		return nil
	}
	ids := db.SortedIDs(slices.Collect(maps.Keys(at)))
	var q db.Statement
	q.Add("UPDATE users SET last_seen = GREATEST(COALESCE(last_seen, '1970-01-01'), CASE id")
	for _, id := range ids {
		q.Add(" WHEN ? THEN ?", id, db.Micros(at[id]))
	}
	q.Add(" END) WHERE id IN (")
	db.List(&q, ids)
	q.Add(")")
	return s.d.Retry(ctx, "record last seen", func(tx db.Tx) error {
		_, err := q.Exec(tx)
		return err
	})
}
