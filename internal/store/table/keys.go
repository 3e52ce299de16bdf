package table

import (
	"database/sql/driver"
	"strings"

	"chat-service/internal/chat"
)

// Keys are those of the application's backend.
var Keys = define("api_keys", "k",
	Column[chat.Key]{Name: "id", Cell: func(k *chat.Key) Cell { return (*text)(&k.ID) }},
	Column[chat.Key]{Name: "hash", Cell: func(k *chat.Key) Cell { return (*digest)(&k.Hash) }},
	Column[chat.Key]{Name: "name", Cell: func(k *chat.Key) Cell { return (*text)(&k.Name) }},
	Column[chat.Key]{Name: "scopes", Cell: func(k *chat.Key) Cell { return (*scopes)(&k.Scopes) }},
	Column[chat.Key]{Name: "created_at", Cell: func(k *chat.Key) Cell { return (*moment)(&k.CreatedAt) }},
	Column[chat.Key]{Name: "expires_at", Cell: func(k *chat.Key) Cell { return (*moment)(&k.ExpiresAt) }},
	Column[chat.Key]{Name: "last_used_at", Cell: func(k *chat.Key) Cell { return (*moment)(&k.LastUsedAt) }},
	Column[chat.Key]{Name: "revoked_at", Cell: func(k *chat.Key) Cell { return (*moment)(&k.RevokedAt) }},
)

// scopes are joined by commas.
type scopes []chat.Scope

// Scan implements sql.Scanner.
func (s *scopes) Scan(src any) error {
	var joined string
	if err := scanText(&joined, src); err != nil {
		return err
	}
	*s = nil
	for part := range strings.SplitSeq(joined, ",") {
		if part != "" {
			*s = append(*s, chat.Scope(part))
		}
	}
	return nil
}

// Value implements driver.Valuer.
func (s *scopes) Value() (driver.Value, error) {
	names := make([]string, len(*s))
	for i, x := range *s {
		names[i] = string(x)
	}
	return strings.Join(names, ","), nil
}
