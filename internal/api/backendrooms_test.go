package api

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"chat-service/internal/chat"
)

// furnished has three users of the application's own, and a room of two of them.
func furnished(t *testing.T, change ...func(*Options, *Ports)) (b *bench, key string) {
	t.Helper()
	b, _ = keyBench(t, change...)
	key = b.every()
	b.do(200, "POST", "server/users", key, `{"users":[{"id":"ext:ann"},{"id":"ext:bob"},{"id":"ext:cem"}]}`)
	b.do(201, "PUT", "server/rooms/ext:r", key, `{"name":"Room","owner":"ext:ann","members":["ext:bob","1","2"]}`)
	return b, key
}

// token logs one of them in.
func (b *bench) token(key, user string) string {
	b.Helper()
	return b.do(200, "POST", "server/users/"+user+"/tokens", key, `{}`).body["access_token"].(string)
}

// TestOwnRooms: PUT makes a group once and changes it then, as its owner's calls would.
func TestOwnRooms(t *testing.T) {
	b, key := furnished(t)
	a := b.do(200, "GET", "server/rooms/ext:r", key, "")
	if a.body["name"] != "Room" || a.body["owner_id"] != float64(1) || a.body["member_count"] != float64(2) || a.body["visibility"] != "private" {
		t.Errorf("made %s", a.raw)
	}
	ann, cem := b.token(key, "ext:ann"), b.token(key, "ext:cem")
	b.do(200, "GET", "rooms/1", ann, "")
	b.problem(b.raw("GET", "rooms/1", cem, "", ""), 404, "not_found")
	same := b.do(200, "PUT", "server/rooms/ext:r", key, `{"name":"Room","owner":"ext:ann","members":["ext:cem"]}`)
	if same.body["id"] != float64(1) || same.body["last_seq"] != float64(1) {
		t.Errorf("the same again: %s", same.raw)
	}
	changed := b.do(200, "PUT", "server/rooms/1", key, `{"name":" New ","description":"d","visibility":"public","owner":"ext:bob"}`)
	if changed.body["name"] != "New" || changed.body["description"] != "d" || changed.body["owner_id"] != float64(2) || changed.body["visibility"] != "public" {
		t.Errorf("changed: %s", changed.raw)
	}
	for body, field := range map[string]string{
		`{"owner":"ext:cem"}`: "owner", `{"owner":"ext:nobody"}`: "owner", `{"owner":"x"}`: "owner", `{"owner":""}`: "owner", `{"name":""}`: "name",
		`{"members":[null]}`: "members[0]", `{"members":["1",""]}`: "members[1]", `{"members":["x"]}`: "members[0]", `{"visibility":"secret"}`: "visibility", `{"name":"a\u0000"}`: "name",
	} {
		a := b.raw("PUT", "server/rooms/ext:r", key, "application/json", body)
		if b.problem(a, 422, "invalid"); fmt.Sprint(a.fields()) != "["+field+"]" {
			t.Errorf("%s names %v", body, a.fields())
		}
	}
	for body, fields := range map[string]string{
		`{}`: "[name owner]", `{"name":"n"}`: "[owner]", `{"name":"n","owner":"ext:nobody"}`: "[owner]",
		`{"name":"n","owner":"ext:ann","members":["ext:nobody"]}`: "[members[0]]", `{"name":"n","owner":"ext:ann","members":["1","?"]}`: "[members[1]]",
	} {
		a := b.raw("PUT", "server/rooms/ext:new", key, "application/json", body)
		if b.problem(a, 422, "invalid"); fmt.Sprint(a.fields()) != fields {
			t.Errorf("%s names %v", body, a.fields())
		}
	}
	b.problem(b.raw("PUT", "server/rooms/ext:new", key, "application/json", `{"name":"n","owner":"1","type":"group"}`), 400, "unknown_field")
	b.problem(b.raw("PUT", "server/rooms/99", key, "application/json", `{"name":"n","owner":"1"}`), 404, "not_found")
	b.problem(b.raw("GET", "server/rooms/ext:new", key, "", ""), 404, "not_found")

	b.do(204, "DELETE", "rooms/1", b.token(key, "ext:bob"), "")
	b.problem(b.raw("PUT", "server/rooms/ext:r", key, "application/json", `{"name":"n","owner":"1"}`), 409, "conflict")
	b.problem(b.raw("GET", "server/rooms/ext:r", key, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "server/rooms/ext:r/messages", key, "", ""), 404, "not_found")
}

