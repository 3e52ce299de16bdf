package rooms

import (
	"encoding/base64"
	"fmt"
	"time"

	"chat-service/internal/chat"
)

// cursorOf writes a keyset position (a time and an id) as an opaque string.
func cursorOf(t time.Time, id uint64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", t.UnixMicro(), id))
}

// parseCursor reads what cursorOf wrote; ok is false for the empty cursor.
func parseCursor(s string) (t time.Time, id uint64, ok bool, err error) {
	if s == "" {
		return time.Time{}, 0, false, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	var us int64
	if err == nil {
		_, err = fmt.Sscanf(string(raw), "%d.%d", &us, &id)
	}
	if err != nil || us < 0 || us > maxMicros {
		return time.Time{}, 0, false, chat.BadField("cursor", "was not given by this server")
	}
	return time.UnixMicro(us).UTC(), id, true, nil
}

// maxMicros is the end of the year 9999, the last that DATETIME holds.
const maxMicros = 253402300799999999
