//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"chat-service/internal/test/testkit"
)

func messagePath(room, seq uint64, rest string) string {
	return fmt.Sprintf("/rooms/%d/messages/%d%s", room, seq, rest)
}

func reactionPath(room, seq uint64, key string) string {
	return messagePath(room, seq, "/reactions/"+url.PathEscape(key))
}

// TestEditByREST: the author edits, with a version if they like; everybody sees the present text, the author and admins what it was.
func TestEditByREST(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "PATCH /rooms/{room_id}/messages/{seq}", "GET /rooms/{room_id}/messages/{seq}", "GET /rooms/{room_id}/messages/{seq}/versions", "message fields")
	bad(t, "PATCH /rooms/{room_id}/messages/{seq}", "GET /rooms/{room_id}/messages/{seq}", "GET /rooms/{room_id}/messages/{seq}/versions", "code version_conflict")
	us := w.users(t, 3)
	room := w.api.CreateRoom(t, us[0], us[1])
	seq := w.post(t, us[1], room, "first")
	m := w.api.Must(t, 200, "PATCH", messagePath(room, seq, ""), us[1].Token, obj{"content": "second", "data": obj{"b": 1, "a": []int{2}}})
	if m.Str("content") != "second" || m.Num("version") != 2 || m.Num("change_seq") != 1 || !m.Has("edited_at") || m.Obj("data").String() != `{"a":[2],"b":1}` {
		t.Errorf("edited: %s", m)
	}
	if got := w.api.Must(t, 200, "GET", messagePath(room, seq, ""), us[0].Token, nil); got.String() != m.String() {
		t.Errorf("the other one sees %s, not %s", got, m)
	}
	if p := w.api.Must(t, 200, "GET", roomPath(room, "/messages"), us[0].Token, nil); p.Num("change_seq") != 1 || p.List("messages")[seq-1].String() != m.String() {
		t.Errorf("a page holds %s", p)
	}
	w.api.Must(t, 200, "PATCH", messagePath(room, seq, ""), us[1].Token, obj{"content": "third", "data": nil, "if_version": 2})
	for _, u := range us[:2] {
		vs := w.api.Must(t, 200, "GET", messagePath(room, seq, "/versions"), u.Token, nil).List("versions")
		if len(vs) != 2 || vs[0].Str("content") != "second" || vs[0].Num("version") != 2 || !vs[0].Has("data") || vs[1].Str("content") != "first" || vs[1].Has("data") {
			t.Errorf("versions %v", vs)
		}
	}
	for _, c := range []struct {
		want want
		u    user
		seq  uint64
		body any
	}{
		{want{409, "version_conflict", ""}, us[1], seq, obj{"content": "x", "if_version": 2}},
		{want{403, "forbidden", ""}, us[0], seq, obj{"content": "x"}},
		{want{403, "forbidden", ""}, us[0], 1, obj{"content": "x"}}, // a system message
		{want{404, "not_found", ""}, us[2], seq, obj{"content": "x"}},
		{want{404, "not_found", ""}, us[1], seq + 1, obj{"content": "x"}},
		{want{422, "invalid", "content"}, us[1], seq, obj{}},
		{want{422, "invalid", "content"}, us[1], seq, obj{"content": nil}}, // there is no data
		{want{422, "invalid", "content"}, us[1], seq, obj{"content": " "}},
		{want{422, "invalid", "data"}, us[1], seq, obj{"data": []int{}}},
		{want{422, "invalid", "data"}, us[1], seq, `{"data":` + strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 34)},
		{want{413, "too_large", ""}, us[1], seq, obj{"data": obj{"a": strings.Repeat("x", 8<<10)}}},
		{want{413, "too_large", ""}, us[1], seq, obj{"content": strings.Repeat("x", 16<<10+1)}},
		{want{400, "unknown_field", "pinned"}, us[1], seq, obj{"pinned": true}},
	} {
		refused(t, w.api, c.want, "PATCH", messagePath(room, c.seq, ""), c.u.Token, c.body)
	}
	refused(t, w.api, want{404, "not_found", ""}, "GET", messagePath(room, seq, ""), us[2].Token, nil)
	refused(t, w.api, want{400, "invalid", "seq"}, "GET", roomPath(room, "/messages/x"), us[0].Token, nil)
	other := w.post(t, us[0], room, "the owner's")
	refused(t, w.api, want{403, "forbidden", ""}, "GET", messagePath(room, other, "/versions"), us[1].Token, nil)
	if got := w.api.Must(t, 200, "GET", messagePath(room, seq, ""), us[0].Token, nil); got.Str("content") != "third" || got.Num("change_seq") != 2 {
		t.Errorf("refusals changed it: %s", got)
	}
}

