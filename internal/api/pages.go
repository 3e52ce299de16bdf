package api

import (
	"strconv"
	"strings"

	"chat-service/internal/chat"
)

// idCursor reads the cursor of a list by id: 0 for the first page.
func idCursor(cursor string) (uint64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(cursor, "i"), 36, 64)
	if err != nil || n == 0 || n > chat.MaxID || writeIDCursor(n) != cursor {
		return 0, chat.BadField("cursor", "is not a next_cursor that a list returned")
	}
	return n, nil
}

// writeIDCursor is the cursor after the item with an id. It doesn't look like a number, so that clients don't
// count on.
func writeIDCursor(id uint64) string { return "i" + strconv.FormatUint(id, 36) }

// cut shortens a list that was read one longer than limit, and makes the cursor of the next page if there is one.
func cut[T any](list []T, limit int, id func(T) chat.UserID) ([]T, *string) {
	if len(list) <= limit {
		return list, nil
	}
	list = list[:limit]
	return list, orNull(writeIDCursor(uint64(id(list[limit-1]))))
}

// orNull is null in JSON for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
