//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"chat-service/internal/ops/stack"
	"chat-service/internal/test/testkit"
	"chat-service/internal/test/testkit/history"
	"chat-service/internal/test/testkit/release"
)

// What `make chaos-cluster` runs unless told otherwise, and what a run of that length must reach.
const (
	clusterMinutes    = 6
	clusterLeastNodes = 20 // faults of nodes, and of the network between them
	withoutNode       = served
	clusterRound      = 7 * time.Minute
)

// newCluster starts the product on a site.
func newCluster(t *testing.T, o plan) *world {
	t.Helper()
	s := startSite(t, o.Before)
	w := &world{t: t, o: o, links: links{}, h: history.New(), began: time.Now(), dir: s.dir.Path(), site: s, deck: s.deck}
	flags := []string{}
	if o.Plant != "" {
		flags = []string{"-tags", "faults"}
	}
	t.Setenv(testkit.BinVar, build(t, w.dir, "cluster", flags...))
	env := calm()
	env["CHAT_RABBITMQ_QUEUE_TYPE"] = "quorum"
	if o.Plant != "" {
		env["CHAT_FAULTS_PLANT"] = o.Plant
	}
	maps.Copy(env, o.Env)
	var buildOf func(string) testkit.Build
	if o.Before {
		maps.DeleteFunc(env, func(name, _ string) bool { return slices.Contains(sinceThen, name) })
		before := release.Before(t)
		buildOf = func(string) testkit.Build { return before }
	}
	w.Fleet = testkit.StartFleet(t, testkit.FleetOptions{
		Gateways: 2, Workers: 2, APIs: 1, Env: env, Admin: true, BuildOf: buildOf,
		Where: func(process string) (string, []string) { return s.lab.Addr(process), s.lab.Within(process) },
		EnvOf: func(process string, env map[string]string) {
			if process == "chatctl" || o.Before {
				return
			}
			env["CHAT_DATABASE_USER"], env["CHAT_DATABASE_PASSWORD"] = w.databaseUser(t)
			for _, name := range []string{"CHAT_RABBITMQ_URL", "CHAT_REDIS_HOST", "CHAT_REDIS_PORT"} {
				delete(env, name)
			}
			env["CHAT_RABBITMQ_URLS"] = s.urls()
			env["CHAT_REDIS_ADDRS"], env["CHAT_REDIS_MASTER"] = "", "chat"
			for i, n := range s.nodes {
				if i > 0 {
					env["CHAT_REDIS_ADDRS"] += ","
				}
				env["CHAT_REDIS_ADDRS"] += n.addr + ":26379"
			}
			if o.Stale && process == "worker-1" {
				env["CHAT_DATABASE_HOST"] = s.dbs[0].addr
			}
			if process == "api-1" {
				env["CHAT_DATABASE_REPLICAS"] = fmt.Sprintf("%s:3306,%s:3306", s.dbs[0].addr, s.dbs[1].addr)
				delete(env, "CHAT_RABBITMQ_URLS")
				env["CHAT_RABBITMQ_URL"] = testkit.AMQPURL(t)
			}
		},
	})
	w.open(2)
	return w
}

// TestCluster plays faults of nodes and of the network between them, under load, and judges as TestChaos does: in rounds, each on a site of
// its own, because all that clients were told is kept in memory until it is judged.
func TestCluster(t *testing.T) {
	seed := uint64(fromEnv("CHAOS_SEED", float64(time.Now().Unix())))
	minutes := fromEnv("CHAOS_MINUTES", clusterMinutes)
	say("chaos-cluster: SEED=%d MINUTES=%g", seed, minutes)
	all, restarts := newResult(), 0
	var losses []loss
	end := time.Now().Add(time.Duration(minutes * float64(time.Minute)))
	for n := uint64(0); n == 0 || time.Until(end) > time.Minute && !t.Failed(); n++ {
		o := plan{Seed: seed + n*1_000_003, Clients: int(fromEnv("CHAOS_CLIENTS", 100)), Rooms: 16, Rate: fromEnv("CHAOS_RATE", 150), Numbers: true, Rest: 2 * time.Minute}
		t.Run(fmt.Sprintf("round %d", n+1), func(t *testing.T) {
			w := newCluster(t, o)
			if minutes < clusterMinutes {
				w.deck = w.site.brief
			}
			w.settle()
			if n == 0 {
				end = time.Now().Add(time.Duration(minutes * float64(time.Minute))) // building and starting doesn't count
			}
			w.round(all, min(time.Until(end), clusterRound), false)
			losses, restarts = append(losses, w.site.losses...), restarts+w.site.restarts
		})
	}
	all.print(seed)
	printLosses(losses)
	fmt.Printf("nodes of RabbitMQ that had to be restarted by hand  %d\n", restarts)
	if minutes >= clusterMinutes && !t.Failed() && (total(all.faults) < clusterLeastNodes || all.acked < leastAcked) {
		t.Errorf("harness invalid: %d faults and %d acknowledged messages, wanted %d and %d", total(all.faults), all.acked, clusterLeastNodes, leastAcked)
	}
}

