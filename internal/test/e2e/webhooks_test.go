//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/release"
)

// hooked are settings of workers that post to receivers of this machine, and soon again.
func hooked(env map[string]string) {
	env["CHAT_WEBHOOKS_ALLOW_PRIVATE"], env["CHAT_WEBHOOKS_RETRY"], env["CHAT_WEBHOOKS_TIMEOUT"] = "127.0.0.0/8", "300ms,1s", "2s"
}

// told waits until a receiver has taken as many events of a room, and returns them.
func told(t *testing.T, r *testkit.Receiver, room uint64, n int) (es []testkit.Received) {
	t.Helper()
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		es = slices.DeleteFunc(r.Events(), func(e testkit.Received) bool { return !e.Taken || e.Event.Obj("data").Num("room_id") != room })
		return len(es) >= n, fmt.Sprintf("room %d: %d of %d events were taken", room, len(es), n)
	})
	if bad := r.Bad(); len(bad) > 0 {
		t.Fatalf("posts that aren't as they must be: %v", bad)
	}
	return es
}

func types(es []testkit.Received) (out []string) {
	for _, e := range es {
		out = append(out, e.Event.Str("type"))
	}
	return out
}

// TestWebhooks: an endpoint is told of what happens by sockets and by REST, at once, signed, and in order; of accounts, too. What came
// before the endpoint isn't told.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 2, APIs: 1, Env: calm(), EnvOf: func(process string, env map[string]string) {
		if strings.HasPrefix(process, "worker") {
			hooked(env)
		}
	}})
	w := &world{Fleet: f, api: f.API(1)}
	us := w.users(t, 2)
	ann := w.dial(t, 1, us[0])
	room := w.api.CreateRoom(t, us[0])
	w.chat(t, ann, room, "before")
	r := testkit.StartReceiver(t)
	r.Register(t, f)
	w.chat(t, ann, room, "first")
	es := told(t, r, room, 1)
	if got := es[0].Event.Obj("data"); got.Num("seq") != 3 || got.Obj("message").Str("content") != "first" {
		t.Errorf("the first event is %s", es[0].Event)
	}

	seq := w.chat(t, ann, room, "by a socket")
	w.post(t, us[0], room, "by REST")
	change(t, ann, "react", room, seq, obj{"key": "👍", "on": true})
	w.api.Must(t, 200, "PATCH", roomPath(room, fmt.Sprintf("/messages/%d", seq)), us[0].Token, obj{"content": "edited"})
	w.api.Must(t, 200, "POST", roomPath(room, "/members"), us[0].Token, obj{"member_ids": testkit.IDs(us[1])})
	change(t, ann, "recall", room, seq, nil)
	es = told(t, r, room, 7)[1:]
	want := []string{"message.sent", "message.sent", "reaction.added", "message.edited", "member.added", "message.recalled"}
	if got := types(es); !slices.Equal(got, want) {
		t.Fatalf("told %v, want %v", got, want)
	}
	data := es[2].Event.Obj("data")
	if es[2].ID != fmt.Sprintf("msg_%d_1_%d_1", room, seq) || data.Num("seq") != seq || data.Num("change_seq") != 1 || data.Num("by") != us[0].ID || data.Str("key") != "👍" {
		t.Errorf("the reaction: %s %s", es[2].ID, es[2].Event)
	}
	if e := es[4].Event.Obj("data").Obj("event"); e.Str("event") != "added" || e.Num("by") != us[0].ID {
		t.Errorf("the new member: %s", es[4].Event)
	}
	if m := es[5].Event.Obj("data").Obj("message"); m.Str("content") != "" || !m.Has("recalled") {
		t.Errorf("the recall: %s", es[5].Event)
	}
	for _, e := range es {
		if late := e.At.Sub(moment(t, e.Event.Str("timestamp"))); late > 15*time.Second {
			t.Errorf("%s was told %v later", e.Event.Str("type"), late)
		}
	}
	cy := w.api.User(t)
	testkit.Eventually(t, patience, func() (bool, string) {
		return slices.ContainsFunc(r.Events(), func(e testkit.Received) bool {
			return e.Event.Str("type") == "user.created" && e.Event.Obj("data").Obj("user").Num("id") == cy.ID
		}), "the new account isn't told"
	})
	downAndUp(t, w, r, ann, room)
}

