//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"chat-service/internal/test/testkit"
)

// readiness reads what a process says of its readiness.
func (w *world) readiness(t *testing.T, process string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Debug(process)+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	var unescaped any
	if json.Unmarshal(b, &unescaped) == nil {
		return res.StatusCode, fmt.Sprint(unescaped)
	}
	return res.StatusCode, string(b)
}

// wrongPassword is the broker's URL with another password.
func wrongPassword(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(testkit.AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "wrong")
	return u.String()
}

// TestWorkerThatCannotConsume puts a worker beside two good ones whose broker refuses it, for one reason after another: it owns nothing,
// and nobody notices.
func TestWorkerThatCannotConsume(t *testing.T) {
	t.Parallel()
	env := calm()
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 2, APIs: 1, Env: env})
	w := &world{Fleet: fleet, api: fleet.API(1)}
	w.shares(t)
	us := w.users(t, 3)
	s := w.dial(t, 1, us[1])
	var rooms []uint64
	for range partitions {
		rooms = append(rooms, w.api.CreateRoom(t, us[0], us[1], us[2]))
	}
	w.knows(t, us[2])
	for name, tt := range map[string]struct {
		env  map[string]string
		says []string
	}{
		"wrong-password":   {map[string]string{"CHAT_RABBITMQ_URL": wrongPassword(t)}, []string{"user guest", "correct user and password in rabbitmq.url"}},
		"wrong-vhost":      {map[string]string{"CHAT_RABBITMQ_URL": strings.TrimRight(testkit.AMQPURL(t), "/") + "/nowhere"}, []string{"virtual host nowhere", "add_vhost"}},
		"wrong-queue-type": {map[string]string{"CHAT_RABBITMQ_QUEUE_TYPE": "quorum"}, []string{"set rabbitmq.queue_type"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.Launch(t, "worker", name, tt.env)
			defer w.Kill(t, name)
			var text string
			testkit.Eventually(t, patience, func() (bool, string) {
				var status int
				status, text = w.readiness(t, name)
				return status == http.StatusServiceUnavailable && strings.Contains(text, tt.says[0]), text
			})
			end := time.Now().Add(5 * time.Second) // longer than a worker that beats would take to own something
			for time.Now().Before(end) {
				for _, room := range rooms {
					began := time.Now()
					seq := w.post(t, us[0], room, "by REST")
					s.Expect(t, is("message", "room_id", room, "seq", seq))
					if took := time.Since(began); took > time.Second {
						t.Errorf("a REST write in room %d is live after %s", room, took)
					}
					w.chat(t, s, room, "by socket")
				}
				if f := w.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", us[2].ID), us[0].Token, nil); f["online"] == nil {
					t.Errorf("presence of somebody absent is unknown: %s", f)
				}
			}
			log := w.Log(name, 1000)
			for _, word := range tt.says {
				if !strings.Contains(text, word) || strings.Count(log, word) != 1 {
					t.Errorf("/readyz says %s, the log %s: want %q in both, once in the log", text, log, word)
				}
			}
			w.shares(t)
			if n := w.number(t, "SELECT COUNT(*) FROM workers"); n != 2 {
				t.Errorf("%d workers are on the list, want 2", n)
			}
		})
	}
}

// TestPermanentFailures gives processes what no waiting mends: they say what to do, once, and end.
func TestPermanentFailures(t *testing.T) {
	t.Parallel()
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Env: calm()})
	w := &world{Fleet: fleet}
	for name, tt := range map[string]struct {
		kind string
		env  map[string]string
		says []string
	}{
		"mysql-password": {"api", map[string]string{"CHAT_DATABASE_PASSWORD": "wrong"}, []string{"user " + fleet.Prefix + "_api", "1045", "correct database.user"}},
		"mysql-database": {"worker", map[string]string{
			"CHAT_DATABASE_DBNAME": "nowhere", "CHAT_DATABASE_USER": fleet.DB.User, "CHAT_DATABASE_PASSWORD": fleet.DB.Password,
		}, []string{"database nowhere", "1049", "run chatctl migrate"}},
		"mysql-rights":  {"worker", map[string]string{"CHAT_DATABASE_DBNAME": "nowhere"}, []string{"database nowhere", "1044", "chatctl grants"}},
		"amqp-password": {"gateway", map[string]string{"CHAT_RABBITMQ_URL": wrongPassword(t)}, []string{"rabbitmq.url"}},
		"amqp-vhost":    {"gateway", map[string]string{"CHAT_RABBITMQ_URL": strings.TrimRight(testkit.AMQPURL(t), "/") + "/nowhere"}, []string{"virtual host nowhere"}},
	} {
		tt.env["CHAT_SERVER_GIVE_UP"] = "3s"
		w.Launch(t, tt.kind, name, tt.env)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !w.Ended(t, name, 30*time.Second) {
				t.Fatalf("%s goes on:\n%s", name, w.Log(name, 50))
			}
			log := w.Log(name, 1000)
			for _, word := range append(tt.says, "server.give_up") {
				if !strings.Contains(log, word) {
					t.Errorf("nothing of %q in\n%s", word, log)
				}
			}
			if n := strings.Count(log, "a failure that waiting does not mend"); n != 1 {
				t.Errorf("it is said %d times in\n%s", n, log)
			}
			if strings.Contains(log, ":wrong@") {
				t.Error("a password is in the log")
			}
		})
	}
}
