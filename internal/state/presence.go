package state

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// Online answers for each user, in order: online if one of the user's socket entries has a gateway whose lease lives. LastSeen
// is not known here. While heartbeats can't arrive (Blind), a user who isn't online is unknown; so is one with a socket at a gateway whose
// lease has lapsed, until a worker has judged it (Bury): with no worker alive all leases lapse.
func (s *State) Online(ctx context.Context, users []chat.UserID) (ps []chat.Presence, err error) {
	if len(users) == 0 {
		return nil, nil
	}
	err = s.do(ctx, "online", func(ctx context.Context) error {
		fields, l, err := s.fieldsOf(ctx, users)
		if err != nil {
			return err
		}
		ps = make([]chat.Presence, len(users))
		for i, u := range users {
			on := l.count(fields[i]) > 0
			ps[i] = chat.Presence{User: u, Online: on, Known: on || !l.blind && !l.doubts(fields[i])}
		}
		return nil
	})
	return ps, err
}

// OfflineLater makes users due to be announced as offline at that time. A later Register cancels it; an earlier
// time that was set before is kept.
func (s *State) OfflineLater(ctx context.Context, us []chat.UserID, at time.Time) error {
	if len(us) == 0 {
		return nil
	}
	return s.do(ctx, "offline_later", func(ctx context.Context) error {
		_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, u := range us {
				p.ZAddLT(ctx, s.dueKey(u.Partition(s.opt.Partitions)), redis.Z{Score: float64(at.UnixMilli()), Member: u.String()})
			}
			return nil
		})
		return err
	})
}

// partitionsDue returns those of the partitions that have users whose time has come.
func (s *State) partitionsDue(ctx context.Context, partitions []int, now time.Time) (due []int, err error) {
	if len(partitions) == 0 {
		return nil, nil
	}
	err = s.do(ctx, "partitions_due", func(ctx context.Context) error {
		counts := make([]*redis.IntCmd, len(partitions))
		if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, part := range partitions {
				counts[i] = p.ZCount(ctx, s.dueKey(part), "-inf", strconv.FormatInt(now.UnixMilli(), 10))
			}
			return nil
		}); err != nil {
			return err
		}
		for i, part := range partitions {
			if counts[i].Val() > 0 {
				due = append(due, part)
			}
		}
		return nil
	})
	return due, err
}

// OfflineDue takes users of the partitions whose time has come and who still have no live socket, at most limit of each partition; each
// is handed to one caller only. Users who are back are forgotten. While heartbeats can't arrive nobody is taken. With an error it
// returns those who were taken before it.
func (s *State) OfflineDue(ctx context.Context, partitions []int, now time.Time, limit int) (due []chat.UserID, err error) {
	partitions, err = s.partitionsDue(ctx, partitions, now) // nearly always none
	for i := 0; i < len(partitions) && err == nil; i++ {
		var more []chat.UserID
		more, err = s.offlineDue(ctx, partitions[i], now, limit)
		due = append(due, more...)
	}
	return due, err
}

func (s *State) offlineDue(ctx context.Context, partition int, now time.Time, limit int) (due []chat.UserID, err error) {
	err = s.do(ctx, "offline_due", func(ctx context.Context) error {
		key := s.dueKey(partition)
		members, err := s.rdb().ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: key, ByScore: true, Start: "-inf", Stop: strconv.FormatInt(now.UnixMilli(), 10), Count: int64(limit),
		}).Result()
		if err != nil || len(members) == 0 {
			return err
		}
		users := make([]chat.UserID, len(members))
		for i, m := range members {
			id, err := strconv.ParseUint(m, 10, 64)
			if err != nil {
				return fmt.Errorf("due user %q: malformed", m)
			}
			users[i] = chat.UserID(id)
		}
		fields, l, err := s.fieldsOf(ctx, users)
		if err != nil || l.blind {
			return err
		}
		claims := make([]*redis.IntCmd, len(users))
		if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := range users {
				claims[i] = p.ZRem(ctx, key, members[i])
			}
			return nil
		}); err != nil {
			return err
		}
		for i, u := range users {
			if claims[i].Val() == 1 && l.count(fields[i]) == 0 {
				due = append(due, u)
			}
		}
		return nil
	})
	return due, err
}
