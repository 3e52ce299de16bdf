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
		scores[p] = append(scores[p], redis.Z{Score: headScore(h.Epoch, h.Seq), Member: uint64(h.Room)})
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

// encodeRecent writes a message in its state as of changes: numbers, times as microseconds, texts after their lengths.
func encodeRecent(epoch uint64, changes chat.ChangeSeq, m *chat.Message) []byte {
	b := make([]byte, 0, 64+len(m.ClientMsgID)+len(m.Content)+len(m.Data))
	b = append(b, recentVersion)
	b = nums(b, epoch, uint64(changes), uint64(m.Seq), m.Ord, uint64(m.Sender), stamp(m.CreatedAt), uint64(m.ReplyTo))
	b = text(text(text(text(b, string(m.Kind)), m.ClientMsgID), m.Content), m.Data)
	if m.State == nil {
		return append(b, 0)
	}
	return encodeState(append(b, 1), m.State)
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

func nums(b []byte, vs ...uint64) []byte {
	for _, v := range vs {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func text(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }

// stamp is a time as a number; 0 is no time.
func stamp(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixMicro())
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

// recentKey holds a hot room's newest messages: list of encoded messages.
func (s *State) recentKey(r chat.RoomID) string {
	return s.key("r"+strconv.FormatUint(uint64(r), 10), "recent2")
}

// recentBeforeKey is where the release before keeps them. It knows of no changes, so it must get no list that this release writes.
func (s *State) recentBeforeKey(r chat.RoomID) string { return s.key("r"+r.String(), "recent") }
