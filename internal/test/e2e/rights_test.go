//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/test/testkit"
)

// TestFewRights: the fleet of these tests runs with a user for each process and server, which is refused what the process has no need of.
// That the store's users are refused every statement on every table that they don't need is tried beside the store.
func TestFewRights(t *testing.T) {
	t.Parallel()
	w := shared(t)
	t.Run("mysql", w.fewSQLRights)
	t.Run("redis", w.fewRedisRights)
	t.Run("rabbitmq", w.fewBrokerRights)
	t.Run("operator", func(t *testing.T) { // any FAIL of doctor, and any refusal, is a failure of the command
		for _, args := range [][]string{{"doctor"}, {"partitions"}, {"dead", "list"}, {"audit"}, {"migrate", "--status"}} {
			w.Chatctl(t, args...)
		}
	})
}

// fewSQLRights: who is connected, and that a gateway has no user at all.
func (w *world) fewSQLRights(t *testing.T) {
	if name, _, ok := w.User(t, "mysql", "gateway"); ok {
		t.Errorf("the gateways have an SQL user, %s", name)
	}
	rows, err := w.DB.DB.QueryContext(t.Context(), "SELECT DISTINCT user FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()", w.DB.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var users []string
	for rows.Next() {
		var u string
		if err := rows.Scan(&u); err != nil {
			t.Fatal(err)
		}
		if u != w.DB.User { // the tests themselves
			users = append(users, strings.TrimPrefix(u, w.Prefix+"_"))
		}
	}
	slices.Sort(users)
	users = slices.DeleteFunc(users, func(u string) bool { return u == "operator" }) // a test's chatctl
	if got := strings.Join(users, " "); rows.Err() != nil || got != "api worker" {
		t.Errorf("connected to the database are %q (%v), want api and worker", got, rows.Err())
	}
}

func (w *world) fewRedisRights(t *testing.T) {
	if name, _, ok := w.User(t, "redis", "gateway"); ok {
		t.Errorf("the gateways have a Redis user, %s", name)
	}
	p := w.Prefix
	for role, commands := range map[string][]string{
		"api": {
			"HSET " + p + ":{u1}:sockets f v", "HGETALL " + p + ":{r1}:route", "SET " + p + ":{generation}:id x", "GET chat:{r1}:recent",
			"SUBSCRIBE " + p + ":{outbox}:calls", "PUBLISH other x", "KEYS *", "SCAN 0", "FLUSHALL", "CONFIG SET maxmemory 1", "ACL LIST", "SHUTDOWN",
		},
		"worker": {
			"GET " + p + ":{t:x}:rate", "DEL " + p + ":{u1}:sockets", "HGETALL other:{r1}:route", "KEYS *", "FLUSHDB", "CONFIG SET maxmemory 1",
			"ACL SETUSER x", "CLIENT LIST", "SHUTDOWN",
		},
		"operator": {"HDEL " + p + ":{u1}:sockets f", "GET " + p + ":{t:x}:rate", "LRANGE " + p + ":{r1}:recent 0 1", "FLUSHALL", "CONFIG SET maxmemory 1"},
	} {
		name, password, ok := w.User(t, "redis", role)
		if !ok {
			t.Fatalf("%s has no user", role)
		}
		r, err := testkit.DialRedis(w.RedisAddr, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := r.Do("AUTH", name, password); err != nil {
			t.Fatal(err)
		}
		for _, c := range commands {
			var refused testkit.ReplyError
			if v, err := r.Do(strings.Fields(c)...); !errors.As(err, &refused) || !strings.HasPrefix(string(refused), "NOPERM") {
				t.Errorf("%s may %s: %v %v", role, c, v, err)
			}
		}
		if v, err := r.Do("PING"); v != "PONG" || err != nil {
			t.Errorf("%s: %v %v", role, v, err)
		}
	}
}

// fewBrokerRights: each operation goes on a channel of its own, because a refusal closes it.
func (w *world) fewBrokerRights(t *testing.T) {
	testkit.BrokerAPI(t)
	in0, beats, control, gw := w.Prefix+".in.0", w.Prefix+".beats", w.Prefix+".control", w.Prefix+".gw.forged.1"
	declare := func(queue string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
			return err
		}
	}
	exchange := func(name string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(name, "fanout", true, false, false, false, nil)
		}
	}
	consume := func(queue string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.Consume(queue, "", false, false, false, false, nil)
			return err
		}
	}
	remove := func(queue string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(queue, false, false, false)
			return err
		}
	}
	publish := func(exchange string, key ...string) func(ch *amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			closed := ch.NotifyClose(make(chan *amqp.Error, 1))
			if err := ch.PublishWithContext(t.Context(), exchange, strings.Join(append(key, "nobody")[:1], ""), false, false, amqp.Publishing{}); err != nil {
				return err
			}
			select {
			case err := <-closed:
				return err
			case <-time.After(2 * time.Second):
				return nil
			}
		}
	}
	type try struct {
		what string
		do   func(ch *amqp.Channel) error
	}
	for role, tries := range map[string][]try{
		"gateway": {
			{"declare a worker's queue", declare(in0)},
			{"declare the control queue", declare(control)},
			{"consume a worker's queue", consume(in0)},
			{"declare the queue of heartbeats", declare(beats)},
			{"consume heartbeats", consume(beats)},
			{"consume heartbeats of 0.1.0", consume(control)},
			{"consume dead letters", consume(w.Prefix + ".dead")},
			{"delete a worker's queue", remove(in0)},
			{"declare an exchange", exchange(w.Prefix + ".out")},
			{"publish to all gateways", publish(w.Prefix + ".out")},
			{"publish to a queue directly", publish("", control)},
			{"publish to a gateway directly", publish("", gw)},
			{"declare a queue of somebody else", declare("other")},
		},
		"worker": {
			{"declare a gateway's queue", declare(gw)},
			{"consume a gateway's queue", consume(gw)},
			{"send commands", publish(w.Prefix + ".in")},
			{"declare a queue of somebody else", declare("other")},
			{"declare an exchange of somebody else", exchange("other.out")},
		},
		"operator": {
			{"declare a gateway's queue", declare(gw)},
			{"consume heartbeats", consume(beats)},
			{"consume heartbeats of 0.1.0", consume(control)},
			{"publish to all gateways", publish(w.Prefix + ".out")},
			{"send commands", publish(w.Prefix + ".in")},
		},
	} {
		name, password, ok := w.User(t, "rabbitmq", role)
		if !ok {
			t.Fatalf("%s has no user", role)
		}
		u, err := url.Parse(testkit.AMQPURL(t))
		if err != nil {
			t.Fatal(err)
		}
		u.User = url.UserPassword(name, password)
		conn, err := amqp.Dial(u.String())
		if err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		for _, a := range tries {
			ch, err := conn.Channel()
			if err != nil {
				t.Fatal(err)
			}
			var refused *amqp.Error
			if err := a.do(ch); !errors.As(err, &refused) || refused.Code != amqp.AccessRefused {
				t.Errorf("%s may %s: %v", role, a.what, err)
			}
			_ = ch.Close()
		}
		_ = conn.Close()
	}
	if _, _, ok := w.User(t, "rabbitmq", "api"); ok {
		t.Error("the api has a RabbitMQ user")
	}
}

