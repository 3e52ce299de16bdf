package doctor

import (
	"fmt"
	"strings"

	"chat-service/internal/state"
)

// judgeRedis checks a cluster's shards, the sentinels' agreement, or the one server's role.
func (x *examination) judgeRedis(l state.Layout, where string) {
	x.judgeSentinels(l.Sentinels)
	if !l.Cluster {
		if l.Role != "master" {
			x.r.fail("set redis.host to the master; let Sentinel or a cluster fail over (docs/clusters.md)", "%s is a replica: it refuses writes", where)
		}
		return
	}
	before := x.r.Count(Fail) + x.r.Count(Warn)
	if l.Bare > 0 {
		x.r.fail("start the nodes that are down; if they are lost, redis-cli --cluster fix …, which loses what they held (the workers rebuild it)",
			"cluster: %d of 16384 slots have no living master: by default the cluster then serves no key, and presence is unknown", l.Bare)
	}
	replicas := 0
	for _, sh := range l.Shards {
		replicas += sh.Replicas
		if len(sh.Down) > 0 {
			x.r.warn("start them again", "cluster: nodes that are down or loading: %s", strings.Join(sh.Down, ", "))
		}
		if sh.Slots > 0 && sh.Master != "" && sh.Replicas == 0 {
			x.r.warn("add a replica on another machine (redis-cli --cluster add-node … --cluster-slave)", "cluster: the master %s with %d slots has no living replica: if it is lost, so are they", sh.Master, sh.Slots)
		}
	}
	if n := len(l.Shards); n < 3 {
		x.r.warn("use three masters, so that two can agree that one is lost", "cluster: %d masters can't replace one that is lost", n)
	}
	if x.r.Count(Fail)+x.r.Count(Warn) == before {
		x.r.ok("cluster: %d masters serve all slots, with %d replicas", len(l.Shards), replicas)
	}
}

// judgeSentinels checks that they agree on one master, and that they can replace it.
func (x *examination) judgeSentinels(all []state.Sentinel) {
	if len(all) == 0 {
		return
	}
	masters, said := map[string]bool{}, []string{}
	for _, s := range all {
		if s.Err != nil {
			x.r.warn("start it, or correct redis.addrs, redis.master and the sentinels' password", "sentinel %s: %v", s.Addr, s.Err)
			continue
		}
		masters[s.Master] = true
		said = append(said, fmt.Sprintf("%s names %s", s.Addr, s.Master))
	}
	switch {
	case len(masters) > 1:
		x.r.fail("wait a minute for the sentinels to agree; if they don't, they don't see each other: SENTINEL RESET on those that are wrong", "two masters: %s", strings.Join(said, "; "))
	case len(all) < 3:
		x.r.warn("name three sentinels, on three machines, in redis.addrs", "%d sentinels: if one is lost, nobody can replace the master", len(all))
	case len(masters) == 1:
		x.r.ok("%d of %d sentinels name the same master", len(said), len(all))
	}
}
