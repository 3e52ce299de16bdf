package rooms

import (
	"encoding/base64"
	"fmt"
	"time"

	"chat-service/internal/chat"
)

// cursorOf writes a keyset position (a time and an id) of a list as an opaque string, with a sum by which a changed one, or one of
// another list, is known.
//
// The zero in front keeps what is left of a cut one from being one of release 0.1, which had no sum; that release reads over it.
func cursorOf(list string, t time.Time, id uint64) string {
	place := "0" + position(t, id)
	return base64.RawURLEncoding.EncodeToString([]byte(place + "." + chat.CursorSum(list, place)))
}

func position(t time.Time, id uint64) string { return fmt.Sprintf("%d.%d", t.UnixMicro(), id) }

// parseCursor reads what cursorOf wrote for the list; ok is false for the empty cursor. Those of release 0.1 still count: clients hold
// them, and its processes may run beside.
func parseCursor(list, s string) (t time.Time, id uint64, ok bool, err error) {
	if s == "" {
		return time.Time{}, 0, false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	var us int64
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%d.%d", &us, &id)
	}
	t = time.UnixMicro(us).UTC()
	old := base64.RawURLEncoding.EncodeToString([]byte(position(t, id)))
	if err != nil || us < 0 || us > maxMicros || id > chat.MaxID || s != old && s != cursorOf(list, t, id) {
		return time.Time{}, 0, false, chat.BadCursor()
	}
	return t, id, true, nil
}

// The lists that have cursors.
const (
	ownRooms    = "own"
	publicRooms = "public"
)

// maxMicros is the end of the year 9999, the last that DATETIME holds.
const maxMicros = 253402300799999999
