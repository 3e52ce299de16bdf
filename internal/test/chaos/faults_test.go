//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/faultproxy"
)

// fault is one card of the deck. run makes the fault and ends it, and returns the moment from which recovery counts.
type fault struct {
	name string
	kill string // which kind of process it kills; "" none
	run  func(ctx context.Context, w *world, r *rand.Rand) (since time.Time, detail string, err error)
}

// deck is a round of faults: kills of all kinds and everything else, shuffled, a kill every other time.
func deck(r *rand.Rand) (cards []fault) {
	var kills, others []fault
	for _, k := range []struct {
		f fault
		n int
	}{{killWorker, 4}, {killGateway, 4}, {killAPI, 2}, {killMySQL, 4}, {killRedis, 3}, {killRabbit, 2}, {wipeRabbit, 2}} {
		for range k.n {
			kills = append(kills, k.f)
		}
	}
	others = append(others, pauseWorker, pauseGateway, pauseServer(stack.MySQL, 4), pauseServer(stack.Redis, 6), pauseServer(stack.RabbitMQ, 5),
		flushRedis, purgeGateway, stealDeliveries, stealDeliveries, deleteGateway, deletePartition, workerComes, workerGoes, drainGateway, stopWorker, readOnly,
		blindWorker, fullGateway, deafReaders)
	others = append(others, linkFaults()...)
	r.Shuffle(len(kills), func(i, j int) { kills[i], kills[j] = kills[j], kills[i] })
	r.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for i := range max(len(kills), len(others)) {
		if i < len(kills) {
			cards = append(cards, kills[i])
		}
		if i < len(others) {
			cards = append(cards, others[i])
		}
	}
	return cards
}

func one(r *rand.Rand, kind string, n int) string { return kind + "-" + strconv.Itoa(1+r.IntN(n)) }

// killed kills a process of the product, waits until service is whole without it or for a while, and starts it again.
func killed(ctx context.Context, w *world, r *rand.Rand, name string) time.Time {
	since := time.Now()
	w.Kill(w.t, name)
	w.probes.await(since, between(r, 500*time.Millisecond, 3*time.Second))
	w.Restart(w.t, name)
	return since
}

var (
	killWorker = fault{"worker killed", "worker", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		name := one(r, "worker", 2)
		return killed(ctx, w, r, name), name, nil
	}}
	killGateway = fault{"gateway killed", "gateway", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		name := one(r, "gateway", 2)
		return killed(ctx, w, r, name), name, nil
	}}
	killAPI = fault{"api killed", "api", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		w.Kill(w.t, "api-1")
		pause(ctx, between(r, 300*time.Millisecond, 2*time.Second))
		w.Restart(w.t, "api-1")
		return time.Now(), "", nil
	}}
	killMySQL = fault{"MySQL killed", "mysql", func(ctx context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
		return w.killServer(ctx, stack.MySQL, nil)
	}}
	killRedis = fault{"Redis killed", "redis", func(ctx context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
		return w.killServer(ctx, stack.Redis, nil)
	}}
	killRabbit = fault{"RabbitMQ killed", "rabbitmq", func(ctx context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
		return w.killServer(ctx, stack.RabbitMQ, nil)
	}}
	wipeRabbit = fault{"RabbitMQ wiped", "rabbitmq", func(ctx context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
		return w.killServer(ctx, stack.RabbitMQ, w.srv.wipe)
	}}
)

// killServer kills a server; recovery counts from when the port of the next one takes clients.
func (w *world) killServer(ctx context.Context, k stack.Kind, first func() error) (time.Time, string, error) {
	if err := w.srv.kill(ctx, k, first); err != nil {
		return time.Time{}, "", err
	}
	at, err := w.srv.open(ctx, k)
	return at, "", err
}

var (
	pauseWorker = fault{"worker stopped in its tracks", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		name := one(r, "worker", 2)
		return w.paused(ctx, name, between(r, 2*time.Second, 8*time.Second)), name, nil
	}}
	pauseGateway = fault{"gateway stopped in its tracks", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		name := one(r, "gateway", 2)
		return w.paused(ctx, name, between(r, time.Second, 5*time.Second)), name, nil
	}}
)