// TestOwnRoomsAtOnce: twenty calls make one room.
func TestOwnRoomsAtOnce(t *testing.T) {
	b, key := furnished(t)
	var all sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		all.Go(func() {
			a := b.raw("PUT", "server/rooms/ext:one", key, "application/json", `{"name":"One","owner":"ext:ann"}`)
			answers[i] = fmt.Sprint(a.status, " ", a.body["id"])
		})
	}
	all.Wait()
	slices.Sort(answers)
	if c := slices.Compact(answers); len(c) != 2 || c[0] != "200 2" || c[1] != "201 2" {
		t.Errorf("answers are %v", c)
	}
}

// TestOwnMembers: adding and removing are done once, by the rules of the house.
func TestOwnMembers(t *testing.T) {
	b, key := furnished(t)
	for _, want := range []string{"[3]", "[]"} {
		a := b.do(200, "PUT", "server/rooms/ext:r/members/ext:cem", key, "")
		if fmt.Sprint(a.body["added"]) != want {
			t.Errorf("added %s, want %s", a.raw, want)
		}
	}
	cem := b.token(key, "ext:cem")
	b.do(200, "GET", "rooms/1", cem, "")
	b.do(204, "DELETE", "server/rooms/1/members/3", key, "")
	b.problem(b.raw("GET", "rooms/1", cem, "", ""), 404, "not_found")
	b.problem(b.raw("DELETE", "server/rooms/1/members/3", key, "", ""), 404, "not_found")
	b.problem(b.raw("DELETE", "server/rooms/1/members/ext:ann", key, "", ""), 409, "conflict") // the owner
	for _, path := range []string{"ext:none/members/1", "ext:r/members/ext:nobody", "ext:r/members/99"} {
		b.problem(b.raw("PUT", "server/rooms/"+path, key, "", ""), 404, "not_found")
	}
	b.do(201, "POST", "rooms", cem, `{"type":"direct","member_ids":[1]}`)
	b.problem(b.raw("PUT", "server/rooms/2/members/ext:bob", key, "", ""), 403, "forbidden")
	b.problem(b.raw("DELETE", "server/rooms/2/members/ext:ann", key, "", ""), 403, "forbidden")
	b.problem(b.raw("PUT", "server/rooms/2", key, "application/json", `{"name":"n"}`), 403, "forbidden")
}

