//go:build integration

package testkit

import (
	"database/sql"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestFreshDatabaseIsDropped(t *testing.T) {
	for _, dsn := range []string{MySQLDSN(t), MySQL8DSN(t)} {
		var name string
		t.Run("in use", func(t *testing.T) {
			d := FreshDatabaseOn(t, dsn)
			name = d.Name
			var got string
			if err := d.DB.QueryRow("SELECT DATABASE()").Scan(&got); err != nil || got != name {
				t.Fatalf("%q %v", got, err)
			}
		})
		admin, err := sql.Open("mysql", dsn)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		err = admin.QueryRow("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", name).Scan(&n)
		if err != nil || n != 0 {
			t.Errorf("%d databases %s left, %v", n, name, err)
		}
		_ = admin.Close()
	}
}

func TestFreshPrefixCleansUp(t *testing.T) {
	redis, err := DialRedis(RedisAddr(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	conn, err := amqp.Dial(AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	var prefix string
	t.Run("in use", func(t *testing.T) {
		prefix = FreshPrefix(t)
		if _, err := redis.Do("SET", prefix+":{x}:y", "1"); err != nil {
			t.Fatal(err)
		}
		if _, err := ch.QueueDeclare(prefix+".in.3", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
		if err := ch.ExchangeDeclare(prefix+".out", "fanout", true, false, false, false, nil); err != nil {
			t.Fatal(err)
		}
	})
	if keys, err := redis.Keys(prefix + "*"); err != nil || len(keys) != 0 {
		t.Errorf("keys left: %v %v", keys, err)
	}
	if _, err := ch.QueueDeclarePassive(prefix+".in.3", true, false, false, false, nil); err == nil {
		t.Error("the queue is left")
	}
	if ch, err = conn.Channel(); err != nil {
		t.Fatal(err)
	}
	if err := ch.ExchangeDeclarePassive(prefix+".out", "fanout", true, false, false, false, nil); err == nil {
		t.Error("the exchange is left")
	}
}

func TestFreshRedisDBs(t *testing.T) {
	a, b := FreshRedisDB(t), FreshRedisDB(t)
	if a == b || a == 0 || b == 0 {
		t.Errorf("databases %d and %d", a, b)
	}
	r, err := DialRedis(RedisAddr(t), a)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Do("SET", "k", "v"); err != nil {
		t.Fatal(err)
	}
	if v, err := r.Do("GET", "k"); v != "v" || err != nil {
		t.Errorf("%v %v", v, err)
	}
	if v, err := r.Do("GET", "none"); v != nil || err != nil {
		t.Errorf("%v %v", v, err)
	}
	if _, err := r.Do("NOSUCH"); err == nil {
		t.Error("an error reply passes for success")
	}
}

// TestVersions asks the servers what they are: `make matrix` shows it beside its results.
func TestVersions(t *testing.T) {
	var database string
	if err := FreshDatabase(t).DB.QueryRow("SELECT CONCAT(@@version_comment, ' ', @@version)").Scan(&database); err != nil {
		t.Fatal(err)
	}
	r, err := DialRedis(RedisAddr(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := r.Do("INFO", "server")
	if err != nil {
		t.Fatal(err)
	}
	info, _ := v.(string)
	redis := ""
	for line := range strings.Lines(info) {
		for _, field := range []string{"redis_version:", "valkey_version:"} {
			if rest, ok := strings.CutPrefix(line, field); ok {
				redis = strings.TrimSuffix(field, "_version:") + " " + strings.TrimSpace(rest)
			}
		}
	}
	conn, err := amqp.Dial(AMQPURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rabbit, _ := conn.Properties["version"].(string)
	if database == "" || redis == "" || rabbit == "" {
		t.Errorf("a server doesn't say what it is: %q, %q, %q", database, redis, rabbit)
	}
	t.Logf("versions: RabbitMQ %s, %s, %s", rabbit, database, redis)
}