// TestGrantsAreRepeated: made again, with processes running, the users keep their passwords; what a release before gave too much goes, and
// nobody notices. What can't be done is said.
func TestGrantsAreRepeated(t *testing.T) {
	t.Parallel()
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Gateways: 1, Workers: 1, APIs: 1, Env: calm()})
	w := &world{Fleet: fleet, api: fleet.API(1)}
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	s, other := w.dial(t, 1, us[0]), w.dial(t, 1, us[1])
	w.exec(t, fmt.Sprintf("GRANT DELETE ON `%s`.messages TO '%s_api'@'%%'", w.DB.Name, w.Prefix))
	_, before, _ := w.User(t, "mysql", "api")
	shown := w.Grant(t, "--only", "mysql,redis,rabbitmq", "--rabbitmq-api", testkit.BrokerAPI(t))
	if _, after, _ := w.User(t, "mysql", "api"); after != before || strings.Contains(shown, before) || !strings.Contains(shown, w.Prefix+"_worker") {
		t.Errorf("the password of the api was %q and is %q; chatctl says\n%s", before, after, shown)
	}
	if n := w.number(t, "SELECT COUNT(*) FROM information_schema.table_privileges WHERE table_schema = ? AND table_name = 'messages' AND privilege_type = 'DELETE'",
		w.DB.Name); n != 0 {
		t.Error("the api may still delete messages")
	}
	seq := w.chat(t, s, room, "after it")
	other.Expect(t, is("message", "room_id", room, "seq", seq))
	w.Restart(t, "worker-1")
	w.Restart(t, "api-1")
	w.chat(t, s, room, "and after new connections")

	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"--only", "rabbitmq"}, "rabbitmq: not done: the address of its HTTP API isn't given"},
		{[]string{"--only", "rabbitmq", "--rabbitmq-api", "http://127.0.0.1:9"}, "is its plugin enabled"},
	} {
		if out := w.GrantFails(t, tt.args...); !strings.Contains(out, tt.says) {
			t.Errorf("chatctl grants %v says %s, want %q", tt.args, out, tt.says)
		}
	}
}