// TestSaid: messages in a member's name are the member's own: the same rules, the same idempotency; who isn't in the room says nothing.
func TestSaid(t *testing.T) {
	b, key := furnished(t)
	const path = "server/rooms/ext:r/messages"
	a := b.do(201, "POST", path, key, `{"as":"ext:bob","content":"hello","client_msg_id":"m-1"}`)
	if a.body["sender_id"] != float64(2) || a.body["seq"] != float64(2) || a.body["content"] != "hello" || a.body["client_msg_id"] != "m-1" {
		t.Errorf("said %s", a.raw)
	}
	again := b.raw("POST", path, key, "application/json", `{"as":"2","content":"hello"}`, "Idempotency-Key", "m-1")
	if again.status != 200 || again.body["seq"] != a.body["seq"] {
		t.Errorf("again: %d %s", again.status, again.raw)
	}
	b.do(200, "POST", "rooms/1/messages", b.token(key, "ext:bob"), `{"content":"hello","client_msg_id":"m-1"}`)
	for body, want := range map[string]string{
		`{"as":"ext:bob","content":"other","client_msg_id":"m-1"}`:           "409 idempotency_conflict",
		`{"as":"ext:cem","content":"x"}`:                                     "404 not_found", // not in the room
		`{"as":"ext:nobody","content":"x"}`:                                  "422 invalid",
		`{"as":"System","content":"x"}`:                                      "422 invalid",
		`{"as":"0","content":"x"}`:                                           "422 invalid",
		`{"content":"x"}`:                                                    "422 invalid",
		`{"as":"ext:bob"}`:                                                   "422 invalid",
		`{"as":"ext:bob","content":" "}`:                                     "422 invalid",
		`{"as":"ext:bob","content":"a\u0000"}`:                               "422 invalid",
		`{"as":"ext:bob","content":"x","reply_to":99}`:                       "422 invalid",
		`{"as":"ext:bob","content":"x","client_msg_id":"a b"}`:               "422 invalid",
		`{"as":"ext:bob","content":"x","sender_id":1}`:                       "400 unknown_field",
		`{"as":"ext:bob","content":"` + strings.Repeat("x", 16<<10+1) + `"}`: "413 too_large",
	} {
		a := b.raw("POST", path, key, "application/json", body)
		if got := fmt.Sprint(a.status, " ", a.body["code"]); got != want {
			t.Errorf("%.90s: %s, want %s", body, got, want)
		}
	}
	if a := b.raw("POST", path, key, "application/json", `{"as":"ext:bob","content":"hello","client_msg_id":"m-1"}`, "Idempotency-Key", "b"); a.status != 200 {
		t.Errorf("client_msg_id gives way to the header: %d %s", a.status, a.raw)
	}
	b.problem(b.raw("POST", path, key, "application/json", `{"as":"1","content":"x"}`, "Idempotency-Key", "b b"), 422, "invalid")
	b.problem(b.raw("POST", path, key, "application/json", `{"as":"1","content":"x"}`, "Idempotency-Key", "b", "Idempotency-Key", "b"), 422, "invalid")
	b.problem(b.raw("POST", "server/rooms/ext:none/messages", key, "application/json", `{"as":"1","content":"x"}`), 404, "not_found")

	b.do(200, "PATCH", "rooms/1/members/2", b.token(key, "ext:ann"), `{"mute_seconds":60}`)
	b.problem(b.raw("POST", path, key, "application/json", `{"as":"ext:bob","content":"x"}`), 403, "muted")
	b.do(200, "PUT", "server/users/ext:ann/disabled", key, "")
	b.problem(b.raw("POST", path, key, "application/json", `{"as":"ext:ann","content":"x"}`), 403, "blocked")
}

// TestWholeHistory: the application reads every room, as users do.
func TestWholeHistory(t *testing.T) {
	b, key := furnished(t)
	for i := range 5 {
		b.do(201, "POST", "server/rooms/1/messages", key, fmt.Sprintf(`{"as":"1","content":"m%d"}`, i))
	}
	for query, want := range map[string]string{
		"": "[1 2 3 4 5 6]", "?page_size=2": "[5 6]", "?page=2&page_size=2": "[3 4]", "?after_seq=4&limit=5": "[5 6]", "?before_seq=3&limit=1": "[2]", "?page=9": "[]",
	} {
		a := b.do(200, "GET", "server/rooms/ext:r/messages"+query, key, "")
		if got := fmt.Sprint(a.list("messages", "seq")); got != want || a.body["last_seq"] != float64(6) {
			t.Errorf("%s: %s, want %s: %s", query, got, want, a.raw)
		}
	}
	as := b.do(200, "GET", "rooms/1/messages", b.token(key, "ext:bob"), "")
	if got := b.do(200, "GET", "server/rooms/1/messages", key, ""); string(got.raw) != string(as.raw) {
		t.Errorf("a key reads\n%s\nand a member\n%s", got.raw, as.raw)
	}
	b.problem(b.raw("GET", "server/rooms/1/messages?limit=101", key, "", ""), 422, "invalid")
	b.problem(b.raw("GET", "server/rooms/1/messages?before_seq=1&after_seq=1", key, "", ""), 422, "invalid")
	b.problem(b.raw("GET", "server/rooms/99/messages", key, "", ""), 404, "not_found")
}