// TestRecallByREST: a recalled message keeps its place, says nothing any more, anywhere, and counts for nobody.
func TestRecallByREST(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "DELETE /rooms/{room_id}/messages/{seq}", "code conflict")
	bad(t, "DELETE /rooms/{room_id}/messages/{seq}", "code conflict")
	us := w.users(t, 3)
	room := w.api.CreateRoom(t, us[0], us[1], us[2])
	id := fresh()
	seq := w.api.Must(t, 201, "POST", roomPath(room, "/messages"), us[1].Token, obj{"content": "secret", "client_msg_id": id, "data": obj{"s": "secret"}}).Num("seq")
	w.api.Must(t, 200, "PATCH", messagePath(room, seq, ""), us[1].Token, obj{"content": "secret too"})
	w.api.Must(t, 200, "PUT", reactionPath(room, seq, "👍"), us[0].Token, nil)
	refused(t, w.api, want{403, "forbidden", ""}, "DELETE", messagePath(room, seq, ""), us[2].Token, nil)
	refused(t, w.api, want{403, "forbidden", ""}, "DELETE", messagePath(room, 1, ""), us[0].Token, nil)
	unread := func(u user) uint64 {
		return w.api.Must(t, 200, "GET", "/unread", u.Token, nil).Obj("rooms").Num(fmt.Sprint(room))
	}
	if n := unread(us[2]); n != 1 {
		t.Errorf("%d unread before", n)
	}
	m := w.api.Must(t, 200, "DELETE", messagePath(room, seq, ""), us[0].Token, nil) // the owner
	if m.Obj("recalled").Num("by") != us[0].ID || m.Num("change_seq") != 3 {
		t.Errorf("recalled: %s", m)
	}
	if again := w.api.Must(t, 200, "DELETE", messagePath(room, seq, ""), us[1].Token, nil); again.Num("change_seq") != 3 {
		t.Errorf("recalled twice: %s", again)
	}
	if n := unread(us[2]); n != 0 {
		t.Errorf("%d unread after", n)
	}
	retry := w.api.Must(t, 200, "POST", roomPath(room, "/messages"), us[1].Token, obj{"content": "secret", "client_msg_id": id, "data": obj{"s": "secret"}})
	for what, f := range map[string]frame{
		"message": w.api.Must(t, 200, "GET", messagePath(room, seq, ""), us[2].Token, nil), "page": w.api.Must(t, 200, "GET", roomPath(room, "/messages"), us[2].Token, nil),
		"rooms": w.api.Must(t, 200, "GET", "/rooms", us[2].Token, nil), "versions": w.api.Must(t, 200, "GET", messagePath(room, seq, "/versions"), us[1].Token, nil),
		"recalled": m, "retried": retry,
	} {
		if s := f.String(); strings.Contains(s, "secret") || strings.Contains(s, "👍") {
			t.Errorf("%s still tells: %s", what, s)
		}
	}
	refused(t, w.api, want{409, "conflict", ""}, "PATCH", messagePath(room, seq, ""), us[1].Token, obj{"content": "x"})
	refused(t, w.api, want{409, "conflict", ""}, "PUT", reactionPath(room, seq, "x"), us[2].Token, nil)
	refused(t, w.api, want{409, "conflict", ""}, "PUT", messagePath(room, seq, "/pin"), us[0].Token, nil)
	if n := w.number(t, "SELECT COUNT(*) FROM messages WHERE room_id = ? AND seq = ? AND content = ''", room, seq); n != 1 {
		t.Error("the text is still in the database")
	}
}

// TestOnceByREST: what is asked again under a key is done once, whatever others did in between.
func TestOnceByREST(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "PATCH /rooms/{room_id}/messages/{seq}", "a change is done once")
	bad(t, "PATCH /rooms/{room_id}/messages/{seq}", "code idempotency_conflict")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	seq := w.post(t, us[0], room, "zero")
	ask := func(key, method, path string, body any) testkit.Response {
		t.Helper()
		r, err := w.api.CallWith(t.Context(), method, path, us[0].Token, body, http.Header{"Idempotency-Key": {key}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			if r := ask("k1", "PATCH", messagePath(room, seq, ""), obj{"content": "one"}); r.Status != 200 {
				t.Errorf("asked at the same time: %d %s", r.Status, r.Raw)
			}
		})
	}
	all.Wait()
	ask("k2", "PATCH", messagePath(room, seq, ""), obj{"content": "two"})
	if r := ask("k1", "PATCH", messagePath(room, seq, ""), obj{"content": "one"}); r.Status != 200 || r.Body.Str("content") != "two" || r.Body.Num("change_seq") != 2 {
		t.Errorf("a retry: %d %s", r.Status, r.Raw)
	}
	for _, r := range []testkit.Response{
		ask("k1", "PATCH", messagePath(room, seq, ""), obj{"content": "three"}), ask("k1", "DELETE", messagePath(room, seq, ""), nil),
		ask("k1", "PUT", messagePath(room, seq, "/pin"), nil),
	} {
		if r.Status != 409 || r.Body.Str("code") != "idempotency_conflict" {
			t.Errorf("another body: %d %s", r.Status, r.Raw)
		}
	}
	if r := ask("a b", "DELETE", messagePath(room, seq, ""), nil); r.Status != 422 || r.Body.Str("code") != "invalid" {
		t.Errorf("a bad key: %d %s", r.Status, r.Raw)
	}
}

