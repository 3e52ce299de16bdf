package state

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

const (
	recentLength  = 100
	recentTTL     = time.Minute // not renewed: a list with a hole ends soon, and the next reader makes a complete one
	recentVersion = 1
)

// Recent returns a hot room's newest messages, at most 100, ascending, each once, perhaps with holes. Those of another epoch
// are left out: after a restore the same seqs name other messages. nil where the room is cold.
func (s *State) Recent(ctx context.Context, room chat.RoomID, epoch uint64) (msgs []chat.Message, err error) {
	var values []string
	err = s.do(ctx, "recent", func(ctx context.Context) error {
		values, err = s.rdb.LRange(ctx, s.recentKey(room), -recentLength, -1).Result()
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
		_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
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