// TestRecalledFor: the application takes back what a user wrote, once.
func TestRecalledFor(t *testing.T) {
	b, key := furnished(t)
	b.do(201, "POST", "server/rooms/1/messages", key, `{"as":"ext:bob","content":"rude"}`)
	for range 2 {
		a := b.raw("DELETE", "server/rooms/ext:r/messages/2", key, "", "", "Idempotency-Key", "k")
		if a.status != 200 || fmt.Sprint(a.body["recalled"]) != recalledBy(b, 1) || a.body["content"] != "" {
			t.Errorf("recalled: %d %s", a.status, a.raw)
		}
	}
	b.problem(b.raw("DELETE", "server/rooms/1/messages/1", key, "", ""), 403, "forbidden") // a system message
	for _, seq := range []string{"99", "0"} {
		b.problem(b.raw("DELETE", "server/rooms/1/messages/"+seq, key, "", ""), 404, "not_found")
	}
	b.problem(b.raw("DELETE", "server/rooms/1/messages/x", key, "", ""), 400, "invalid")
	b.problem(b.raw("DELETE", "server/rooms/1/messages/2", key, "", "", "Idempotency-Key", "a b"), 422, "invalid")
	b.problem(b.raw("DELETE", "server/rooms/ext:none/messages/2", key, "", ""), 404, "not_found")

	cem := b.token(key, "ext:cem")
	b.do(201, "POST", "rooms", cem, `{"type":"direct","member_ids":[1]}`)
	b.do(201, "POST", "rooms/2/messages", cem, `{"content":"rude"}`)
	if a := b.do(200, "DELETE", "server/rooms/2/messages/2", key, ""); fmt.Sprint(a.body["recalled"]) != recalledBy(b, 3) {
		t.Errorf("in a direct room: %s", a.raw)
	}
}

func recalledBy(b *bench, user int) string {
	return fmt.Sprint(map[string]any{"by": user, "at": chat.FormatTime(b.now())})
}