// deck is a round of faults of a site, shuffled.
func (s *site) deck(r *rand.Rand) (cards []fault) {
	cards = []fault{
		s.killRabbit(false), s.killRabbit(true), s.killRabbit(true), s.stopRabbit(), s.restartRabbit(), s.loseMajority(),
		s.cut("machine cut off from all", func(n *node) (from, to []string) { a := s.others(n.addr); return a, a }),
		s.cut("machine cut off from its peers", func(n *node) (from, to []string) { a := s.peers(n); return a, a }),
		s.cut("machine isn't heard by its peers", func(n *node) (from, to []string) { return nil, s.peers(n) }),
		s.lossy(), s.slow(),
		s.killRedis(), s.stopRedis(), s.killSentinel(),
		s.failover("MySQL's primary killed"), s.failover("MySQL's primary cut off"), s.failover("MySQL's primary stopped"), s.stopReplica(),
		s.cutProcess("worker cut off from a machine", "worker"), s.cutProcess("gateway cut off from a machine", "gateway"),
		killWorker, killGateway,
	}
	r.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
	return cards
}

// brief is what a short run plays, always in the same order: the kinds of faults that differ most come first.
func (s *site) brief(*rand.Rand) []fault {
	return []fault{
		s.killRabbit(true), s.failover("MySQL's primary killed"), s.cut("machine cut off from its peers", func(n *node) (from, to []string) { a := s.peers(n); return a, a }),
		s.stopRedis(), s.failover("MySQL's primary cut off"), s.lossy(), killWorker, s.stopRabbit(), killGateway, s.killSentinel(), s.slow(),
	}
}

// others are all addresses of the site but one.
func (s *site) others(addr string) (list []string) {
	list = append(list, s.lab.Here())
	for _, host := range slices.Concat([]string{"m1", "m2", "m3", "d1", "d2"}, product) {
		if a := s.lab.Addr(host); a != addr {
			list = append(list, a)
		}
	}
	return append(list, s.vip)
}

func (s *site) peers(n *node) (list []string) {
	for _, other := range s.nodes {
		if other != n {
			list = append(list, other.addr)
		}
	}
	return list
}

// killRabbit kills a node of RabbitMQ: the one that leads most queues, or any.
func (s *site) killRabbit(leader bool) fault {
	name := "RabbitMQ node killed"
	if leader {
		name = "RabbitMQ's leader killed"
	}
	return fault{name, "rabbitmq", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		n, err := s.victim(ctx, r, leader)
		if err != nil {
			return time.Time{}, "", err
		}
		since, err := w.loseNode(ctx, n, name, func() error { return signalIn(n.dir, stack.RabbitMQ, syscall.SIGKILL) })
		return since, n.host, err
	}}
}

func (s *site) victim(ctx context.Context, r *rand.Rand, leader bool) (*node, error) {
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	if leader {
		return s.leader(ctx)
	}
	return s.nodes[r.IntN(len(s.nodes))], nil
}

// stopRabbit stops the leader in its tracks until service is whole without it. Then it is started anew, because RabbitMQ before 4.3 finds
// its tables diverged when it goes on.
func (s *site) stopRabbit() fault {
	return fault{"RabbitMQ's leader stopped", "rabbitmq", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		n, err := s.victim(ctx, r, true)
		if err != nil {
			return time.Time{}, "", err
		}
		since, err := w.loseNode(ctx, n, "RabbitMQ's leader stopped", func() error { return signalIn(n.dir, stack.RabbitMQ, syscall.SIGSTOP) })
		if err != nil {
			return since, n.host, err
		}
		return since, n.host, signalIn(n.dir, stack.RabbitMQ, syscall.SIGKILL)
	}}
}

