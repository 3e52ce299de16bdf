package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestBadBodies: what can't be read is 400, a bad value is 422 and names its field, and nothing changes.
func TestBadBodies(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.join("bob")
	b.do(201, "POST", "rooms", ann, `{"name":"one","member_ids":[2]}`)
	long := strings.Repeat("x", 2000)
	ids := func(n int) string {
		var l []string
		for i := range n {
			l = append(l, fmt.Sprint(i+1))
		}
		return "[" + strings.Join(l, ",") + "]"
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		code, field        string
	}{
		{"POST", "auth/register", ``, 400, "invalid", "body"},
		{"POST", "auth/register", `{`, 400, "invalid", "body"},
		{"POST", "auth/register", `[]`, 400, "invalid", "body"},
		{"POST", "auth/register", `null`, 400, "invalid", "body"},
		{"POST", "auth/register", `"x"`, 400, "invalid", "body"},
		{"POST", "auth/register", `{} {}`, 400, "invalid", "body"},
		{"POST", "auth/register", "{\"username\":\"\xff\"}", 400, "invalid", "body"},
		{"POST", "auth/register", `{"username":"a","username":"b"}`, 400, "invalid", "username"},
		{"POST", "auth/register", `{"Username":"carl","password":"123456"}`, 400, "unknown_field", "Username"},
		{"POST", "auth/register", `{"username":"carl","password":"123456","is_admin":true}`, 400, "unknown_field", "is_admin"},
		{"POST", "auth/register", `{}`, 422, "invalid", "password,username"},
		{"POST", "auth/register", `{"username":"carl"}`, 422, "invalid", "password"},
		{"POST", "auth/register", `{"username":"carl","password":"12345"}`, 422, "invalid", "password"},
		{"POST", "auth/register", `{"username":"carl","password":"` + long + `"}`, 422, "invalid", "password"},
		{"POST", "auth/register", `{"username":"c a","password":"123456"}`, 422, "invalid", "username"},
		{"POST", "auth/register", `{"username":17,"password":"123456"}`, 422, "invalid", "username"},
		{"POST", "auth/register", `{"username":"carl","password":"123456","email":"nope"}`, 422, "invalid", "email"},
		{"POST", "auth/register", `{"username":"carl","password":"123456","nickname":"a\u0000b"}`, 422, "invalid", "nickname"},
		{"POST", "auth/login", `{}`, 422, "invalid", "password,username"},
		{"POST", "auth/login", `{"username":"` + long + `","password":"x"}`, 422, "invalid", "username"},
		{"POST", "auth/login", `{"username":"ann","password":"x","device":"` + long + `"}`, 422, "invalid", "device"},
		{"POST", "auth/refresh", `{}`, 422, "invalid", "refresh_token"},
		{"POST", "auth/logout", `{"x":1}`, 400, "unknown_field", "x"},
		{"POST", "auth/password", `{"old_password":"123456"}`, 422, "invalid", "new_password"},
		{"POST", "auth/password", `{"old_password":"123456","new_password":"1"}`, 422, "invalid", "new_password"},
		{"PATCH", "me", `{"nickname":""}`, 422, "invalid", "nickname"},
		{"PATCH", "me", `{"username":"x"}`, 400, "unknown_field", "username"},
		{"PATCH", "me", `{"avatar_url":"javascript:alert(1)"}`, 422, "invalid", "avatar_url"},
		{"PATCH", "me", `{"email":"x"}`, 422, "invalid", "email"},
		{"POST", "presence", `{"user_ids":[]}`, 422, "invalid", "user_ids"},
		{"POST", "presence", `{"user_ids":` + ids(201) + `}`, 422, "invalid", "user_ids"},
		{"POST", "rooms", `{}`, 422, "invalid", "name"},
		{"POST", "rooms", `{"name":"` + long + `"}`, 422, "invalid", "name"},
		{"POST", "rooms", `{"name":"x","type":"channel"}`, 422, "invalid", "type"},
		{"POST", "rooms", `{"name":"x","visibility":"all"}`, 422, "invalid", "visibility"},
		{"POST", "rooms", `{"name":"x","owner_id":2}`, 400, "unknown_field", "owner_id"},
		{"POST", "rooms", `{"name":"x","member_ids":["2"]}`, 422, "invalid", "member_ids.0"},
		{"POST", "rooms", `{"name":"x","member_ids":[-2]}`, 422, "invalid", "member_ids.0"},
		{"POST", "rooms", `{"name":"x","member_ids":[0]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"name":"x","member_ids":[1.5]}`, 422, "invalid", "member_ids.0"},
		{"POST", "rooms", `{"name":"x","member_ids":[9007199254740993]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"name":"x","member_ids":` + ids(501) + `}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"name":"x","member_ids":[99]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct"}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct","member_ids":[]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct","member_ids":[1],"visibility":"public"}`, 422, "invalid", "visibility"},
		{"POST", "rooms", `{"type":"direct","member_ids":[2,3]}`, 422, "invalid", "member_ids"},
		{"POST", "rooms", `{"type":"direct","member_ids":[2],"visibility":"public"}`, 422, "invalid", "visibility"},
		{"PATCH", "rooms/1", `{"name":" "}`, 422, "invalid", "name"},
		{"PATCH", "rooms/1", `{"visibility":"x"}`, 422, "invalid", "visibility"},
		{"PATCH", "rooms/x", `{"name":"y"}`, 400, "invalid", "room_id"},
		{"PATCH", "rooms/0", `{"name":"y"}`, 404, "not_found", ""},
		{"PATCH", "rooms/99999999999999999999", `{"name":"y"}`, 404, "not_found", ""},
		{"POST", "rooms/1/owner", `{}`, 422, "invalid", "user_id"},
		{"POST", "rooms/1/members", `{}`, 422, "invalid", "member_ids"},
		{"PATCH", "rooms/1/members/2", `{}`, 422, "invalid", "role"},
		{"PATCH", "rooms/1/members/2", `{"role":"owner"}`, 422, "invalid", "role"},
		{"PATCH", "rooms/1/members/2", `{"role":"admin","mute_seconds":5}`, 422, "invalid", "role"},
		{"PATCH", "rooms/1/members/2", `{"mute_seconds":-1}`, 422, "invalid", "mute_seconds"},
		{"PATCH", "rooms/1/members/2", `{"muted_until":"tomorrow"}`, 422, "invalid", "muted_until"},
		{"PATCH", "rooms/1/members/2", `{"muted_until":"2126-01-01T00:00:00Z"}`, 422, "invalid", "muted_until"},
		{"PATCH", "rooms/1/members/-2", `{"role":"admin"}`, 400, "invalid", "user_id"},
		{"POST", "rooms/1/messages", `{}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":" \n "}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":"a\u0000b"}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":7}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":"\ud800"}`, 400, "invalid", "body"},
		{"POST", "rooms/1/messages", `{"content":"` + strings.Repeat("x", 16<<10+1) + `"}`, 413, "too_large", ""},
		{"POST", "rooms/1/messages", `{"content":"x","client_msg_id":""}`, 422, "invalid", "client_msg_id"},
		{"POST", "rooms/1/messages", `{"content":"x","client_msg_id":"a b"}`, 422, "invalid", "client_msg_id"},
		{"POST", "rooms/1/messages", `{"content":"x","client_msg_id":"` + strings.Repeat("x", 37) + `"}`, 422, "invalid", "client_msg_id"},
		{"POST", "rooms/1/messages", `{"content":"x","sender_id":2}`, 400, "unknown_field", "sender_id"},
		{"POST", "rooms/1/messages", `{"data":null}`, 422, "invalid", "content"},
		{"POST", "rooms/1/messages", `{"content":"x","data":[]}`, 422, "invalid", "data"},
		{"POST", "rooms/1/messages", `{"content":"x","data":"{}"}`, 422, "invalid", "data"},
		{"POST", "rooms/1/messages", `{"content":"x","data":{"n":9007199254740993}}`, 422, "invalid", "data"},
		{"POST", "rooms/1/messages", `{"content":"x","data":{"a":1,"a":2}}`, 400, "invalid", "data.a"},
		{"POST", "rooms/1/messages", `{"content":"x","data":` + strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33) + `}`, 422, "invalid", "data"},
		{"POST", "rooms/1/messages", `{"content":"x","data":{"a":"` + strings.Repeat("x", 8<<10) + `"}}`, 413, "too_large", ""},
		{"POST", "rooms/1/messages", `{"content":"x","reply_to":0}`, 422, "invalid", "reply_to"},
		{"POST", "rooms/1/messages", `{"content":"x","reply_to":2}`, 422, "invalid", "reply_to"},
		{"PATCH", "rooms/1/messages/1", `{}`, 422, "invalid", "content"},
		{"PATCH", "rooms/1/messages/1", `{"content":" "}`, 422, "invalid", "content"},
		{"PATCH", "rooms/1/messages/1", `{"content":"x","if_version":0}`, 422, "invalid", "if_version"},
		{"PATCH", "rooms/1/messages/1", `{"content":"x","pinned":true}`, 400, "unknown_field", "pinned"},
		{"PATCH", "rooms/1/messages/1", `{"content":"x"}`, 403, "forbidden", ""},
		{"PATCH", "rooms/1/messages/2", `{"content":"x"}`, 404, "not_found", ""},
		{"PATCH", "rooms/1/messages/0", `{"content":"x"}`, 404, "not_found", ""},
		{"PATCH", "rooms/1/messages/01", `{"content":"x"}`, 400, "invalid", "seq"},
		{"PUT", "rooms/1/messages/1/reactions/" + strings.Repeat("x", 33), ``, 422, "invalid", "key"},
		{"PUT", "rooms/1/messages/1/reactions/a%20b", ``, 422, "invalid", "key"},
		{"PUT", "rooms/1/messages/1/reactions/%ff", ``, 400, "invalid", "key"},
		{"PUT", "rooms/1/messages/1/reactions/%07", ``, 422, "invalid", "key"},
		{"PUT", "rooms/1/read", `{}`, 422, "invalid", "seq"},
		{"PUT", "rooms/1/read", `{"seq":-1}`, 422, "invalid", "seq"},
		{"PUT", "rooms/1/read", `{"seq":9007199254740992}`, 422, "invalid", "seq"},
		{"PUT", "rooms/1/read", `{"seq":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, 422, "invalid", "seq"},
	} {
		name := tt.path + " " + tt.body[:min(40, len(tt.body))]
		t.Run(name, func(t *testing.T) {
			a := b.raw(tt.method, tt.path, ann, "application/json", tt.body)
			b.problem(a, tt.status, tt.code)
			if got := strings.Join(a.fields(), ","); got != tt.field {
				t.Errorf("blames %q, want %q: %s", got, tt.field, a.raw)
			}
		})
	}
	if users, rooms, messages := b.store.Counts(); users != 2 || rooms != 1 || messages != 1 { // the one that says who made it
		t.Errorf("something was done: %d users, %d rooms, %d messages", users, rooms, messages)
	}
}

func TestBadQueries(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	b.do(201, "POST", "rooms", ann, `{"name":"one"}`)
	for path, field := range map[string]string{
		"rooms/1/messages?page=0": "page", "rooms/1/messages?page=-1": "page", "rooms/1/messages?page=x": "page",
		"rooms/1/messages?page=": "page", "rooms/1/messages?page=1&page=2": "page", "rooms/1/messages?page=1.5": "page",
		"rooms/1/messages?page=%2B1": "page", "rooms/1/messages?page=99999999999999999999": "page",
		"rooms/1/messages?page_size=0": "page_size", "rooms/1/messages?page_size=101": "page_size",
		"rooms/1/messages?limit=0": "limit", "rooms/1/messages?after_seq=0&limit=101": "limit",
		"rooms/1/messages?before_seq=-1": "before_seq", "rooms/1/messages?after_seq=x": "after_seq", "rooms/1/messages?around_seq=": "around_seq",
		"rooms/1/messages?before_seq=5&after_seq=1": "before_seq", "rooms/1/messages?before_seq=5&page=1": "page",
		"rooms/1/messages?page=1&limit=5": "limit", "rooms/1/messages?min_seq=x": "min_seq",
		"rooms/1/messages?min_change_seq=-1": "min_change_seq", "rooms/1/reactions/mine?from_seq=0": "from_seq",
		"rooms/1/reactions/mine?from_seq=5&to_seq=4": "to_seq", "rooms/1/messages/1/reactions": "key",
		"rooms/1/messages/1/reactions?key=a%20b": "key", "rooms/1/messages/1/reactions?key=a&cursor=x": "cursor",
		"rooms?limit=0": "limit", "rooms?limit=201": "limit", "rooms?limit=x": "limit", "rooms?visibility=private": "visibility",
		"rooms?q=x": "q", "rooms?cursor=%27%20OR%201": "cursor", "rooms/1/members?cursor=i0": "cursor",
		"rooms/1/members?cursor=x1": "cursor", "rooms/1/members?cursor=I1": "cursor", "rooms/1/members?limit=-1": "limit",
		"users": "q", "users?q=%20": "q", "users?q=a&cursor=2": "cursor", "users?q=a&limit=1000": "limit",
		"users?q=" + strings.Repeat("x", 257): "q", "rooms?cursor=" + strings.Repeat("x", 513): "cursor",
	} {
		a := b.raw("GET", path, ann, "", "")
		status := 422
		if field == "cursor" && !strings.Contains(path, strings.Repeat("x", 513)) {
			status = 400 // it can't be read
		}
		b.problem(a, status, "invalid")
		if got := a.fields(); !slices.Equal(got, []string{field}) {
			t.Errorf("%s blames %v, want %s", path, got, field)
		}
	}
	b.do(200, "GET", "rooms?utm_source=x", ann, "")
}

func TestContentTypes(t *testing.T) {
	b := newBench(t)
	body := `{"username":"ann","password":"123456"}`
	b.do(201, "POST", "auth/register", "", body)
	for ct, code := range map[string]string{
		"": "username_taken", "application/json; charset=UTF-8": "username_taken", "text/plain": "invalid",
		"application/x-www-form-urlencoded": "invalid", "application/json; charset=latin1": "invalid", ";": "invalid",
	} {
		status := http.StatusUnsupportedMediaType
		if code == "username_taken" {
			status = http.StatusConflict
		}
		b.problem(b.raw("POST", "auth/register", "", ct, body), status, code)
	}
	b.problem(b.raw("POST", "auth/register", "", "application/json", body, "Content-Encoding", "gzip"), 415, "invalid")
}