// TestSaidBySystem: the application speaks in nobody's name: a system message that counts for nobody as unread, is there once, and is
// changed by nobody but the application, which may recall it.
func TestSaidBySystem(t *testing.T) {
	b, key := furnished(t)
	const path = "server/rooms/ext:r/messages"
	bob, ann := b.token(key, "ext:bob"), b.token(key, "ext:ann")
	a := b.do(201, "POST", path, key, `{"as":"system","content":"sold <out>","data":{"sku":1},"reply_to":1,"client_msg_id":"s-1"}`)
	if a.body["kind"] != "system" || a.body["sender_id"] != 0.0 || a.body["seq"] != 2.0 || a.body["reply_to"] != 1.0 ||
		a.body["content"] != `{"event":"said","by":0,"text":"sold <out>"}` || fmt.Sprint(a.body["data"]) != "map[sku:1]" {
		t.Errorf("said %s", a.raw)
	}
	if u := b.do(200, "GET", "unread", bob, ""); u.body["total"] != 0.0 {
		t.Errorf("somebody has it unread: %s", u.raw)
	}
	again := b.raw("POST", path, key, "application/json", `{"as":"system","content":"sold <out>","data":{"sku":1},"reply_to":1}`, "Idempotency-Key", "s-1")
	if again.status != 200 || again.body["seq"] != 2.0 {
		t.Errorf("again: %d %s", again.status, again.raw)
	}
	b.problem(b.raw("POST", path, key, "application/json", `{"as":"system","content":"other","client_msg_id":"s-1"}`), 409, "idempotency_conflict")
	b.do(201, "POST", path, key, `{"as":"ext:bob","content":"mine","client_msg_id":"s-1"}`) // another sender's ids are others
	for _, body := range []string{`{"as":"system"}`, `{"as":"system","content":" "}`, `{"as":"system","content":"x","reply_to":99}`} {
		b.problem(b.raw("POST", path, key, "application/json", body), 422, "invalid")
	}
	b.do(201, "POST", path, key, `{"as":"system","data":{}}`)
	b.problem(b.raw("POST", "server/rooms/99/messages", key, "application/json", `{"as":"system","content":"x"}`), 404, "not_found")

	for _, call := range []string{"DELETE rooms/1/messages/2", "PUT rooms/1/messages/2/pin", "PUT rooms/1/messages/2/reactions/x"} {
		method, at, _ := strings.Cut(call, " ")
		b.problem(b.raw(method, at, ann, "", ""), 403, "forbidden")
	}
	b.problem(b.raw("PATCH", "rooms/1/messages/2", ann, "application/json", `{"content":"x"}`), 403, "forbidden")
	for range 2 {
		gone := b.raw("DELETE", path+"/2", key, "", "", "Idempotency-Key", "k")
		if gone.status != 200 || gone.body["content"] != "" || fmt.Sprint(gone.body["recalled"]) != recalledBy(b, 0) || gone.body["data"] != nil {
			t.Errorf("recalled: %d %s", gone.status, gone.raw)
		}
	}
	b.problem(b.raw("DELETE", path+"/1", key, "", ""), 403, "forbidden") // that the room was made
	if a := b.do(200, "POST", path, key, `{"as":"system","content":"sold <out>","data":{"sku":1},"reply_to":1,"client_msg_id":"s-1"}`); a.body["content"] != "" {
		t.Errorf("a retry brings it back: %s", a.raw)
	}
	cem := b.token(key, "ext:cem")
	b.do(201, "POST", "rooms", cem, `{"type":"direct","member_ids":[1]}`)
	b.do(201, "POST", "server/rooms/2/messages", key, `{"as":"system","content":"hello"}`)
	b.do(204, "DELETE", "rooms/1", ann, "")
	b.problem(b.raw("POST", path, key, "application/json", `{"as":"system","content":"x"}`), 404, "not_found")
}

// TestDirectRoomsByKey: two users have one direct room, whoever opens it, in whichever order.
func TestDirectRoomsByKey(t *testing.T) {
	b, key := furnished(t)
	body := func(members string) string { return `{"type":"direct","members":` + members + `}` }
	a := b.do(201, "POST", "server/rooms", key, body(`["ext:ann","ext:cem"]`))
	if a.body["type"] != "direct" || a.body["id"] != 2.0 || a.body["member_count"] != 2.0 || a.head.Get("Location") != "/api/v1/server/rooms/2" {
		t.Errorf("made %s", a.raw)
	}
	if again := b.do(200, "POST", "server/rooms", key, body(`["3","ext:ann"]`)); again.body["id"] != 2.0 {
		t.Errorf("again: %s", again.raw)
	}
	b.do(201, "POST", "server/rooms", key, body(`["ext:bob"]`))
	if list := b.do(200, "GET", "rooms", b.token(key, "ext:cem"), ""); fmt.Sprint(list.list("rooms", "id")) != "[2]" {
		t.Errorf("cem's rooms: %s", list.raw)
	}
	for members, field := range map[string]string{
		`["1","1"]`: "members[1]", `["ext:ann","1"]`: "members[1]", `["ext:nobody"]`: "members[0]", `["1","x"]`: "members[1]", `[]`: "members", `["1","2","3"]`: "members", `null`: "members",
		`["1",null]`: "members[1]", `["1",""]`: "members[1]",
	} {
		a := b.raw("POST", "server/rooms", key, "application/json", body(members))
		if b.problem(a, 422, "invalid"); fmt.Sprint(a.fields()) != "["+field+"]" {
			t.Errorf("%s names %v", members, a.fields())
		}
	}
	for _, bad := range []string{`{"members":["1","2"]}`, `{"type":"group","members":["1","2"]}`, `{"type":null,"members":["1","2"]}`} {
		b.problem(b.raw("POST", "server/rooms", key, "application/json", bad), 422, "invalid")
	}
	b.problem(b.raw("DELETE", "server/rooms/2", key, "", ""), 403, "forbidden")
	b.problem(b.raw("PUT", "server/rooms/2/members/ext:ann", key, "application/json", `{"role":"admin"}`), 403, "forbidden")
}

