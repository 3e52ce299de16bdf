package store

import (
	"context"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

// searchKey is the form in which names are compared: NFKC, lower case, trimmed.
func searchKey(s string) string {
	return clip(strings.ToLower(strings.TrimSpace(norm.NFKC.String(s))), 128)
}

// clip cuts s to n characters: NFKC can make one character many, and a key needs no tail.
func clip(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func noUser() error { return chat.E(chat.NotFound, "no such user") }

// taken turns a violated unique key into the kind that names it.
func taken(err error) error {
	switch {
	case db.Duplicate(err, "users_username"):
		return chat.Wrap(chat.UsernameTaken, err, "the username is taken")
	case db.Duplicate(err, "users_email"):
		return chat.Wrap(chat.EmailTaken, err, "the email address is in use")
	}
	return err
}

// CreateUser stores an account and returns it with its id. Username and email come normalised; Status and CreatedAt
// are set here where they are zero. UsernameTaken, EmailTaken.
func (d *DB) CreateUser(ctx context.Context, u chat.User) (chat.User, error) {
	row := userRow{
		Username: u.Username, Nickname: u.Nickname, NicknameKey: searchKey(u.Nickname), AvatarURL: u.AvatarURL,
		PasswordHash: u.PasswordHash, Status: u.Status, CreatedAt: micros(u.CreatedAt),
	}
	if u.Email != "" {
		row.Email = &u.Email
	}
	setDefault(&row.Status, chat.Active)
	if u.CreatedAt.IsZero() {
		row.CreatedAt = d.Now()
	}
	err := d.Tx(ctx, "create user", db.Repeatable, func(tx db.Tx) error {
		row.ID = 0
		return taken(tx.Create(&row).Error)
	})
	if k := chat.KindOf(err); k == chat.UsernameTaken || k == chat.EmailTaken {
		// A lost COMMIT may have made it: a password hash is salted, so an equal one is our own row.
		if have, e := d.UserByLogin(ctx, u.Username); e == nil && u.PasswordHash != "" && have.PasswordHash == u.PasswordHash {
			return have, nil
		}
	}
	if err != nil {
		return chat.User{}, err
	}
	return row.user(), nil
}

// UserByLogin finds an account by its normalised username or email. Usernames can't hold an @. NotFound.
func (d *DB) UserByLogin(ctx context.Context, login string) (chat.User, error) {
	if strings.Contains(login, "@") {
		return d.oneUser(ctx, "email = ?", login)
	}
	return d.oneUser(ctx, "username = ?", login)
}

// User returns an account, disabled ones too. NotFound.
func (d *DB) User(ctx context.Context, id chat.UserID) (chat.User, error) {
	return d.oneUser(ctx, "id = ?", id)
}

func (d *DB) oneUser(ctx context.Context, where string, arg any) (chat.User, error) {
	var rows []userRow
	err := d.Retry(ctx, "read user", func(tx db.Tx) error { return tx.Where(where, arg).Limit(1).Find(&rows).Error })
	if err == nil && len(rows) == 0 {
		err = noUser()
	}
	if err != nil {
		return chat.User{}, err
	}
	return rows[0].user(), nil
}

// Users returns those of the accounts that exist, by ascending id.
func (d *DB) Users(ctx context.Context, ids []chat.UserID) ([]chat.User, error) {
	ids = db.SortedIDs(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []userRow
	err := d.Retry(ctx, "read users", func(tx db.Tx) error { return tx.Where("id IN ?", ids).Order("id").Find(&rows).Error })
	return usersOf(rows), err
}

func usersOf(rows []userRow) []chat.User {
	us := make([]chat.User, len(rows))
	for i, r := range rows {
		us[i] = r.user()
	}
	return us
}

// SearchUsers returns active accounts whose username or nickname begins with prefix (any case), by ascending id after
// the given one, at most limit.
func (d *DB) SearchUsers(ctx context.Context, prefix string, after chat.UserID, limit int) ([]chat.User, error) {
	like := likePrefix(searchKey(prefix))
	var rows []userRow
	err := d.Retry(ctx, "find users", func(tx db.Tx) error {
		return tx.Where("id > ? AND status = ? AND (username LIKE ? OR nickname_key LIKE ?)", after, chat.Active, like, like).
			Order("id").Limit(limit).Find(&rows).Error
	})
	return usersOf(rows), err
}

// UpdateUser changes an account's profile and returns it. NotFound, EmailTaken.
func (d *DB) UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error) {
	cols := map[string]any{}
	if p.Nickname != nil {
		cols["nickname"], cols["nickname_key"] = *p.Nickname, searchKey(*p.Nickname)
	}
	if p.AvatarURL != nil {
		cols["avatar_url"] = *p.AvatarURL
	}
	if p.Email != nil {
		cols["email"] = nil
		if *p.Email != "" {
			cols["email"] = *p.Email
		}
	}
	if len(cols) > 0 {
		err := d.Tx(ctx, "update user", db.Repeatable, func(tx db.Tx) error {
			return taken(tx.Model(&userRow{}).Where("id = ?", id).Updates(cols).Error)
		})
		if err != nil {
			return chat.User{}, err
		}
	}
	return d.User(ctx, id)
}

// SetPassword stores a new password hash and revokes the user's sessions except keep ("": all). NotFound.
func (d *DB) SetPassword(ctx context.Context, id chat.UserID, hash string, keep chat.SessionID) error {
	return d.Tx(ctx, "set password", db.Repeatable, func(tx db.Tx) error {
		if err := setUser(tx, id, "password_hash", hash); err != nil {
			return err
		}
		return d.revokeAll(tx, id, keep, false)
	})
}

// Rehash replaces the hash was by another one of the same password; sessions stay. It does nothing where the user has
// another hash by now: a password that was set meanwhile stands.
func (d *DB) Rehash(ctx context.Context, id chat.UserID, was, hash string) error {
	return d.Retry(ctx, "rehash", func(tx db.Tx) error {
		return tx.Exec("UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ?", hash, id, was).Error
	})
}

// DisableUser shuts an account: its sessions end, its sockets close. NotFound.
func (d *DB) DisableUser(ctx context.Context, id chat.UserID) error {
	return d.Tx(ctx, "disable user", db.Repeatable, func(tx db.Tx) error {
		if err := setUser(tx, id, "status", chat.Disabled); err != nil {
			return err
		}
		return d.revokeAll(tx, id, "", true)
	})
}

// EnableUser opens a disabled account again; its old sessions stay ended. NotFound.
func (d *DB) EnableUser(ctx context.Context, id chat.UserID) error {
	return d.Tx(ctx, "enable user", db.Repeatable, func(tx db.Tx) error { return setUser(tx, id, "status", chat.Active) })
}

// setUser stores one column; rows that match count even where nothing changes.
func setUser(tx db.Tx, id chat.UserID, col string, v any) error {
	res := tx.Model(&userRow{}).Where("id = ?", id).UpdateColumn(col, v)
	if res.Error == nil && res.RowsAffected == 0 {
		return noUser()
	}
	return res.Error
}

// SharesRoom returns which of others are in a room with the user, ascending; he himself always is.
func (d *DB) SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error) {
	others = db.SortedIDs(others)
	if len(others) == 0 {
		return nil, nil
	}
	var ids []chat.UserID
	err := d.Retry(ctx, "read shared rooms", func(tx db.Tx) error {
		return tx.Raw("SELECT DISTINCT b.user_id FROM members a JOIN members b ON b.room_id = a.room_id AND b.left_seq = 0"+
			" WHERE a.user_id = ? AND a.left_seq = 0 AND b.user_id IN ?", user, others).Scan(&ids).Error
	})
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		if o == user {
			ids = append(ids, user)
		}
	}
	return db.SortedIDs(ids), nil
}

