package server

import (
	"strconv"
	"strings"

	"chat-service/internal/chat"
)

// The lists by id, as their cursors know them.
const (
	ListUsers    = "users"
	ListMembers  = "members"
	ListAttempts = "attempts"
	ListReplays  = "replays"
	ListActs     = "acts"
)

// IDCursor reads the cursor of a list by id: 0 for the first page. Those of release 0.1 have no sum, and still count: clients hold them.
func IDCursor(list, cursor string) (uint64, error) {
	if cursor == "" {
		return 0, nil
	}
	old, isOld := strings.CutPrefix(cursor, "i")
	place, _, _ := strings.Cut(strings.TrimPrefix(cursor, "c"), ".")
	if isOld {
		place = old
	}
	n, err := strconv.ParseUint(place, 36, 64)
	canonical := isOld && cursor == "i"+strconv.FormatUint(n, 36) || cursor == WriteIDCursor(list, n)
	if err != nil || n == 0 || n > chat.MaxID || !canonical {
		return 0, chat.BadCursor()
	}
	return n, nil
}

// WriteIDCursor is the cursor after the item with an id of a list. It doesn't look like a number, so that clients don't count on.
func WriteIDCursor(list string, id uint64) string {
	place := strconv.FormatUint(id, 36)
	return "c" + place + "." + chat.CursorSum(list, place)
}

// Cut shortens a list that was read one longer than limit, and makes the cursor of the next page if there is one.
func Cut[T any, ID ~uint64](list string, items []T, limit int, id func(T) ID) ([]T, *string) {
	if len(items) <= limit {
		return items, nil
	}
	items = items[:limit]
	return items, OrNull(WriteIDCursor(list, uint64(id(items[limit-1]))))
}

// OrNull is null in JSON for an empty text.
func OrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