func (w *world) paused(ctx context.Context, name string, d time.Duration) time.Time {
	w.Pause(w.t, name)
	pause(ctx, d)
	w.Resume(w.t, name)
	return time.Now()
}

// pauseServer stops a server in its tracks for up to so many seconds.
func pauseServer(k stack.Kind, most int) fault {
	return fault{fmt.Sprintf("%s stopped in its tracks", k), "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		if err := w.srv.signal(k, syscall.SIGSTOP); err != nil {
			return time.Time{}, "", err
		}
		d := between(r, time.Second, time.Duration(most)*time.Second)
		pause(ctx, d)
		return time.Now(), d.Round(time.Millisecond).String(), w.srv.signal(k, syscall.SIGCONT)
	}}
}

var flushRedis = fault{"Redis flushed", "", func(_ context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
	return time.Now(), "", w.flush()
}}

// flush forgets everything in Redis, as soon as one that was just restarted has read its data.
func (w *world) flush() error {
	for deadline := time.Now().Add(served); ; {
		c, err := testkit.DialRedis(w.RedisAddr, 0)
		if err == nil {
			_, err = c.Do("FLUSHALL")
			c.Close()
		}
		if err == nil || time.Now().After(deadline) || !strings.HasPrefix(err.Error(), "LOADING") {
			return err
		}
		pause(w.t.Context(), 50*time.Millisecond)
	}
}

// broker runs f on a channel of the suite's own.
func (w *world) broker(f func(*amqp.Channel) error) error {
	conn, err := amqp.DialConfig(testkit.AMQPURL(w.t), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	return f(ch)
}

// gatewayQueue is the name of a gateway's queue, as Redis knows it: soon after Redis lost everything, by the next heartbeat only.
func (w *world) gatewayQueue(gateway string) (name string, err error) {
	for end := time.Now().Add(20 * time.Second); ; pause(w.t.Context(), 200*time.Millisecond) {
		if name, err = w.leasedQueue(gateway); err == nil || time.Now().After(end) {
			return name, err
		}
	}
}

func (w *world) leasedQueue(gateway string) (string, error) {
	c, err := testkit.DialRedis(w.RedisAddr, w.RedisDB)
	if err != nil {
		return "", err
	}
	defer c.Close()
	keys, err := c.Keys("*:until")
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		v, err := c.Do("ZREVRANGE", k, "0", "-1")
		list, ok := v.([]any)
		if err != nil || !ok {
			continue
		}
		for _, x := range list { // the one whose lease ends last is the one that lives
			if id, _ := x.(string); strings.HasPrefix(id, gateway+".") {
				return w.Prefix + ".gw." + id, nil
			}
		}
	}
	return "", fmt.Errorf("no lease of %s in %v", gateway, keys)
}

// purgeGateway holds what a gateway is sent, empties its queue, and lets go: deliveries are lost and nobody is told.
var purgeGateway = fault{"deliveries lost", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	name := one(r, "gateway", 2)
	return time.Now(), name, w.lose(ctx, name, between(r, 500*time.Millisecond, 2*time.Second))
}}

// lose cuts a gateway off from the broker, which goes on filling its queue, and empties the queue before it is back.
func (w *world) lose(ctx context.Context, gateway string, d time.Duration) error {
	queue, err := w.gatewayQueue(gateway)
	if err != nil {
		return err
	}
	link := w.links[linkName(gateway, "rabbitmq")]
	link.Refuse(true)
	link.Cut()
	defer link.Resume()
	pause(ctx, d)
	return w.broker(func(ch *amqp.Channel) error {
		_, err := ch.QueuePurge(queue, false)
		return err
	})
}

// stealDeliveries takes deliveries from a gateway's queue under its nose: it hears of no loss.
var stealDeliveries = fault{"deliveries stolen", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	name := one(r, "gateway", 2)
	err := w.steal(ctx, name, func() { pause(ctx, between(r, 300*time.Millisecond, 2*time.Second)) })
	return time.Now(), name, err
}}

// steal consumes a gateway's queue before the gateway does, while during lasts.
func (w *world) steal(_ context.Context, gateway string, during func()) error {
	queue, err := w.gatewayQueue(gateway)
	if err != nil {
		return err
	}
	return w.broker(func(ch *amqp.Channel) error {
		loot, err := ch.Consume(queue, "thief", true, false, false, false, amqp.Table{"x-priority": int32(10)})
		if err != nil {
			return err
		}
		go func() {
			for range loot { // ends with the channel
			}
		}()
		during()
		return ch.Cancel("thief", false)
	})
}

