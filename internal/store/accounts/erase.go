package accounts

import (
	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/db"
	"chat-service/internal/store/table"
)

// Empty shuts an account for good and takes from it whose it was: names, address, picture, password, and where sessions came from. The row
// stays, because messages and members name it. again: it was empty already. NotFound.
func (s *Store) Empty(tx db.Tx, id chat.UserID) (again bool, err error) {
	if _, _, err := lockUser(tx, id); err != nil {
		return false, err
	}
	if again, err = erased(tx, id); err != nil || again {
		return again, err
	}
	u := chat.User{ID: id, Username: chat.ErasedUsername(id), Nickname: chat.ErasedName, Status: chat.Disabled}
	cols := table.Users.Only("username", "skeleton", "nickname", "nickname_key", "email", "avatar_url", "password_hash", "status", "last_seen").Map(&u)
	cols["erased_at"] = s.d.Now()
	if err := tx.Table("users").Where("id = ?", id).Updates(cols).Error; err != nil {
		return false, taken(err)
	}
	if err := s.audit.Add(tx, chat.Act{Kind: chat.ActErased, User: id}); err != nil {
		return false, err
	}
	if err := s.hooks.AddUser(tx, id, chat.WebhookUserDisabled, s.d.Now()); err != nil {
		return false, err
	}
	if err := s.revokeAll(tx, id, "", true); err != nil {
		return false, err
	}
	// The sessions' rows stay until they are swept: what was sent by one is judged by them.
	if err := tx.Exec("UPDATE sessions SET device = '', ip = '', origin = NULL WHERE user_id = ?", id).Error; err != nil {
		return false, err
	}
	shown, err := table.People.Find(tx.Where("id = ?", id))
	if err != nil || len(shown) == 0 {
		return false, err
	}
	return false, s.outbox.Add(tx, envelope.Announcement{Profile: &shown[0]})
}

// Forget takes away by what ids of the application and of its issuers an account was found, and what was set aside of its user's commands.
func (s *Store) Forget(tx db.Tx, id chat.UserID) error {
	err := tx.Exec("DELETE FROM identities WHERE user_id = ?", id).Error
	if err == nil {
		err = tx.Exec("DELETE FROM dead_commands WHERE user_id = ?", id).Error
	}
	return err
}

// erased reports whether an account was emptied.
func erased(tx db.Tx, id chat.UserID) (is bool, err error) {
	var n int64
	err = tx.Table("users").Where("id = ? AND erased_at IS NOT NULL", id).Count(&n).Error
	return n > 0, err
}

// living is Conflict for an account that was emptied: nothing is put into it again.
func living(tx db.Tx, id chat.UserID) error {
	gone, err := erased(tx, id)
	if err == nil && gone {
		err = chat.E(chat.Conflict, "the user was erased")
	}
	return err
}
