package changes

import (
	"strconv"
	"strings"

	"chat-service/internal/chat"
)

// reactors names the list of those who set a reaction, in the sums of its cursors.
const reactors = "reactors"

// cursorOf writes a place in the list of reactors as an opaque string, with a sum by which a changed one is known.
func cursorOf(c chat.ChangeSeq) string {
	place := strconv.FormatUint(uint64(c), 36)
	return place + "." + chat.CursorSum(reactors, place)
}

// parseCursor reads what cursorOf wrote; 0 for the empty cursor.
func parseCursor(s string) (chat.ChangeSeq, error) {
	if s == "" {
		return 0, nil
	}
	place, _, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(place, 36, 64)
	if err != nil || n > chat.MaxID || s != cursorOf(chat.ChangeSeq(n)) {
		return 0, chat.BadCursor()
	}
	return chat.ChangeSeq(n), nil
}
