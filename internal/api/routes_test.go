package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"chat-service/internal/api/server"
	"chat-service/internal/chat"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // one for the process
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// fill replaces the parameters of a path by ids that exist.
func fill(path string) string {
	return server.Base + strings.NewReplacer("{room_id}", "1", "{user_id}", "1", "{session_id}", "x", "{seq}", "1", "{key}", "x", "{user}", "1", "{room}", "1", "{webhook_id}", "1", "{job}", "1").Replace(path)
}

// TestGuard walks every route without a token and with a bad, an expired and a revoked one.
func TestGuard(t *testing.T) {
	b := newBench(t)
	revoked := b.join("gone")
	b.do(200, "POST", "auth/logout", revoked, "")
	for _, r := range Routes() {
		t.Run(r.ID, func(t *testing.T) {
			for _, tt := range []struct{ token, code string }{
				{"", "unauthenticated"},
				{"nonsense", "unauthenticated"},
				{"old|1|x", "token_expired"},
				{revoked, "unauthenticated"},
				{"good|1|never-opened", "unauthenticated"},
			} {
				if r.Scope != "" {
					tt.code = "unauthenticated" // no token of a user's is any good
				}
				a := b.raw(r.Method, fill(r.Path), tt.token, "application/json", "{}")
				if r.Open {
					if a.body["code"] == "token_expired" {
						t.Errorf("an open route looked at the token: %s", a.raw)
					}
					continue
				}
				b.problem(a, 401, tt.code)
			}
		})
	}
	for _, head := range []string{"Basic abc", "Bearer", "Bearer ", "bearer\tx"} {
		b.problem(b.raw("GET", "me", "", "", "", "Authorization", head), 401, "unauthenticated")
	}
	b.problem(b.raw("GET", "me", "good|1|a", "", "", "Authorization", "Bearer good|1|b"), 401, "unauthenticated")
}

// TestHidden: what a stranger may not see looks exactly like what does not exist.
func TestHidden(t *testing.T) {
	b := newBench(t)
	owner, stranger := b.join("owner"), b.join("stranger")
	b.do(201, "POST", "rooms", owner, `{"name":"secret"}`)
	bodies := map[string]string{
		"updateRoom": `{"name":"x"}`, "transferRoom": `{"user_id":2}`, "addMembers": `{"member_ids":[2]}`,
		"updateMember": `{"role":"admin"}`, "postMessage": `{"content":"x"}`, "read": `{"seq":1}`,
		"editMessage": `{"content":"x"}`,
	}
	for _, r := range Routes() {
		if !strings.Contains(r.Path, "{room_id}") {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			var seen [2]answer
			for i, room := range []string{"1", "777"} {
				path := server.Base + strings.NewReplacer("{room_id}", room, "{user_id}", "1", "{seq}", "1", "{key}", "x").Replace(r.Path)
				if r.ID == "reactors" {
					path += "?key=x"
				}
				seen[i] = b.raw(r.Method, path, stranger, "application/json", bodies[r.ID], "X-Request-Id", "same")
				b.problem(seen[i], 404, "not_found")
			}
			if d := cmp.Diff(seen[0].body, seen[1].body); d != "" {
				t.Errorf("a hidden room shows:\n%s", d)
			}
		})
	}
}

func TestDocumentListsTheRoutes(t *testing.T) {
	b := newBench(t)
	a := b.do(200, "GET", "openapi.json", "", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			ID        string         `json:"operationId"`
			Responses map[string]any `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(a.raw, &doc); err != nil || doc.OpenAPI[:3] != "3.1" {
		t.Fatalf("%v, version %q", err, doc.OpenAPI)
	}
	listed := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			listed[strings.ToUpper(method)+" "+path] = true
			i := slices.IndexFunc(Routes(), func(r server.RouteInfo) bool { return r.ID == op.ID })
			if i < 0 {
				t.Errorf("Routes has no %s", op.ID)
				continue
			}
			var statuses []string
			for _, s := range Routes()[i].Statuses {
				statuses = append(statuses, fmt.Sprint(s))
			}
			delete(op.Responses, "default")
			if d := cmp.Diff(slices.Sorted(maps.Keys(op.Responses)), statuses); d != "" {
				t.Errorf("%s: statuses of the document and of Routes differ:\n%s", op.ID, d)
			}
		}
	}
	served := map[string]bool{}
	for _, r := range b.srv.Mounted() {
		served[r] = true
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(served)), slices.Sorted(maps.Keys(listed))); d != "" {
		t.Errorf("served and listed differ:\n%s", d)
	}
	if len(served) < 25 || len(served) != len(Routes()) {
		t.Errorf("%d routes served, %d in the table", len(served), len(Routes()))
	}
	for _, ref := range strings.Split(string(a.raw), `"$ref":"`)[1:] {
		name := strings.TrimPrefix(ref[:strings.IndexByte(ref, '"')], "#/components/schemas/")
		if !strings.Contains(string(a.raw), `"`+name+`":{`) {
			t.Errorf("schema %s is used and not there", name)
		}
	}
}

// TestCanaries: requests in parallel on reused connections never see each other's bytes.
func TestCanaries(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Limits.RegisterPerMinute, o.Limits.LoginPerMinute = 0, 0 })
	const users = 64
	tokens := make([]string, users)
	for i := range tokens {
		tokens[i] = b.join(fmt.Sprintf("canary%02d", i))
		b.do(201, "POST", "rooms", tokens[i], fmt.Sprintf(`{"name":"room-canary%02d"}`, i))
	}
	var wg sync.WaitGroup
	for i, token := range tokens {
		wg.Go(func() {
			own := fmt.Sprintf("canary%02d", i)
			for n := range 20 {
				body := fmt.Sprintf(`{"content":"%s says %d","client_msg_id":"%s-%d"}`, own, n, own, n)
				path := fmt.Sprintf("rooms/%d/messages", i+1)
				for _, a := range []answer{
					b.raw("POST", path, token, "application/json", body, "X-Request-Id", own),
					b.raw("GET", path, token, "", "", "X-Request-Id", own),
					b.raw("PATCH", "me", token, "application/json", `{"nickname":"`+own+`"}`, "X-Request-Id", own),
					b.raw("GET", "users?q="+own, token, "", "", "X-Request-Id", own),
				} {
					rest := strings.ReplaceAll(string(a.raw), own, "")
					if a.status/100 != 2 || strings.Contains(rest, "canary") || a.head.Get("X-Request-Id") != own {
						t.Errorf("%s got %d %q %s", own, a.status, a.head.Get("X-Request-Id"), a.raw)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range users {
		room, own := chat.RoomID(i+1), fmt.Sprintf("canary%02d", i)
		ms := b.store.Log(room)
		if len(ms) != 21 || ms[0].Kind != chat.System {
			t.Fatalf("room %d has %d messages, want the one that says who made it and 20", room, len(ms))
		}
		for n, m := range ms[1:] {
			if m.Content != fmt.Sprintf("%s says %d", own, n) || m.ClientMsgID != fmt.Sprintf("%s-%d", own, n) {
				t.Errorf("room %d holds %+v", room, m)
			}
		}
		if u, err := b.store.User(t.Context(), chat.UserID(i+1)); err != nil || u.Nickname != own || u.Username != own {
			t.Errorf("user %d is %+v (%v)", i+1, u, err)
		}
	}
}
