package testkit

import (
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxPartitions is how many inbound queues cleanup looks for.
const maxPartitions = 64

// FreshPrefix is a unique name, to prefix Redis keys or the names of queues and exchanges with.
// When the test ends, the keys "<prefix>:*" and the product's queues and exchanges "<prefix>.*" are removed from those
// servers that the environment names. Queues of gateways expire by themselves.
func FreshPrefix(t testing.TB) string {
	t.Helper()
	prefix := "t" + randomName()
	t.Cleanup(func() {
		if addr := os.Getenv(RedisVar); addr != "" {
			if err := cleanRedis(addr, prefix); err != nil {
				t.Logf("remove the test's keys: %v", err)
			}
		}
		if url := os.Getenv(AMQPVar); url != "" {
			if err := CleanRabbit(url, prefix); err != nil {
				t.Logf("remove the test's queues: %v", err)
			}
		}
	})
	return prefix
}

func cleanRedis(addr, prefix string) error {
	r, err := DialRedis(addr, 0)
	if err != nil {
		return err
	}
	return errors.Join(r.remove(prefix+":*"), r.Close())
}

// CleanRabbit removes the product's exchanges and queues of a prefix, and the further queues named. Missing ones
// are no error.
func CleanRabbit(url, prefix string, queues ...string) error {
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	ch, err := conn.Channel()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	queues = append(queues, prefix+".dead", prefix+".control", prefix+".beats")
	for p := range maxPartitions {
		queues = append(queues, prefix+".in."+strconv.Itoa(p))
	}
	var errs []error
	for _, q := range queues {
		if _, err := ch.QueueDelete(q, false, false, false); err != nil {
			errs = append(errs, err)
		}
	}
	for _, x := range []string{".in", ".out", ".dead", ".control"} {
		if err := ch.ExchangeDelete(prefix+x, false, false); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, conn.Close())...)
}

// FreshRedisDB reserves one of the shared Redis server's databases 1–15 for the test, emptied before and after. It is for
// processes without a key prefix.
func FreshRedisDB(t testing.TB) int {
	t.Helper()
	const owner = "testkit:owner"
	addr := RedisAddr(t)
	for db := 1; db < 16; db++ {
		r, err := DialRedis(addr, db)
		if err != nil {
			t.Fatalf("redis database %d: %v", db, err)
		}
		got, err := r.Do("SET", owner, t.Name(), "NX", "EX", "1800")
		if err != nil {
			t.Fatalf("redis database %d: %v", db, err)
		}
		if got != "OK" {
			_ = r.Close()
			continue
		}
		if err := r.remove("chat:*"); err != nil {
			t.Fatalf("redis database %d: %v", db, err)
		}
		_ = r.Close()
		t.Cleanup(func() {
			r, err := DialRedis(addr, db)
			if err != nil {
				t.Logf("give back redis database %d: %v", db, err)
				return
			}
			if err := errors.Join(r.remove("*"), r.Close()); err != nil {
				t.Logf("give back redis database %d: %v", db, err)
			}
		})
		return db
	}
	t.Fatal("all 15 databases of the test's Redis are taken: other tests run, or were killed less than 30 minutes ago")
	return 0
}
