package state

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// A head's score is epoch·2^40 + seq, exact in Redis' doubles up to epoch 8,191 and seq 10^12, so that "the greater
// one wins" merges within an epoch and lets a later epoch win over any earlier one.
const (
	seqBits  = 40
	epochMax = 1<<13 - 1
	headDays = 2
)

func headScore(epoch uint64, seq chat.Seq) float64 {
	return float64(min(epoch, epochMax)<<seqBits | min(uint64(seq), 1<<seqBits-1))
}

// Count merges the rooms' heads by maximum and appends the messages to the recent lists of those rooms that are hot
// (Warm), in their states as of their heads' Changes. Repeating it is harmless. Messages whose room has no head in heads are not
// appended. One round trip.
func (s *State) Count(ctx context.Context, heads []chat.Head, recent []chat.Message) error {
	if len(heads) == 0 {
		return nil
	}
	of := make(map[chat.RoomID]chat.Head, len(heads))
	scores := map[int][]redis.Z{}
	for _, h := range heads {
		of[h.Room] = h
		p := h.Room.Partition(s.opt.Partitions)
		scores[p] = append(scores[p], redis.Z{Score: headScore(h.Epoch, h.Seq), Member: h.Room.String()})
	}
	lists := map[chat.RoomID][]any{}
	for i := range recent {
		if h, ok := of[recent[i].Room]; ok {
			lists[h.Room] = append(lists[h.Room], encodeRecent(h.Epoch, h.Changes, &recent[i]))
		}
	}
	return s.do(ctx, "count", func(ctx context.Context) error {
		today := day(time.Now())
		_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for part, zs := range scores {
				key := s.headKey(part, today)
				p.ZAddArgs(ctx, key, redis.ZAddArgs{GT: true, Members: zs})
				p.ExpireNX(ctx, key, headDays*24*time.Hour)
			}
			for room, values := range lists {
				p.RPushX(ctx, s.recentKey(room), values...)
				p.LTrim(ctx, s.recentKey(room), -recentLength, -1)
			}
			return nil
		})
		return err
	})
}

// HeadsOf returns the heads of those rooms that moved yesterday or today; the others are missing from the map.
func (s *State) HeadsOf(ctx context.Context, rooms []chat.RoomID) (heads map[chat.RoomID]chat.Seq, err error) {
	heads = make(map[chat.RoomID]chat.Seq, len(rooms))
	if len(rooms) == 0 {
		return heads, nil
	}
	parts := map[int][]chat.RoomID{}
	names := map[int][]string{}
	for _, r := range rooms {
		p := r.Partition(s.opt.Partitions)
		parts[p], names[p] = append(parts[p], r), append(names[p], r.String())
	}
	err = s.do(ctx, "heads_of", func(ctx context.Context) error {
		today := day(time.Now())
		cmds := map[int][headDays]*redis.FloatSliceCmd{}
		if _, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for part, ns := range names {
				var days [headDays]*redis.FloatSliceCmd
				for d := range days {
					days[d] = p.ZMScore(ctx, s.headKey(part, today-int64(d)), ns...)
				}
				cmds[part] = days
			}
			return nil
		}); err != nil {
			return err
		}
		for part, days := range cmds {
			for i, r := range parts[part] {
				best := max(days[0].Val()[i], days[1].Val()[i])
				if best > 0 {
					heads[r] = chat.Seq(uint64(best) & (1<<seqBits - 1))
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return heads, nil
}

// Generation returns the id of what Redis holds: another one than last time means that everything was lost since.
func (s *State) Generation(ctx context.Context) (id string, err error) {
	err = s.do(ctx, "generation", func(ctx context.Context) error {
		fresh := strconv.FormatUint(random64(), 36)
		id, err = s.rdb().SetArgs(ctx, s.generationKey(), fresh, redis.SetArgs{Mode: "NX", Get: true}).Result()
		if errors.Is(err, redis.Nil) {
			id, err = fresh, nil
		}
		return err
	})
	return id, err
}

func random64() uint64 { return rand.Uint64() }

// headKey holds the heads of a partition's rooms that moved on that day: zset.
func (s *State) headKey(partition int, day int64) string {
	return s.key("h"+strconv.Itoa(partition), "heads:"+strconv.FormatInt(day, 10))
}

func day(t time.Time) int64 { return t.Unix() / 86400 }
