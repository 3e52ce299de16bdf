package rooms

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"chat-service/internal/chat"
)

// cursorOf writes a keyset position (a time and an id) of a list as an opaque string, with a sum by which a changed one, or one of
// another list, is known. It is no secret: whoever computes one by themselves begins where they like in what they may see anyway.
func cursorOf(list string, t time.Time, id uint64) string {
	place := position(t, id)
	return base64.RawURLEncoding.EncodeToString([]byte(place + "." + sum(list, place)))
}

func position(t time.Time, id uint64) string { return fmt.Sprintf("%d.%d", t.UnixMicro(), id) }

func sum(list, place string) string {
	h := sha256.Sum256([]byte(list + ":" + place))
	return hex.EncodeToString(h[:6])
}

// parseCursor reads what cursorOf wrote for the list; ok is false for the empty cursor. Those of release 0.1 have no sum, and still
// count: its processes may run beside.
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
	place := position(t, id)
	written := base64.RawURLEncoding.EncodeToString(raw) == s // the decoder skips line breaks
	if text := string(raw); err != nil || !written || us < 0 || us > maxMicros || text != place && text != place+"."+sum(list, place) {
		return time.Time{}, 0, false, chat.BadField("cursor", "was not given by this server")
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