func (s *site) restartRabbit() fault {
	return fault{"RabbitMQ node restarted in order", "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		n, err := s.victim(ctx, r, false)
		if err != nil {
			return time.Time{}, "", err
		}
		since, err := w.loseNode(ctx, n, "RabbitMQ node restarted in order", func() error { return signalIn(n.dir, stack.RabbitMQ, syscall.SIGTERM) })
		return since, n.host, err
	}}
}

// loseMajority cuts two of three machines off from everything: nothing can be confirmed. It heals by itself.
func (s *site) loseMajority() fault {
	return fault{"two machines cut off", "", func(ctx context.Context, _ *world, r *rand.Rand) (time.Time, string, error) {
		if err := s.ready(ctx); err != nil {
			return time.Time{}, "", err
		}
		first := r.IntN(len(s.nodes))
		pair := []*node{s.nodes[first], s.nodes[(first+1)%len(s.nodes)]}
		for _, n := range pair {
			if err := s.lab.Loss(ctx, n.host, 100, s.others(n.addr), s.others(n.addr)); err != nil {
				return time.Time{}, "", err
			}
		}
		pause(ctx, between(r, 5*time.Second, 10*time.Second))
		for _, n := range pair {
			if err := s.lab.Heal(context.WithoutCancel(ctx), n.host); err != nil {
				return time.Time{}, "", err
			}
		}
		return time.Now(), pair[0].host + " " + pair[1].host, nil
	}}
}

// cut drops packets of one machine until service is whole without it, and a while longer.
func (s *site) cut(name string, which func(*node) (from, to []string)) fault {
	return fault{name, "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		n, err := s.victim(ctx, r, r.IntN(2) == 0)
		if err != nil {
			return time.Time{}, "", err
		}
		from, to := which(n)
		since, err := w.loseNode(ctx, n, name, func() error { return s.lab.Loss(ctx, n.host, 100, from, to) })
		if err != nil {
			return since, n.host, err
		}
		pause(ctx, between(r, time.Second, 5*time.Second))
		return since, n.host, s.lab.Heal(context.WithoutCancel(ctx), n.host)
	}}
}

// lossy loses packets between machines.
func (s *site) lossy() fault {
	return fault{"network loses packets", "", func(ctx context.Context, _ *world, r *rand.Rand) (time.Time, string, error) {
		n, percent := s.nodes[r.IntN(len(s.nodes))], 5+r.IntN(20)
		if err := s.lab.Loss(ctx, n.host, percent, s.others(n.addr), s.others(n.addr)); err != nil {
			return time.Time{}, "", err
		}
		pause(ctx, between(r, 4*time.Second, 8*time.Second))
		return time.Now(), fmt.Sprintf("%s, %d %%", n.host, percent), s.lab.Heal(context.WithoutCancel(ctx), n.host)
	}}
}

// slow lets a machine send little.
func (s *site) slow() fault {
	return fault{"network is slow", "", func(ctx context.Context, _ *world, r *rand.Rand) (time.Time, string, error) {
		n, kbit := s.nodes[r.IntN(len(s.nodes))], 256+r.IntN(1024)
		if err := s.lab.Slow(ctx, n.host, kbit); err != nil {
			return time.Time{}, "", err
		}
		pause(ctx, between(r, 4*time.Second, 8*time.Second))
		return time.Now(), fmt.Sprintf("%s, %d kbit/s", n.host, kbit), s.lab.Heal(context.WithoutCancel(ctx), n.host)
	}}
}

// killRedis kills Redis' master.
func (s *site) killRedis() fault {
	return fault{"Redis' master killed", "redis", func(ctx context.Context, _ *world, _ *rand.Rand) (time.Time, string, error) {
		n, err := s.master(ctx)
		if err != nil {
			return time.Time{}, "", err
		}
		return time.Now(), n.host, signalIn(n.dir, stack.Redis, syscall.SIGKILL)
	}}
}