// LastSeen returns when each of the users was last online, without those who never were.
func (d *DB) LastSeen(ctx context.Context, users []chat.UserID) (map[chat.UserID]time.Time, error) {
	users = db.SortedIDs(users)
	var rows []userRow
	err := d.Retry(ctx, "read last seen", func(tx db.Tx) error {
		return tx.Select("id, last_seen").Where("id IN ? AND last_seen IS NOT NULL", users).Find(&rows).Error
	})
	seen := make(map[chat.UserID]time.Time, len(rows))
	for _, r := range rows {
		seen[r.ID] = at(r.LastSeen)
	}
	return seen, err
}

// SawUsers records when users were last online, in one statement; a time never goes back.
func (d *DB) SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error {
	if len(at) == 0 {
		return nil
	}
	ids := make([]chat.UserID, 0, len(at))
	for id := range at {
		ids = append(ids, id)
	}
	ids = db.SortedIDs(ids)
	var q db.Statement
	q.Add("UPDATE users SET last_seen = GREATEST(COALESCE(last_seen, '1970-01-01'), CASE id")
	for _, id := range ids {
		q.Add(" WHEN ? THEN ?", id, micros(at[id]))
	}
	q.Add(" END) WHERE id IN (")
	for i, id := range ids {
		q.Add(db.Comma(i)+"?", id)
	}
	q.Add(")")
	return d.Retry(ctx, "record last seen", func(tx db.Tx) error {
		_, err := q.Exec(tx)
		return err
	})
}
