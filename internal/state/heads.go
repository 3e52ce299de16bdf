package state

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
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
// (Warm). Repeating it is harmless. Messages whose room has no head in heads are not appended. One round trip.
func (s *State) Count(ctx context.Context, heads []chat.Head, recent []chat.Message) error {
	if len(heads) == 0 {
		return nil
	}
	epochs := make(map[chat.RoomID]uint64, len(heads))
	scores := map[int][]redis.Z{}
	for _, h := range heads {
		epochs[h.Room] = h.Epoch
		p := h.Room.Partition(s.opt.Partitions)
		scores[p] = append(scores[p], redis.Z{Score: headScore(h.Epoch, h.Seq), Member: h.Room.String()})
	}
	lists := map[chat.RoomID][]any{}
	for i := range recent {
		if epoch, ok := epochs[recent[i].Room]; ok {
			lists[recent[i].Room] = append(lists[recent[i].Room], encodeRecent(epoch, &recent[i]))
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

const (
	recentLength  = 100
	recentTTL     = time.Minute // not renewed: a list with a hole ends soon, and the next reader makes a complete one
	recentVersion = 1
)

func random64() uint64 { return rand.Uint64() }

// Recent returns a hot room's newest messages, at most 100, ascending, each once, perhaps with holes. Those of another epoch
// are left out: after a restore the same seqs name other messages. nil where the room is cold.
func (s *State) Recent(ctx context.Context, room chat.RoomID, epoch uint64) (msgs []chat.Message, err error) {
	var values []string
	err = s.do(ctx, "recent", func(ctx context.Context) error {
		values, err = s.rdb().LRange(ctx, s.recentKey(room), -recentLength, -1).Result()
		return err
	})
	for _, v := range values {
		if of, m, ok := decodeRecent(room, v); ok && of == epoch {
			msgs = append(msgs, m)
		}
	}
	slices.SortFunc(msgs, func(a, b chat.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return slices.CompactFunc(msgs, func(a, b chat.Message) bool { return a.Seq == b.Seq }), err
}

// Warm makes a room hot for a minute: msgs are its newest messages, ascending; the last 100 are kept. Until then Count
// appends to them.
func (s *State) Warm(ctx context.Context, room chat.RoomID, epoch uint64, msgs []chat.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	msgs = msgs[max(0, len(msgs)-recentLength):]
	values := make([]any, len(msgs))
	for i := range msgs {
		values[i] = encodeRecent(epoch, &msgs[i])
	}
	key := s.recentKey(room)
	return s.do(ctx, "warm", func(ctx context.Context) error {
		_, err := s.rdb().TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Del(ctx, key)
			p.RPush(ctx, key, values...)
			p.PExpire(ctx, key, recentTTL)
			return nil
		})
		return err
	})
}

func encodeRecent(epoch uint64, m *chat.Message) []byte {
	b := make([]byte, 0, 64+len(m.ClientMsgID)+len(m.Content))
	b = append(b, recentVersion)
	for _, v := range []uint64{epoch, uint64(m.Seq), m.Ord, uint64(m.Sender), uint64(m.CreatedAt.UnixMicro())} {
		b = binary.AppendUvarint(b, v)
	}
	for _, t := range []string{string(m.Kind), m.ClientMsgID, m.Content} {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	return b
}

func decodeRecent(room chat.RoomID, s string) (epoch uint64, m chat.Message, ok bool) {
	b := []byte(s)
	if len(b) == 0 || b[0] != recentVersion {
		return 0, m, false
	}
	b = b[1:]
	var nums [5]uint64
	for i := range nums {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, m, false
		}
		nums[i], b = v, b[n:]
	}
	var texts [3]string
	for i := range texts {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > uint64(len(b)-n) {
			return 0, m, false
		}
		texts[i], b = string(b[n:n+int(v)]), b[n+int(v):]
	}
	return nums[0], chat.Message{
		Room: room, Seq: chat.Seq(nums[1]), Ord: nums[2], Sender: chat.UserID(nums[3]),
		CreatedAt: time.UnixMicro(int64(nums[4])).UTC(),
		Kind:      chat.MessageKind(texts[0]), ClientMsgID: texts[1], Content: texts[2],
	}, len(b) == 0
}

// recentKey holds a hot room's newest messages: list of encoded messages.
func (s *State) recentKey(r chat.RoomID) string { return s.key("r"+r.String(), "recent") }

// headKey holds the heads of a partition's rooms that moved on that day: zset.
func (s *State) headKey(partition int, day int64) string {
	return s.key("h"+strconv.Itoa(partition), "heads:"+strconv.FormatInt(day, 10))
}

func day(t time.Time) int64 { return t.Unix() / 86400 }
