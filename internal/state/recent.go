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
	recentVersion = 2
)

// Recent returns a hot room's newest messages, at most 100, ascending, each once, perhaps with holes. Those of another epoch
// are left out: after a restore the same seqs name other messages. So are those that were read before or after changes: what a
// message was then may have been edited or recalled since. nil where the room is cold.
func (s *State) Recent(ctx context.Context, room chat.RoomID, epoch uint64, changes chat.ChangeSeq) (msgs []chat.Message, err error) {
	var values []string
	err = s.do(ctx, "recent", func(ctx context.Context) error {
		values, err = s.rdb().LRange(ctx, s.recentKey(room), -recentLength, -1).Result()
		return err
	})
	for _, v := range values {
		if of, as, m, ok := decodeRecent(room, v); ok && of == epoch && (as == changes || servesOutdated()) {
			msgs = append(msgs, m)
		}
	}
	slices.SortFunc(msgs, func(a, b chat.Message) int { return cmp.Compare(a.Seq, b.Seq) })
	return slices.CompactFunc(msgs, func(a, b chat.Message) bool { return a.Seq == b.Seq }), err
}

// Warm makes a room hot for a minute: msgs are its newest messages, ascending, in their states as of changes, a number that was read
// before them; the last 100 are kept. Until then Count appends to them.
func (s *State) Warm(ctx context.Context, room chat.RoomID, epoch uint64, changes chat.ChangeSeq, msgs []chat.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	msgs = msgs[max(0, len(msgs)-recentLength):]
	values := make([]any, len(msgs))
	for i := range msgs {
		values[i] = encodeRecent(epoch, changes, &msgs[i])
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

// Outdate removes the recent lists that the release before keeps of rooms: messages in them were changed, and it wouldn't notice.
func (s *State) Outdate(ctx context.Context, rooms []chat.RoomID) error {
	if len(rooms) == 0 {
		return nil
	}
	return s.do(ctx, "outdate", func(ctx context.Context) error {
		_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, r := range rooms {
				p.PExpire(ctx, s.recentBeforeKey(r), 0) // as DEL, which a worker has no right to
			}
			return nil
		})
		return err
	})
}

// encodeState appends the state of a message that changed.
func encodeState(b []byte, s *chat.State) []byte {
	b = nums(b, uint64(s.ChangeSeq), s.Version, stamp(s.EditedAt), uint64(s.RecalledBy), stamp(s.RecalledAt),
		uint64(s.PinnedBy), stamp(s.PinnedAt), uint64(len(s.Reactions)))
	for _, r := range s.Reactions {
		b = nums(text(b, r.Key), uint64(r.Count), uint64(len(r.Users)))
		for _, u := range r.Users {
			b = nums(b, uint64(u))
		}
	}
	return b
}

// decodeRecent reads what encodeRecent wrote; ok is false for anything else.
func decodeRecent(room chat.RoomID, v string) (epoch uint64, changes chat.ChangeSeq, m chat.Message, ok bool) {
	if v == "" || v[0] != recentVersion {
		return 0, 0, m, false
	}
	r := recentReader{b: []byte(v[1:])}
	epoch, changes = r.num(), chat.ChangeSeq(r.num())
	m = chat.Message{
		Room: room, Seq: chat.Seq(r.num()), Ord: r.num(), Sender: chat.UserID(r.num()), CreatedAt: r.time(), ReplyTo: chat.Seq(r.num()),
		Kind: chat.MessageKind(r.text()), ClientMsgID: r.text(), Content: r.text(), Data: r.text(),
	}
	switch r.num() {
	case 0:
	case 1:
		m.State = r.state()
	default:
		r.bad = true
	}
	return epoch, changes, m, !r.bad && len(r.b) == 0
}

// recentReader reads an encoded message; bad is set where it is cut or of another form.
type recentReader struct {
	b   []byte
	bad bool
}

func (r *recentReader) num() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recentReader) text() string {
	n := r.num()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *recentReader) time() time.Time {
	if v := r.num(); v != 0 {
		return time.UnixMicro(int64(v)).UTC()
	}
	return time.Time{}
}

func (r *recentReader) state() *chat.State {
	s := &chat.State{
		ChangeSeq: chat.ChangeSeq(r.num()), Version: r.num(), EditedAt: r.time(), RecalledBy: chat.UserID(r.num()), RecalledAt: r.time(),
		PinnedBy: chat.UserID(r.num()), PinnedAt: r.time(),
	}
	for n := r.num(); n > 0 && !r.bad; n-- {
		x := chat.Reaction{Key: r.text(), Count: int(r.num())}
		for k := r.num(); k > 0 && !r.bad; k-- {
			x.Users = append(x.Users, chat.UserID(r.num()))
		}
		s.Reactions = append(s.Reactions, x)
	}
	return s
}

// recentBeforeKey is where the release before keeps them. It knows of no changes, so it must get no list that this release writes.
func (s *State) recentBeforeKey(r chat.RoomID) string { return s.key("r"+r.String(), "recent") }
