//go:build chaos

package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/test/testkit"
)

// p99 is how long probes took that began since.
func (p *prober) p99(since time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ds []time.Duration
	for _, s := range p.samples {
		if !s.began.Before(since) {
			ds = append(ds, s.done.Sub(s.began))
		}
	}
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[len(ds)*99/100]
}

// TestPoison puts what nobody can read into the partitions' queues, under load: it is set aside, and its neighbours notice nothing.
func TestPoison(t *testing.T) {
	w := newWorld(t, small(21))
	w.settle()
	w.traffic()
	since := time.Now()
	pause(t.Context(), 5*time.Second)
	calm := w.probes.p99(since)
	since = time.Now()
	const each = 5
	err := w.broker(func(ch *amqp.Channel) error {
		for n := range each {
			for p := range partitions {
				body := []byte(strings.Repeat("\xff", 1+n*7))
				if err := ch.Publish(w.Prefix+".in", fmt.Sprint(p), false, false, amqp.Publishing{Body: body}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, 20*time.Second, func() (bool, string) {
		n := 0
		err := w.DB.DB.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM dead_commands").Scan(&n)
		return err == nil && n >= each*partitions, fmt.Sprintf("%d of %d are set aside, %v", n, each*partitions, err)
	})
	pause(t.Context(), 3*time.Second)
	say("poison: probes' p99 %v before, %v with %d poisonous batches", calm.Round(time.Millisecond), w.probes.p99(since).Round(time.Millisecond), each*partitions)
	if _, err := w.DB.DB.ExecContext(t.Context(), "DELETE FROM dead_commands"); err != nil {
		t.Fatal(err)
	}
	w.judged("poison")
}

// TestSlowConsumer has members that read nothing in a room that is flooded: they are closed as slow, the gateway's memory stays bounded,
// and the others' probes take no longer.
func TestSlowConsumer(t *testing.T) {
	o := small(22)
	o.Env["CHAT_GATEWAY_QUEUE_BYTES"] = "65536"
	o.Quiet = true
	w := newWorld(t, o)
	w.settle()
	const lazy = 8
	users, rm := w.users(lazy), w.rooms[0]
	w.api.Must(t, 200, "POST", fmt.Sprintf("/rooms/%d/members", rm.id), rm.owner.Token, obj{"member_ids": testkit.IDs(users...)})
	for _, u := range users {
		w.deaf(u)
	}
	w.traffic()
	since := time.Now()
	pause(t.Context(), 5*time.Second)
	calm, before := w.probes.p99(since), w.memory()
	since = time.Now()
	flood := strings.Repeat("x", 16_000)
	slow := 0.0
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end) && slow < lazy; {
		rm.owner.c.Send(rm.id, flood)
		pause(t.Context(), 40*time.Millisecond)
		slow = 0
		for i := range w.urls {
			m, err := w.metrics(fmt.Sprintf("gateway-%d", i+1))
			if err == nil {
				slow += m[`chat_gateway_closes_total{code="4002"}`]
			}
		}
	}
	after := w.memory()
	say("slow consumers: %v of %d closed with 4002 after %.1f s; probes' p99 %v before, %v meanwhile; gateways' memory %.1f MiB before, %.1f MiB after", slow, lazy,
		time.Since(since).Seconds(), calm.Round(time.Millisecond), w.probes.p99(since).Round(time.Millisecond), before, after)
	if slow < lazy {
		t.Errorf("%v of %d slow consumers were closed", slow, lazy)
	}
	if after > before+100 {
		t.Errorf("the gateways' memory grew from %.1f to %.1f MiB", before, after)
	}
	w.judged("slow consumers")
}

// memory is the gateways' resident memory in MiB.
func (w *world) memory() (mib float64) {
	for i := range w.urls {
		if m, err := w.metrics(fmt.Sprintf("gateway-%d", i+1)); err == nil {
			mib += m["process_resident_memory_bytes"] / (1 << 20)
		}
	}
	return mib
}

// deaf opens a socket that reads nothing, until the test ends.
func (w *world) deaf(u testkit.User) {
	w.t.Helper()
	conn, err := w.deafConn(w.t.Context(), "gateway-"+strconv.Itoa(1+int(u.ID)%2), u)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
}