// TestReactionsByREST: any key of up to 32 bytes; the first ten users are named, and everybody's own are shown to them.
func TestReactionsByREST(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "PUT /rooms/{room_id}/messages/{seq}/reactions/{key}", "DELETE /rooms/{room_id}/messages/{seq}/reactions/{key}",
		"GET /rooms/{room_id}/messages/{seq}/reactions", "GET /rooms/{room_id}/reactions/mine")
	bad(t, "PUT /rooms/{room_id}/messages/{seq}/reactions/{key}", "DELETE /rooms/{room_id}/messages/{seq}/reactions/{key}",
		"GET /rooms/{room_id}/messages/{seq}/reactions", "GET /rooms/{room_id}/reactions/mine", "code limit_reached")
	us := w.users(t, 13)
	room := w.api.CreateRoom(t, us[0], us[1:12]...)
	seq := w.post(t, us[0], room, "like it?")
	const key = "a/b?c#d%é👍"
	for _, u := range us[:12] {
		w.api.Must(t, 200, "PUT", reactionPath(room, seq, key), u.Token, nil)
	}
	m := w.api.Must(t, 200, "PUT", reactionPath(room, seq, key), us[11].Token, nil) // again
	r := m.List("reactions")
	if len(r) != 1 || r[0].Str("key") != key || r[0].Num("count") != 12 || len(r[0]["user_ids"].([]any)) != 10 || fmt.Sprint(m["mine"]) != "["+key+"]" || m.Num("change_seq") != 12 {
		t.Errorf("reactions %s", m)
	}
	query := "?key=" + url.QueryEscape(key) + "&limit=7"
	first := w.api.Must(t, 200, "GET", messagePath(room, seq, "/reactions"+query), us[0].Token, nil)
	rest := w.api.Must(t, 200, "GET", messagePath(room, seq, "/reactions"+query+"&cursor="+url.QueryEscape(first.Str("next_cursor"))), us[0].Token, nil)
	if a, b := first.List("users"), rest.List("users"); len(a) != 7 || len(b) != 5 || rest["next_cursor"] != nil || b[4].Num("user_id") != us[11].ID {
		t.Errorf("who reacted: %s, %s", first, rest)
	}
	mine := w.api.Must(t, 200, "GET", roomPath(room, "/reactions/mine?from_seq=1&to_seq=100"), us[11].Token, nil)
	if fmt.Sprint(mine.Obj("reactions")[fmt.Sprint(seq)]) != "["+key+"]" {
		t.Errorf("mine %s", mine)
	}
	if m = w.api.Must(t, 200, "DELETE", reactionPath(room, seq, key), us[11].Token, nil); m.Has("mine") || m.List("reactions")[0].Num("count") != 11 {
		t.Errorf("taken away: %s", m)
	}
	for i := range 19 {
		w.api.Must(t, 200, "PUT", reactionPath(room, seq, fmt.Sprint("k", i)), us[0].Token, nil)
	}
	refused(t, w.api, want{409, "limit_reached", ""}, "PUT", reactionPath(room, seq, "k19"), us[1].Token, nil)
	for bad, status := range map[string]int{strings.Repeat("x", 33): 422, "a%20b": 422, "%07": 422, "%E3%80%80": 422, "%ff": 400} {
		refused(t, w.api, want{status, "invalid", "key"}, "PUT", messagePath(room, seq, "/reactions/"+bad), us[0].Token, nil)
		refused(t, w.api, want{status, "invalid", "key"}, "DELETE", messagePath(room, seq, "/reactions/"+bad), us[0].Token, nil)
	}
	for path, want := range map[string]want{
		messagePath(room, seq, "/reactions"):                       {422, "invalid", "key"},
		messagePath(room, seq, "/reactions?key=x&cursor=nonsense"): {400, "invalid", "cursor"},
		messagePath(room, seq+5, "/reactions?key=x"):               {404, "not_found", ""},
		roomPath(room, "/reactions/mine?from_seq=9&to_seq=8"):      {422, "invalid", "to_seq"},
	} {
		refused(t, w.api, want, "GET", path, us[0].Token, nil)
	}
	refused(t, w.api, want{404, "not_found", ""}, "GET", roomPath(room, "/reactions/mine"), us[12].Token, nil)
}

