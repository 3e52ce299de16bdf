package api

import (
	"errors"
	"reflect"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

// TestIDCursors: what a list by id returned is read again; anything changed, cut, added or of another list isn't; those of release 0.1,
// which have no sum, still are.
func TestIDCursors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint64Range(1, chat.MaxID).Draw(t, "id")
		good := writeIDCursor(listUsers, id)
		if n, err := idCursor(listUsers, good); err != nil || n != id {
			t.Fatalf("%q is %d, %v, want %d", good, n, err, id)
		}
		refused := func(what, cursor string) {
			if n, err := idCursor(listUsers, cursor); cursor != good && !errors.Is(err, chat.ErrCursor) {
				t.Fatalf("%s: %q is taken, as %d: %v", what, cursor, n, err)
			}
		}
		at := rapid.IntRange(0, len(good)-1).Draw(t, "at")
		letter := rapid.StringMatching(`[0-9a-hj-z.A-Z =+-]`).Draw(t, "letter") // an i in front would make one of release 0.1
		refused("changed", good[:at]+letter+good[at+1:])
		refused("added", good[:at]+letter+good[at:])
		refused("added", good+letter)
		refused("cut out", good[:at]+good[at+1:])
		if at > 0 {
			refused("cut", good[:at])
		}
		refused("another list's", writeIDCursor(listMembers, id))
	})
	for cursor, want := range map[string]uint64{"i1": 1, "izz": 1295, "": 0} {
		if n, err := idCursor(listMembers, cursor); err != nil || n != want {
			t.Errorf("%q is %d, %v, want %d", cursor, n, err, want)
		}
	}
	for _, bad := range []string{"i", "i0", "i01", "I1", "1", "c1", "c1.", "i+1", "i1.", "i2gosa7pa2gw0000"} {
		if n, err := idCursor(listUsers, bad); !errors.Is(err, chat.ErrCursor) {
			t.Errorf("%q is taken, as %d: %v", bad, n, err)
		}
	}
}

// tag is a tag of a body's field.
func tag(t *testing.T, body any, field, key string) string {
	t.Helper()
	f, ok := reflect.TypeOf(body).FieldByName(field)
	if !ok {
		t.Fatalf("%T has no field %s", body, field)
	}
	return f.Tag.Get(key)
}

// TestRowsAreTheRules: what rows of bodies say again in the words of JSON Schema is what the rules say.
func TestRowsAreTheRules(t *testing.T) {
	pattern := regexp.MustCompile(tag(t, MessageBody{}, "ClientMsgID", "pattern"))
	if low, high := tag(t, MessageBody{}, "ClientMsgID", "minLength"), tag(t, MessageBody{}, "ClientMsgID", "maxLength"); low != "1" || high != "36" {
		t.Errorf("client_msg_id has %s to %s characters", low, high)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.StringN(1, 36, 36), rapid.StringMatching(`[ -~]{1,36}`), rapid.StringMatching(`[A-Za-z0-9._:-]{1,36}`)).Draw(t, "id")
		if fits, err := pattern.MatchString(id), chat.CheckClientMsgID(id); fits != (err == nil) {
			t.Fatalf("%q fits the pattern: %v, is refused: %v", id, fits, err)
		}
	})
	if got, want := tag(t, MemberPatchBody{}, "MuteSeconds", "maximum"), "315359999"; got != want || maxMute != 315_360_000*time.Second {
		t.Errorf("mute_seconds goes to %s, and a mute to %s", got, maxMute)
	}
}