// stopRedis stops Redis' master until the sentinels have another one.
func (s *site) stopRedis() fault {
	return fault{"Redis' master stopped", "redis", func(ctx context.Context, _ *world, _ *rand.Rand) (time.Time, string, error) {
		n, err := s.master(ctx)
		if err != nil {
			return time.Time{}, "", err
		}
		since := time.Now()
		if err := signalIn(n.dir, stack.Redis, syscall.SIGSTOP); err != nil {
			return since, n.host, err
		}
		err = s.until(ctx, "other master of Redis", func() (bool, error) {
			addr, err := s.redisMaster()
			return err == nil && addr != n.addr, err
		})
		if err == nil {
			say("    the sentinels have another master %.2f s after", time.Since(since).Seconds())
		}
		if e := signalIn(n.dir, stack.Redis, syscall.SIGCONT); err == nil {
			err = e
		}
		return since, n.host, err
	}}
}

func (s *site) master(ctx context.Context) (n *node, err error) {
	err = s.until(ctx, "master of Redis", func() (bool, error) {
		addr, err := s.redisMaster()
		n = s.at(addr)
		return err == nil && n != nil, err
	})
	return n, err
}

func (s *site) killSentinel() fault {
	return fault{"sentinel killed", "", func(ctx context.Context, _ *world, r *rand.Rand) (time.Time, string, error) {
		n, since := s.nodes[r.IntN(len(s.nodes))], time.Now()
		n.sentinel.Kill()
		pause(ctx, between(r, time.Second, 3*time.Second))
		return since, n.host, s.startSentinel(n)
	}}
}

// failover loses MySQL's primary in one of three ways, promotes the replica, and has the old primary rejoin. Recovery counts from when
// the new primary takes writes.
func (s *site) failover(name string) fault {
	return fault{name, "mysql", func(ctx context.Context, _ *world, _ *rand.Rand) (time.Time, string, error) {
		old := s.primary
		var err error
		switch name {
		case "MySQL's primary killed":
			err = signalIn(old.dir, stack.MySQL8, syscall.SIGKILL)
		case "MySQL's primary stopped":
			err = signalIn(old.dir, stack.MySQL8, syscall.SIGSTOP)
		default:
			err = s.lab.Loss(ctx, old.host, 100, s.others(old.addr), s.others(old.addr))
		}
		if err != nil {
			return time.Time{}, old.host, err
		}
		begun := time.Now()
		at, err := s.promote(ctx)
		if err != nil {
			return at, old.host, err
		}
		say("    %s takes writes %.2f s after the loss of %s", s.primary.host, at.Sub(begun).Seconds(), old.host)
		if err := s.lab.Heal(context.WithoutCancel(ctx), old.host); err != nil {
			return at, old.host, err
		}
		if name != "MySQL's primary killed" { // its commits wait for a replica that it will never have: it is started anew
			if err := signalIn(old.dir, stack.MySQL8, syscall.SIGKILL); err != nil {
				return at, old.host, err
			}
		}
		return at, old.host + " → " + s.primary.host, s.rejoin(ctx)
	}}
}

// stopReplica stops MySQL's replica: commits wait for it, because nothing may be acknowledged that only one server has.
func (s *site) stopReplica() fault {
	return fault{"MySQL's replica stopped", "", func(ctx context.Context, _ *world, r *rand.Rand) (time.Time, string, error) {
		d := s.replica()
		if err := signalIn(d.dir, stack.MySQL8, syscall.SIGSTOP); err != nil {
			return time.Time{}, d.host, err
		}
		pause(ctx, between(r, time.Second, 4*time.Second))
		return time.Now(), d.host, signalIn(d.dir, stack.MySQL8, syscall.SIGCONT)
	}}
}

// cutProcess cuts a process of the product off from one machine.
func (s *site) cutProcess(name, kind string) fault {
	return fault{name, "", func(ctx context.Context, w *world, r *rand.Rand) (time.Time, string, error) {
		host, n, since := one(r, kind, 2), s.nodes[r.IntN(len(s.nodes))], time.Now()
		if err := s.lab.Loss(ctx, host, 100, []string{n.addr}, []string{n.addr}); err != nil {
			return since, host, err
		}
		w.without(since, n.host+" for "+host)
		return since, host + ", " + n.host, s.lab.Heal(context.WithoutCancel(ctx), host)
	}}
}
