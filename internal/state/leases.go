package state

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// buriedFor is how long a buried gateway is remembered, to notice that it was not dead.
const buriedFor = 24 * time.Hour

// leases is which gateways live, judged at one moment by Redis' clock. blind: a lapsed one may live too.
type leases struct {
	live   map[chat.GatewayID]bool
	lapsed []chat.GatewayID
	blind  bool
}

// count counts the entries (by field) whose gateway lives.
func (l leases) count(fields []string) (n int) {
	for _, f := range fields {
		if g, _, ok := splitField(f); ok && l.live[g] {
			n++
		}
	}
	return n
}

// doubts reports that one of the entries (by field) has a gateway that has lapsed and isn't buried.
func (l leases) doubts(fields []string) bool {
	return len(l.lapsed) > 0 && slices.ContainsFunc(fields, func(f string) bool {
		g, _, ok := splitField(f)
		return ok && slices.Contains(l.lapsed, g)
	})
}

// judgeLeases reads all leases. newcomer, unless empty, gets a short one if it has none: its first beat may be under way.
func (s *State) judgeLeases(ctx context.Context, newcomer chat.GatewayID) (leases, error) {
	keys := []string{s.leaseKey(), s.blindKey()}
	var cmd *redis.Cmd
	if newcomer == "" { // read only: who merely asks may not write leases
		cmd = leasesScript.RunRO(ctx, s.rdb(), keys)
	} else {
		cmd = leasesScript.Run(ctx, s.rdb(), keys, string(newcomer), s.opt.Grace.Milliseconds())
	}
	reply, err := cmd.Slice()
	if err != nil {
		return leases{}, err
	}
	if len(reply) != 3 {
		return leases{}, fmt.Errorf("leases: %d parts in the reply", len(reply))
	}
	l := leases{live: map[chat.GatewayID]bool{}, lapsed: gatewayIDs(reply[1])}
	for _, g := range gatewayIDs(reply[0]) {
		l.live[g] = true
	}
	n, _ := reply[2].(int64)
	l.blind = n != 0
	return l, nil
}

func gatewayIDs(v any) (ids []chat.GatewayID) {
	list, _ := v.([]any)
	for _, x := range list {
		if id, ok := x.(string); ok {
			ids = append(ids, chat.GatewayID(id))
		}
	}
	return ids
}

// BeatGateway renews a gateway's lease: it lives for that long by Redis' clock, and after that counts as lapsed until Bury is
// done with it.
func (s *State) BeatGateway(ctx context.Context, g chat.GatewayID, lease time.Duration) error {
	return s.do(ctx, "beat", func(ctx context.Context) error {
		keys := []string{s.leaseKey(), s.buriedKey(), s.revivedKey()}
		return beatScript.Run(ctx, s.rdb(), keys, string(g), lease.Milliseconds()).Err()
	})
}

// Leases lists the gateways that live and those whose lease has lapsed and that are not buried yet, both sorted.
func (s *State) Leases(ctx context.Context) (live, lapsed []chat.GatewayID, err error) {
	err = s.do(ctx, "leases", func(ctx context.Context) error {
		l, err := s.judgeLeases(ctx, "")
		for g := range l.live {
			live = append(live, g)
		}
		lapsed = l.lapsed
		return err
	})
	slices.Sort(live)
	slices.Sort(lapsed)
	return live, lapsed, err
}

// Blind notes for ttl that heartbeats can't arrive: meanwhile Online answers "unknown" where it would say "offline".
func (s *State) Blind(ctx context.Context, ttl time.Duration) error {
	return s.do(ctx, "blind", func(ctx context.Context) error { return s.rdb().Set(ctx, s.blindKey(), 1, ttl).Err() })
}

// Revived takes the gateways that beat again after their entries were removed: they must report their sockets and rooms
// again. Each is handed out once.
func (s *State) Revived(ctx context.Context, limit int) (gws []chat.GatewayID, err error) {
	err = s.do(ctx, "revived", func(ctx context.Context) error {
		ids, err := s.rdb().SPopN(ctx, s.revivedKey(), int64(limit)).Result()
		for _, id := range ids {
			gws = append(gws, chat.GatewayID(id))
		}
		return err
	})
	return gws, err
}

// Bury removes at most limit socket entries of a gateway whose lease has lapsed, and returns the users among them who
// have no live socket now. done reports that nothing is left to do: all is removed, or the gateway lives after all.
// Repeating it is harmless; two at a time may return the same user twice.
func (s *State) Bury(ctx context.Context, g chat.GatewayID, limit int) (gone []chat.UserID, done bool, err error) {
	err = s.do(ctx, "bury", func(ctx context.Context) error {
		dead, err := s.mayBury(ctx, g, false)
		if err != nil || !dead {
			done = err == nil
			return err
		}
		members, err := s.rdb().SRandMemberN(ctx, s.indexKey(g), int64(limit)).Result()
		if err != nil {
			return err
		}
		if gone, err = s.removeEntries(ctx, g, members); err != nil {
			return err
		}
		left, err := s.rdb().SCard(ctx, s.indexKey(g)).Result()
		if err != nil || left > 0 {
			return err
		}
		_, err = s.mayBury(ctx, g, true)
		done = err == nil
		return err
	})
	return gone, done, err
}

func (s *State) mayBury(ctx context.Context, g chat.GatewayID, end bool) (bool, error) {
	args := []any{string(g), buriedFor.Milliseconds()}
	if end {
		args = append(args, "done")
	}
	n, err := buryScript.Run(ctx, s.rdb(), []string{s.leaseKey(), s.buriedKey()}, args...).Int()
	return n == 1, err
}

// removeEntries removes a gateway's entries from their users' hashes, then from its index, so that what a crash leaves
// behind is found again.
func (s *State) removeEntries(ctx context.Context, g chat.GatewayID, members []string) (gone []chat.UserID, err error) {
	if len(members) == 0 {
		return nil, nil
	}
	fields := map[chat.UserID][]string{}
	for _, m := range members {
		if u, id, ok := splitMember(m); ok {
			fields[u] = append(fields[u], entryField(g, id))
		}
	}
	users := make([]chat.UserID, 0, len(fields))
	if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
		for u, fs := range fields {
			users = append(users, u)
			p.HDel(ctx, s.socketsKey(u), fs...)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	slices.Sort(users)
	rest, l, err := s.fieldsOf(ctx, users)
	if err != nil {
		return nil, err
	}
	for i, u := range users {
		if l.count(rest[i]) == 0 {
			gone = append(gone, u)
		}
	}
	removed := make([]any, len(members))
	for i, m := range members {
		removed[i] = m
	}
	return gone, s.rdb().SRem(ctx, s.indexKey(g), removed...).Err()
}