// downAndUp: what is sent while an endpoint is down comes when it is up, in order, without what was recalled meanwhile.
func downAndUp(t *testing.T, w *world, r *testkit.Receiver, ann *sock, room uint64) {
	t.Helper()
	before := len(told(t, r, room, 1))
	r.Answer(func(testkit.Received) int { return http.StatusInternalServerError })
	var seqs []uint64
	for i := range 5 {
		seqs = append(seqs, w.chat(t, ann, room, fmt.Sprint("secret ", i)))
	}
	change(t, ann, "recall", room, seqs[2], nil)
	r.Answer(func(testkit.Received) int { return http.StatusOK })
	es := told(t, r, room, before+6)[before:]
	for i, seq := range append(seqs, seqs[2]) {
		if got := es[i].Event.Obj("data"); got.Num("seq") != seq || (seq == seqs[2]) != (got.Obj("message").Str("content") == "") {
			t.Errorf("event %d: %s", i, es[i].Event)
		}
	}
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestWebhooksBesideTheReleaseBefore: rooms of a worker of the release before are told of, too: this release's walks find them.
func TestWebhooksBesideTheReleaseBefore(t *testing.T) {
	t.Parallel()
	earlier, later := release.Before(t), thisBuild(t)
	f := testkit.StartFleet(t, testkit.FleetOptions{
		Gateways: 1, Workers: 2, APIs: 1, Env: calm(),
		BuildOf: func(process string) testkit.Build {
			if process == "worker-2" {
				return later
			}
			return earlier
		},
		EnvOf: func(process string, env map[string]string) {
			if process == "worker-2" {
				hooked(env)
			}
		},
	})
	w := &world{Fleet: f, api: f.API(1)}
	r := testkit.StartReceiver(t)
	r.Register(t, f)
	u := w.api.User(t)
	s := w.dial(t, 1, u)
	for range partitions { // of either worker
		room := w.api.CreateRoom(t, u)
		s.Expect(t, is("joined"))
		w.chat(t, s, room, "x")
		defer func() {
			if got := types(told(t, r, room, 2)); !slices.Equal(got, []string{"room.created", "message.sent"}) {
				t.Errorf("room %d: %v", room, got)
			}
		}()
	}
}

// TestWebhooksOfPresence: an endpoint that names user.online and user.offline is told who comes and goes.
func TestWebhooksOfPresence(t *testing.T) {
	t.Parallel()
	f := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: calm(), EnvOf: func(process string, env map[string]string) {
		if strings.HasPrefix(process, "worker") {
			hooked(env)
		}
	}})
	w := &world{Fleet: f, api: f.API(1)}
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0])
	r, all := testkit.StartReceiver(t), testkit.StartReceiver(t)
	w.exec(t, "UPDATE webhooks SET kinds = 'user.online,user.offline' WHERE id = ?", r.Register(t, f))
	all.Register(t, f)
	w.post(t, us[0], room, "now the worker knows both")
	told(t, all, room, 1)
	s := w.dial(t, 1, us[1])
	want := func(n int, kind string) {
		t.Helper()
		testkit.Eventually(t, time.Minute, func() (bool, string) {
			es := r.Events()
			return len(es) == n && es[n-1].Event.Str("type") == kind && es[n-1].Event.Obj("data").Obj("user").Num("id") == us[1].ID, fmt.Sprintf("%s isn't told: %v", kind, types(es))
		})
	}
	want(1, "user.online")
	s.Close()
	want(2, "user.offline")
	for _, kind := range types(all.Events()) {
		if strings.HasSuffix(kind, "line") {
			t.Errorf("an endpoint that names no event is told %s", kind)
		}
	}
}
