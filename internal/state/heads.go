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
