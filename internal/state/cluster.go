package state

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// join makes the client one of a cluster, once it has turned out that the one address that was given is a node of one: a client for a
// single server would only be told where its keys are. Calls under way end on the old client.
func (s *State) join() {
	s.joining.Lock()
	defer s.joining.Unlock()
	if s.inCluster() || s.closed || s.opt.Master != "" {
		return
	}
	s.before = s.rdb()
	s.client.Store(&client{s.opt.dial(true)})
}

// heed joins the cluster of the node that names another one.
func (s *State) heed(err error) {
	if _, moved := redis.IsMovedError(err); moved {
		s.join()
	}
}

func (s *State) inCluster() bool {
	_, ok := s.rdb().(*redis.ClusterClient)
	return ok
}

// Layout is what the servers say of themselves.
type Layout struct {
	Cluster bool
	Shards  []Shard // of a cluster
	Bare    int     // slots of the cluster that no living master serves: their keys can't be used, nor, by default, any
	Role    string  // of a single server: master or slave

	Sentinels []Sentinel
}

// Warnings names what is wrong, with what to do.
func (l Layout) Warnings() (ws []string) {
	switch {
	case l.Cluster && l.Bare > 0:
		ws = append(ws, fmt.Sprintf("%d of %d slots of the cluster have no living master, and presence is unknown until they have: start the nodes that are down",
			l.Bare, slotCount))
	case !l.Cluster && l.Role == "slave":
		ws = append(ws, "the server is a replica and refuses writes: set redis.host to the master")
	}
	first := ""
	for _, s := range l.Sentinels {
		switch {
		case s.Err != nil:
			ws = append(ws, fmt.Sprintf("sentinel %s: %v: start it, or correct redis.addrs, redis.master and the sentinels' password", s.Addr, s.Err))
		case first == "":
			first = s.Master
		case s.Master != first:
			ws = append(ws, fmt.Sprintf("sentinel %s names another master (%s) than the first (%s), so processes may write to two: wait a minute for them to "+
				"agree, then SENTINEL RESET on the one that is wrong", s.Addr, s.Master, first))
		}
	}
	return ws
}

// Sentinel is whom one of them takes for the master, or why it doesn't say.
type Sentinel struct {
	Addr, Master string
	Err          error
}

// Shard is a part of a cluster: a master and its replicas.
type Shard struct {
	Slots    int
	Master   string // "": none lives
	Replicas int    // that live
	Down     []string
}

// slotCount is how many slots a cluster has.
const slotCount = 16384

// Layout asks the servers. It is for operators.
func (s *State) Layout(ctx context.Context) (l Layout, err error) {
	if s.opt.Master != "" {
		l.Sentinels = s.sentinels(ctx)
	}
	if s.opt.Master != "" {
		err = s.do(ctx, "layout", func(ctx context.Context) error { return l.ask(ctx, s.rdb()) })
		return l, err
	}
	for _, addr := range s.opt.Addrs { // one that is down must not hide what the others say
		o := s.opt
		o.Addrs = []string{addr}
		one := o.dial(false)
		err = l.ask(ctx, one)
		_ = one.Close()
		if err == nil {
			return l, nil
		}
	}
	return l, chat.Wrap(chat.Unavailable, fmt.Errorf("redis layout: %w", err), "")
}

func (l *Layout) ask(ctx context.Context, c redis.UniversalClient) error {
	info, err := c.InfoMap(ctx, "replication", "cluster").Result()
	if err != nil {
		return err
	}
	if l.Role = info["Replication"]["role"]; info["Cluster"]["cluster_enabled"] != "1" {
		return nil
	}
	shards, err := c.ClusterShards(ctx).Result()
	if err != nil {
		return err
	}
	l.Cluster, l.Role = true, ""
	l.read(shards)
	return nil
}

func (l *Layout) read(shards []redis.ClusterShard) {
	covered := 0
	for _, sh := range shards {
		var out Shard
		for _, r := range sh.Slots {
			out.Slots += int(r.End-r.Start) + 1
		}
		for _, n := range sh.Nodes {
			switch {
			case n.Health != "online":
				out.Down = append(out.Down, addressOf(n))
			case n.Role == "master":
				out.Master = addressOf(n)
			default:
				out.Replicas++
			}
		}
		if out.Master != "" {
			covered += out.Slots
		}
		l.Shards = append(l.Shards, out)
	}
	l.Bare = slotCount - covered
}

func addressOf(n redis.Node) string {
	return net.JoinHostPort(cmp.Or(n.Endpoint, n.IP), strconv.FormatInt(cmp.Or(n.Port, n.TLSPort), 10))
}

// sentinels asks each sentinel for the master.
func (s *State) sentinels(ctx context.Context) (said []Sentinel) {
	for _, addr := range s.opt.Addrs {
		c := redis.NewSentinelClient(&redis.Options{
			Addr: addr, Username: s.opt.SentinelUsername, Password: s.opt.SentinelPassword, TLSConfig: s.opt.TLS,
			DialTimeout: s.opt.Timeout, ReadTimeout: s.opt.Timeout, WriteTimeout: s.opt.Timeout, MaxRetries: -1, DisableIdentity: true,
		})
		at, err := c.GetMasterAddrByName(ctx, s.opt.Master).Result()
		if err == nil && len(at) != 2 {
			err = fmt.Errorf("it answers %q", at)
		}
		one := Sentinel{Addr: addr, Err: err}
		if err == nil {
			one.Master = net.JoinHostPort(at[0], at[1])
		}
		said = append(said, one)
		_ = c.Close()
	}
	return said
}
