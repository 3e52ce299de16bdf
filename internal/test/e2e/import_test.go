//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// TestImportBesideALivingService: what is imported while the service runs is there for those who come, and for those who are connected
// as soon as something happens in the room; it counts as read.
func TestImportBesideALivingService(t *testing.T) {
	t.Parallel()
	w := shared(t)
	tag := strings.ReplaceAll(fresh(), ".", "-")
	var lines []string
	for _, name := range []string{"ann", "bob"} {
		lines = append(lines, fmt.Sprintf(`{"type":"user","id":"%s-%s","nickname":%q,"username":"%s-%s"}`, tag, name, name, tag, name))
	}
	lines = append(lines, fmt.Sprintf(`{"type":"room","id":"%s","name":"Imported","kind":"group","owner":"%s-ann","members":["%s-bob"]}`, tag, tag, tag))
	say := func(n int) string {
		at := time.Date(2020, 1, 1, 0, 0, n, 0, time.UTC).Format(time.RFC3339)
		return fmt.Sprintf(`{"type":"message","room":"%s","id":"%d","sender":"%s-bob","at":%q,"content":"imported %d"}`, tag, n, tag, at, n)
	}
	bring := func(from, to int) {
		t.Helper()
		for n := from; n < to; n++ {
			lines = append(lines, say(n))
		}
		path := filepath.Join(t.TempDir(), "import.jsonl")
		testkit.WriteFile(t, path, strings.Join(lines, "\n"))
		w.Chatctl(t, "import", path)
	}
	bring(0, 150)
	var us []user
	for _, name := range []string{"-ann", "-bob"} {
		password := strings.TrimSpace(w.Chatctl(t, "user", "password", "name:"+tag+name))
		us = append(us, w.api.Login(t, tag+name, password, "phone"))
	}
	ann := testkit.Dial(t, w.WS(1), us[0].Token)
	room := ann.Welcome(t).List("rooms")[0]
	if room.Num("unread") != 0 || room.Num("last_seq") != 151 || room.Num("read_seq") != 151 {
		t.Errorf("the imported room: %s", room)
	}
	id := room.Num("id")
	bring(150, 650)
	live := w.post(t, us[1], id, "live")
	if live != 652 {
		t.Errorf("what was written live has seq %d", live)
	}
	ann.Expect(t, testkit.Any(is("message", "content", "live"), is("head", "room_id", id, "last_seq", live), is("resync", "room_id", id)))
	all := w.api.History(t, us[0], id)
	if len(all) != int(live) {
		t.Fatalf("the room has %d entries, want %d", len(all), live)
	}
	for i, m := range all {
		want := fmt.Sprintf("imported %d", i-1)
		if i == len(all)-1 {
			want = "live"
		}
		if m.Num("seq") != uint64(i+1) || i > 0 && m.Str("content") != want {
			t.Errorf("entry %d: %s, want %q", i, m, want)
		}
	}
	if n := w.api.Must(t, 200, "GET", roomPath(id, ""), us[0].Token, nil).Num("unread"); n != 1 {
		t.Errorf("%d messages are unread, want what was written live", n)
	}
}
