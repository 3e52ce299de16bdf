//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestNamesThatMislead (G11): names that can't be seen, that turn the direction of text or that mix scripts are refused, and so are those
// that look like a name that is taken; what is shown of a room or a person is visible.
func TestNamesThatMislead(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "POST /auth/register", "code username_taken", "PATCH /me", "POST /rooms")
	register := func(name string) obj { return obj{"username": name, "password": "123456"} }
	for _, name := range []string{
		"ann\u200b", "\u200bann", "ann\u200d", "\u3164\u3164", "ann\u3164", "ann\u202eb", "ann\u2066b", "\ufeffann", "ann\u00ad",
		"\u0430dmin", "p\u0430ypal", "\u03b1dmin", "..", "--", "._-", "me", "ME", "\uff4d\uff45", "\U000e0061ann", "\u2800\u2800",
	} {
		refused(t, w.api, want{422, "invalid", "username"}, "POST", "/auth/register", "", register(name))
	}
	latin := "scope." + freshNumber()
	w.api.Must(t, 201, "POST", "/auth/register", "", register(latin))
	tail := strings.TrimPrefix(latin, "scope")
	for _, name := range []string{latin, strings.ToUpper(latin), "\uff53cope" + tail, "\u0455\u0441\u043e\u0440\u0435" + tail} {
		refused(t, w.api, want{409, "username_taken", ""}, "POST", "/auth/register", "", register(name))
	}
	one := "mira1." + freshNumber()
	w.api.Must(t, 201, "POST", "/auth/register", "", register(one))
	refused(t, w.api, want{409, "username_taken", ""}, "POST", "/auth/register", "", register(strings.Replace(one, "mira1", "rniral", 1)))
	for _, name := range []string{"張偉", "иван", "たなかタロウ", "김철수", "محمد"} {
		w.api.Must(t, 201, "POST", "/auth/register", "", register(name+"-"+freshNumber()))
	}
	u := w.api.User(t)
	for _, blank := range []string{"\u200b", "\u3164", "\u202e", " \u2800 ", "x\u202ey", "\u2028"} {
		refused(t, w.api, want{422, "invalid", "nickname"}, "PATCH", "/me", u.Token, obj{"nickname": blank})
		refused(t, w.api, want{422, "invalid", "name"}, "POST", "/rooms", u.Token, obj{"type": "group", "name": blank})
	}
	room := w.api.CreateRoom(t, u)
	s := w.dial(t, 1, u)
	for _, blank := range []string{"\u200b", "\u3164\u3164", "\u202e", " \t\u00a0\n", "\u2800", "\u00ad", "\ufe0f", "\u200d\u200d", "\U000e0020"} {
		refused(t, w.api, want{422, "invalid", "content"}, "POST", roomPath(room, "/messages"), u.Token, obj{"content": blank})
		id := fresh()
		refusal(t, s, "invalid", id, obj{"type": "message", "room_id": room, "content": blank, "client_msg_id": id})
	}
	for _, text := range []string{"👩\u200d👩\u200d👧", "❤\ufe0f", "\u202b\u05d0\u202c", "ﷺ", "."} { // what people write stays as it is
		id := fresh()
		s.Send(t, obj{"type": "message", "room_id": room, "content": text, "client_msg_id": id})
		seq := s.Expect(t, is("ack", "client_msg_id", id)).Num("seq")
		page := w.api.Must(t, 200, "GET", fmt.Sprintf("/rooms/%d/messages?after_seq=%d&limit=1", room, seq-1), u.Token, nil)
		if got := page.List("messages")[0].Str("content"); got != text {
			t.Errorf("%q has become %q", text, got)
		}
	}
}

// TestOldNames (G11): accounts that are older than the rules, or that a process of the release before makes, work on, also where two look
// alike; from the moment on at which they are known, nobody else can look like them.
func TestOldNames(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /auth/login", "code username_taken")
	tail := freshNumber()
	names := []string{"mapl." + tail, "m\u0430pl." + tail, "map1." + tail, "..." + tail}
	known := w.api.User(t)
	for i, name := range names { // as the release before does: without a skeleton
		w.exec(t, `INSERT INTO users (username, nickname, nickname_key, password_hash, status, created_at)
			SELECT ?, 'old', 'old', password_hash, status, created_at FROM users WHERE id = ?`, name, known.ID)
		w.api.Login(t, name, known.Password, fmt.Sprint("before ", i))
	}
	w.Migrate(t) // or a worker, within a minute
	if n := w.number(t, "SELECT COUNT(*) FROM users WHERE skeleton IS NULL AND nickname = 'old'"); n != 0 {
		t.Errorf("%d accounts have no skeleton", n)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM users WHERE username IN (?, ?, ?) AND ORD(skeleton) = 255", names[0], names[1], names[2]); n != 2 {
		t.Errorf("%d of three accounts that look alike have given way, want two", n)
	}
	for i, name := range names {
		u := w.api.Login(t, name, known.Password, fmt.Sprint("after ", i))
		w.dial(t, 1, u).Ping(t)
	}
	for _, name := range []string{"rnapl." + tail, "rnap1." + tail} {
		refused(t, w.api, want{409, "username_taken", ""}, "POST", "/auth/register", "", obj{"username": name, "password": "123456"})
	}
}

// freshNumber is unused, and a part of a name that goes with every script.
func freshNumber() string { return strings.TrimPrefix(fresh(), "e2e.") }