// TestGatewayWaitsForTheFirstWorker: its user may not make the workers' queues. In a new installation it says so, doesn't give up, and is
// ready once a worker has made them; without workers later on, it starts by itself.
func TestGatewayWaitsForTheFirstWorker(t *testing.T) {
	t.Parallel()
	testkit.BrokerAPI(t)
	fleet := testkit.StartFleet(t, testkit.FleetOptions{Env: calm()})
	w := &world{Fleet: fleet}
	w.Launch(t, "gateway", "early", map[string]string{"CHAT_SERVER_GIVE_UP": "1s"})
	testkit.Eventually(t, patience, func() (bool, string) {
		status, text := w.readiness(t, "early")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "start a worker"), text
	})
	if w.Ended(t, "early", 3*time.Second) {
		t.Fatalf("it gives up:\n%s", w.Log("early", 50))
	}
	w.Launch(t, "worker", "first", nil)
	w.AwaitReady(t, "first")
	w.AwaitReady(t, "early")
	w.Stop(t, "first")
	w.Launch(t, "gateway", "late", nil)
	w.AwaitReady(t, "late")
}

// TestWorkerMayNotBindYet: with rights that lack the queue of heartbeats a worker works and says what is missing; gateways whose user
// may not write to the default exchange lose their heartbeats and nothing else. As soon as the rights are there, all is well.
func TestWorkerMayNotBindYet(t *testing.T) {
	t.Parallel()
	admin := testkit.BrokerAPI(t)
	fleet := testkit.StartFleet(t, testkit.FleetOptions{APIs: 1, Env: calm()})
	w := &world{Fleet: fleet, api: fleet.API(1)}
	p := regexp.QuoteMeta(w.Prefix)
	whole := fmt.Sprintf(`^(%[1]s\.in|%[1]s\.out|%[1]s\.dead|%[1]s\.control|%[1]s\.in\.[0-9]+)$`, p)
	w.setRights(t, admin, "worker", obj{
		"configure": whole, "write": fmt.Sprintf(`^(amq\.default|%[1]s\.out|%[1]s\.dead|%[1]s\.in\.[0-9]+)$`, p), "read": whole,
	})
	w.Launch(t, "worker", "worker-1", nil)
	w.AwaitReady(t, "worker-1")
	logged := func(process, words string) {
		t.Helper()
		testkit.Eventually(t, time.Minute, func() (bool, string) {
			log := w.Log(process, 1000)
			return strings.Contains(log, words) && strings.Contains(log, "chatctl grants"), fmt.Sprintf("%s says\n%s", process, log)
		})
	}
	logged("worker-1", "heartbeats of gateways aren't received")
	w.Launch(t, "gateway", "gateway-1", nil)
	w.AwaitReady(t, "gateway-1")
	us := w.users(t, 2)
	room := w.api.CreateRoom(t, us[0], us[1])
	s, other := w.dial(t, 1, us[0]), w.dial(t, 1, us[1])
	online := func() any {
		return w.api.Must(t, 200, "GET", fmt.Sprintf("/users/%d/presence", us[0].ID), us[1].Token, nil)["online"]
	}
	talk := func(text string) {
		t.Helper()
		seq := w.chat(t, s, room, text)
		other.Expect(t, is("message", "room_id", room, "seq", seq))
	}
	talk("while heartbeats are refused")
	logged("gateway-1", "heartbeats reach no worker")
	talk("after it")
	testkit.Eventually(t, time.Minute, func() (bool, string) { return online() != true, "users are online without a heartbeat" })
	if log := w.Log("gateway-1", 1000); strings.Contains(log, "connection lost") {
		t.Errorf("messages share the refusal; the gateway says\n%s", log)
	}
	w.Grant(t, "--only", "rabbitmq", "--rabbitmq-api", admin)
	testkit.Eventually(t, time.Minute, func() (bool, string) {
		v := online()
		return v == true, fmt.Sprintf("online is %v with all rights", v)
	})
	talk("with all rights")
}

// setRights replaces what a process's user may do at the broker.
func (w *world) setRights(t *testing.T, admin, role string, rights obj) {
	t.Helper()
	name, _, ok := w.User(t, "rabbitmq", role)
	body, err := json.Marshal(rights)
	if err != nil || !ok {
		t.Fatalf("%s has a user: %v, %v", role, ok, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, strings.TrimRight(admin, "/")+"/api/permissions/%2F/"+name, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		t.Fatalf("RabbitMQ answers %s", res.Status)
	}
}
