package rooms

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

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