// TestRolesAndEndByKey: a member is made an admin and a member again, as the owner would; a room ends once.
func TestRolesAndEndByKey(t *testing.T) {
	b, key := furnished(t)
	role := func() any {
		a := b.do(200, "GET", "server/rooms/ext:r/members?limit=1", key, "")
		if a.body["next_cursor"] != nil {
			a = b.do(200, "GET", "server/rooms/1/members?limit=1&cursor="+a.body["next_cursor"].(string), key, "")
		}
		return a.list("members", "role")[0]
	}
	for _, step := range []struct{ body, want string }{{`{"role":"admin"}`, "admin"}, {`{"role":"admin"}`, "admin"}, {``, "admin"}, {`{}`, "admin"}, {`{"role":"member"}`, "member"}} {
		ct := "application/json"
		if step.body == "" {
			ct = ""
		}
		if a := b.raw("PUT", "server/rooms/ext:r/members/ext:bob", key, ct, step.body); a.status != 200 || role() != step.want {
			t.Errorf("%s: %d %s, role %v", step.body, a.status, a.raw, role())
		}
	}
	if a := b.do(200, "PUT", "server/rooms/ext:r/members/ext:cem", key, `{"role":"admin"}`); fmt.Sprint(a.body["added"]) != "[3]" {
		t.Errorf("added %s", a.raw)
	}
	b.problem(b.raw("PUT", "server/rooms/ext:r/members/ext:ann", key, "application/json", `{"role":"member"}`), 409, "conflict") // the owner
	for _, bad := range []string{`{"role":"owner"}`, `{"role":""}`, `{"role":1}`} {
		b.problem(b.raw("PUT", "server/rooms/ext:r/members/ext:bob", key, "application/json", bad), 422, "invalid")
	}
	b.problem(b.raw("PUT", "server/rooms/ext:r/members/ext:bob", key, "application/json", `{"rank":1}`), 400, "unknown_field")
	if a := b.do(200, "GET", "server/users/ext:bob/rooms?limit=1", key, ""); fmt.Sprint(a.list("rooms", "role")) != "[member]" {
		t.Errorf("bob's rooms: %s", a.raw)
	}
	b.problem(b.raw("GET", "server/users/ext:nobody/rooms", key, "", ""), 404, "not_found")
	b.problem(b.raw("GET", "server/users/1/rooms?cursor=x", key, "", ""), 400, "invalid")
	b.problem(b.raw("GET", "server/rooms/1/members?limit=0", key, "", ""), 422, "invalid")
	b.problem(b.raw("GET", "server/rooms/9/members", key, "", ""), 404, "not_found")
	if a := b.do(200, "GET", "server/rooms/ext:r/messages/1", key, ""); a.body["kind"] != "system" {
		t.Errorf("the first message: %s", a.raw)
	}
	b.problem(b.raw("GET", "server/rooms/ext:r/messages/99", key, "", ""), 404, "not_found")

	b.do(204, "DELETE", "server/rooms/ext:r", key, "")
	for _, call := range []string{"DELETE server/rooms/ext:r", "GET server/rooms/1", "GET server/rooms/1/members", "PUT server/rooms/1/members/3", "GET server/rooms/1/messages/1", "DELETE server/rooms/99"} {
		method, at, _ := strings.Cut(call, " ")
		b.problem(b.raw(method, at, key, "", ""), 404, "not_found")
	}
}