var deleteGateway = fault{"gateway's queue deleted", "", func(_ context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	name := one(r, "gateway", 2)
	queue, err := w.gatewayQueue(name)
	if err != nil {
		return time.Time{}, name, err
	}
	return time.Now(), name, w.broker(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	})
}}

var deletePartition = fault{"partition's queue deleted", "", func(_ context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	queue := fmt.Sprintf("%s.in.%d", w.Prefix, r.IntN(partitions))
	return time.Now(), queue, w.broker(func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	})
}}

var (
	workerComes = fault{"worker comes", "", func(_ context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
		since := time.Now()
		w.Restart(w.t, "worker-3")
		return since, "", nil
	}}
	workerGoes = fault{"worker goes", "", func(_ context.Context, w *world, _ *rand.Rand) (time.Time, string, error) {
		since := time.Now()
		if ok, _ := w.Ready(w.t.Context(), "worker-3"); ok {
			w.Stop(w.t, "worker-3")
		}
		return since, "", nil
	}}
	stopWorker = fault{"worker restarted in order", "", func(_ context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		name, since := one(r, "worker", 2), time.Now()
		w.Restart(w.t, name)
		return since, name, nil
	}}
	drainGateway = fault{"gateway restarted in order", "", func(_ context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		name, since := one(r, "gateway", 2), time.Now()
		w.Restart(w.t, name)
		return since, name, nil
	}}
)

var readOnly = fault{"MySQL read-only", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
	set := func(on string) error {
		_, err := w.DB.DB.ExecContext(ctx, "SET GLOBAL read_only = "+on)
		return err
	}
	if err := set("ON"); err != nil {
		return time.Time{}, "", err
	}
	pause(ctx, between(r, 2*time.Second, 5*time.Second))
	err := set("OFF")
	return time.Now(), "", err
}}

// linkFaults are what can happen to a link, on links drawn at random.
func linkFaults() (fs []fault) {
	for _, x := range []struct {
		name string
		n    int
		do   func(context.Context, *faultproxy.Proxy, *rand.Rand)
	}{
		{"link cut", 2, func(_ context.Context, p *faultproxy.Proxy, _ *rand.Rand) { p.Cut() }},
		{"link refused", 1, func(ctx context.Context, p *faultproxy.Proxy, r *rand.Rand) {
			p.Refuse(true)
			p.Cut()
			pause(ctx, between(r, 500*time.Millisecond, 4*time.Second))
			p.Resume()
		}},
		{"link half open", 2, func(ctx context.Context, p *faultproxy.Proxy, r *rand.Rand) {
			p.Pause()
			pause(ctx, between(r, time.Second, 6*time.Second))
			p.Resume()
		}},
		{"link one way", 2, func(ctx context.Context, p *faultproxy.Proxy, r *rand.Rand) {
			p.OneWay([]faultproxy.Direction{faultproxy.Up, faultproxy.Down}[r.IntN(2)])
			pause(ctx, between(r, time.Second, 5*time.Second))
			p.Resume()
		}},
		{"link far away", 2, func(ctx context.Context, p *faultproxy.Proxy, r *rand.Rand) {
			jitter(ctx, p, between(r, 50*time.Millisecond, 300*time.Millisecond), between(r, 2*time.Second, 5*time.Second), r)
		}},
		{"link slow", 1, func(ctx context.Context, p *faultproxy.Proxy, r *rand.Rand) {
			slow(ctx, p, between(r, 2*time.Second, 5*time.Second))
		}},
		{"link cut inside of frames", 3, func(ctx context.Context, p *faultproxy.Proxy, r *rand.Rand) {
			bite(ctx, p, between(r, 2*time.Second, 4*time.Second), r)
		}},
	} {
		for range x.n {
			fs = append(fs, fault{x.name, "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
				names := w.links.names(" → ")
				name := names[r.IntN(len(names))]
				x.do(ctx, w.links[name], r)
				return time.Now(), name, nil
			}})
		}
	}
	return fs
}