// TestPinsByREST: admins and the owner pin, in a direct room both, at most so many, however many try at once.
func TestPinsByREST(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "PUT /rooms/{room_id}/messages/{seq}/pin", "DELETE /rooms/{room_id}/messages/{seq}/pin", "GET /rooms/{room_id}/pins")
	bad(t, "PUT /rooms/{room_id}/messages/{seq}/pin", "DELETE /rooms/{room_id}/messages/{seq}/pin", "GET /rooms/{room_id}/pins")
	us := w.users(t, 3)
	room := w.api.CreateRoom(t, us[0], us[1])
	var seqs []uint64
	for range 120 {
		seqs = append(seqs, w.post(t, us[0], room, "x"))
	}
	refused(t, w.api, want{403, "forbidden", ""}, "PUT", messagePath(room, seqs[0], "/pin"), us[1].Token, nil)
	refused(t, w.api, want{403, "forbidden", ""}, "DELETE", messagePath(room, seqs[0], "/pin"), us[1].Token, nil)
	refused(t, w.api, want{404, "not_found", ""}, "GET", roomPath(room, "/pins"), us[2].Token, nil)
	var all sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	next := make(chan uint64, len(seqs))
	for _, seq := range seqs {
		next <- seq
	}
	close(next)
	for range 20 {
		all.Go(func() {
			for seq := range next {
				r, err := w.api.Call(t.Context(), "PUT", messagePath(room, seq, "/pin"), us[0].Token, nil)
				mu.Lock()
				answers[r.Status]++
				mu.Unlock()
				if err != nil || r.Status != 200 && r.Body.Str("code") != "limit_reached" {
					t.Errorf("%d %s %v", r.Status, r.Raw, err)
				}
			}
		})
	}
	all.Wait()
	if answers[200] != 100 || answers[409] != 20 {
		t.Errorf("120 pins by 20 at a time: %v", answers)
	}
	pins := w.api.Must(t, 200, "GET", roomPath(room, "/pins"), us[1].Token, nil).List("messages")
	if len(pins) != 100 || pins[0].Obj("pinned").Num("by") != us[0].ID {
		t.Errorf("%d pins: %v", len(pins), pins[:min(1, len(pins))])
	}
	gone := pins[40].Num("seq")
	if m := w.api.Must(t, 200, "DELETE", messagePath(room, gone, "/pin"), us[0].Token, nil); m.Has("pinned") {
		t.Errorf("taken off: %s", m)
	}
	direct := w.api.Must(t, 201, "POST", "/rooms", us[0].Token, obj{"type": "direct", "member_ids": []uint64{us[1].ID}}).Num("id")
	seq := w.post(t, us[0], direct, "for both")
	w.api.Must(t, 200, "PUT", messagePath(direct, seq, "/pin"), us[1].Token, nil)
}

// TestDataByREST: data and replies travel with a message, and are what a key of idempotency is compared by.
func TestDataByREST(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "POST /rooms/{room_id}/messages", "data and reply_to")
	bad(t, "POST /rooms/{room_id}/messages")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0])
	early := w.post(t, us[0], room, "before they came")
	w.api.Must(t, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": []uint64{us[1].ID}})
	seq := w.post(t, us[0], room, "question")
	id := fresh()
	m := w.api.Must(t, 201, "POST", roomPath(room, "/messages"), us[1].Token, obj{"data": obj{"z": 1.0, "a": "é"}, "reply_to": seq, "client_msg_id": id})
	if m.Str("kind") != "custom" || m.Str("content") != "" || m.Num("reply_to") != seq || m.Obj("data").Str("a") != "é" {
		t.Errorf("sent %s", m)
	}
	if again := w.api.Must(t, 200, "POST", roomPath(room, "/messages"), us[1].Token, `{"reply_to":`+fmt.Sprint(seq)+`,"data":{"a":"\u00e9","z":1e0},"client_msg_id":"`+id+`"}`); again.Num("seq") != m.Num("seq") {
		t.Errorf("the same in another spelling: %s", again)
	}
	for _, body := range []obj{{"data": obj{"z": 1, "a": "é"}}, {"data": obj{"z": 2, "a": "é"}, "reply_to": seq}, {"content": "x", "data": obj{"z": 1, "a": "é"}, "reply_to": seq}} {
		body["client_msg_id"] = id
		refused(t, w.api, want{409, "idempotency_conflict", ""}, "POST", roomPath(room, "/messages"), us[1].Token, body)
	}
	for _, unseen := range []uint64{early, m.Num("seq") + 1, 1 << 40} {
		refused(t, w.api, want{422, "invalid", "reply_to"}, "POST", roomPath(room, "/messages"), us[1].Token, obj{"content": "x", "reply_to": unseen})
	}
	refused(t, w.api, want{422, "invalid", "content"}, "POST", roomPath(room, "/messages"), us[1].Token, obj{"reply_to": seq})
}
