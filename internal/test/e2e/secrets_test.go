//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// canary is part of everything in these tests that must not be told: texts of messages, passwords, tokens.
const canary = "canary-5e1f"

// accessToken is any JSON Web Token.
var accessToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}`)

// TestSecretsAreHandled hands secrets and texts to every door, in good order and in bad, for discreet to look for.
func TestSecretsAreHandled(t *testing.T) {
	t.Parallel()
	w := shared(t)
	u := w.users(t, 1)[0]
	room := w.api.CreateRoom(t, u)
	for gateway := range strictGateway {
		s := w.dial(t, gateway+1, u)
		w.chat(t, s, room, canary+" by socket")
		for _, bad := range []string{
			`{"type":"message","room_id":` + fmt.Sprint(room) + `,"content":"` + canary + `","client_msg_id":"` + strings.Repeat("x", 300) + `"}`,
			`{"type":"message","room_id":999999999,"content":"` + canary + `","client_msg_id":"` + fresh() + `"}`,
			`{"type":"message","room_id":` + fmt.Sprint(room) + `,"content":"` + canary + strings.Repeat("x", 20<<10) + `","client_msg_id":"` + fresh() + `"}`,
			`{"type":"message","content":"` + canary + `","` + canary + `":1}`,
			`{"type":"` + canary + `"}`,
			`{"type":"message","content":"` + canary,
		} {
			s.SendText(t, bad)
			s.Expect(t, is("error"))
		}
		s.Close()
		for _, token := range []string{canary, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI" + canary + "." + canary} {
			closed(t, testkit.Dial(t, w.WS(gateway+1), token), 4500)
		}
	}
	for _, api := range []testkit.API{w.api, w.strict} {
		for _, call := range []struct {
			path, token string
			body        any
		}{
			{"/auth/login", "", obj{"username": u.Username, "password": canary}},
			{"/auth/login", "", obj{"username": u.Username, "password": obj{"is": canary}}},
			{"/auth/register", "", obj{"username": "!", "email": "x", "password": canary}},
			{"/auth/refresh", "", obj{"refresh_token": canary}},
			{"/auth/refresh", "", obj{"refresh_token": canary, canary: 1}},
			{roomPath(room, "/messages"), canary, obj{"content": canary}},
			{roomPath(room, "/messages"), u.Token, obj{"content": canary, "client_msg_id": obj{}}},
			{roomPath(room, "/messages"), u.Token, obj{"content": canary, canary: 1}},
			{roomPath(999999999, "/messages"), u.Token, obj{"content": canary, "client_msg_id": fresh()}},
		} {
			if status, f := api.Do(t, http.MethodPost, call.path, call.token, call.body); status < 400 || status >= 500 {
				t.Errorf("%s with %v: %d %s", call.path, call.body, status, f)
			}
		}
	}
	w.post(t, u, room, canary+" by REST")
}

// discreet tells whether no log and no metric of any process holds a secret or a text.
func (w *world) discreet() bool {
	ok := true
	for _, process := range w.Names() {
		log := w.Log(process, math.MaxInt32)
		shown := ""
		if res, err := http.Get(w.Debug(process) + "/metrics"); err != nil {
			fmt.Printf("metrics of %s: %v\n", process, err)
			ok = false
		} else {
			b, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			shown = string(b)
		}
		if len(log) < 100 || len(shown) < 100 {
			fmt.Printf("%s: %d bytes of log, %d of metrics: nothing was looked at\n", process, len(log), len(shown))
			ok = false
		}
		for _, where := range []string{log, shown} {
			kind, _, _ := strings.Cut(process, "-")
			for _, server := range []string{"mysql", "redis", "rabbitmq"} {
				if _, password, has := w.User(&whole.tb, server, kind); has && strings.Contains(where, password) {
					fmt.Printf("%s tells its password of %s\n", process, server)
					ok = false
				}
			}
			for what, at := range map[string]int{
				"a canary": strings.Index(where, canary), "a password": strings.Index(where, "correct horse"),
				"the key of the tokens": strings.Index(where, w.Secret), "a token": first(accessToken.FindStringIndex(where)),
			} {
				if at >= 0 {
					fmt.Printf("%s tells %s: %q\n", process, what, where[max(0, at-200):min(len(where), at+100)])
					ok = false
				}
			}
		}
	}
	return ok
}

func first(at []int) int {
	if at == nil {
		return -1
	}
	return at[0]
}
