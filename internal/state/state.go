package state

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// State is the adapter to Redis. Its methods may be used by many goroutines.
type State struct {
	client  atomic.Pointer[client]
	opt     Options
	prefix  string
	metrics *Metrics
	breaker *breaker

	joining sync.Mutex
	before  redis.UniversalClient // of before join, in use until all is closed
	closed  bool
}

// client is one for a server, a cluster or a sentinels' master.
type client struct{ redis.UniversalClient }

func (s *State) rdb() redis.UniversalClient { return s.client.Load().UniversalClient }

// A head's score is epoch·2^40 + seq, exact in Redis' doubles up to epoch 8,191 and seq 10^12, so that "the greater
// one wins" merges within an epoch and lets a later epoch win over any earlier one.
const (
	seqBits  = 40
	epochMax = 1<<13 - 1
	headDays = 2
)

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

func headScore(epoch uint64, seq chat.Seq) float64 {
	return float64(min(epoch, epochMax)<<seqBits | min(uint64(seq), 1<<seqBits-1))
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

func day(t time.Time) int64 { return t.Unix() / 86400 }

// headKey holds the heads of a partition's rooms that moved on that day: zset.
func (s *State) headKey(partition int, day int64) string {
	return s.key("h"+strconv.Itoa(partition), "heads:"+strconv.FormatInt(day, 10))
}

// recentKey holds a hot room's newest messages: list of encoded messages.
func (s *State) recentKey(r chat.RoomID) string {
	return s.key("r"+strconv.FormatUint(uint64(r), 10), "recent2")
}

func (s *State) key(tag, tail string) string { return s.prefix + ":{" + tag + "}:" + tail }

// do runs one verb under the breaker, its deadline and the metrics, and translates its error.
func (s *State) do(ctx context.Context, verb string, f func(context.Context) error) error {
	start := time.Now()
	ok, probe := s.breaker.enter(start)
	if !ok {
		return s.refused(verb)
	}
	call, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	defer cancel()
	err := f(call)
	o := answered
	if err != nil {
		o = s.blame(ctx, err)
	}
	now := time.Now()
	s.metrics.Open.Set(s.breaker.leave(now, o, probe))
	s.metrics.Seconds.WithLabelValues(verb).Observe(now.Sub(start).Seconds())
	if err != nil {
		err = s.failed(verb, err)
	}
	return err
}

// breaker spares callers a server that doesn't answer: after limit failures in a row it refuses everything, except one
// probe per pause.
type breaker struct {
	limit int
	pause time.Duration

	mu       sync.Mutex
	failures int
	retryAt  time.Time // while open: when the next probe may go
	probing  bool
	cause    error // the last failure
}

// enter reports whether a call may go, and whether it is the probe. now is monotonic.
func (b *breaker) enter(now time.Time) (ok, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < b.limit {
		return true, false
	}
	return b.probes(now)
}

// outcome is what a call showed about the server.
type outcome uint8

const (
	answered outcome = iota
	failed
	unclear // the caller gave up: it shows nothing
)

// leave books a call's outcome and returns 1 if the breaker is open now, else 0.
func (b *breaker) leave(now time.Time, o outcome, probe bool) (open float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if probe {
		b.probing = false
	}
	switch o {
	case answered:
		b.failures = 0
	case failed:
		b.fail(now)
	}
	return float64(b.failures / b.limit) // there are never more
}

// refused is the error of a verb that the breaker doesn't let go.
func (s *State) refused(verb string) error {
	s.metrics.Refused.WithLabelValues(verb).Inc()
	return chat.Wrap(chat.Unavailable, fmt.Errorf("redis %s: %w", verb, s.breaker.refusal()), "")
}

// failed is the error of a verb that Redis didn't answer, or answered with an error.
func (s *State) failed(verb string, err error) error {
	s.metrics.Errors.WithLabelValues(verb).Inc()
	return chat.Wrap(chat.Unavailable, fmt.Errorf("redis %s: %w", verb, err), "")
}

// blame has the breaker and the client note why a call failed, and returns what that shows about the server.
func (s *State) blame(caller context.Context, err error) outcome {
	o := judge(caller, err)
	s.breaker.blame(o, err)
	s.heed(err)
	return o
}

// judge is what an error shows about the server: an error reply is an answer too, unless it says that the server
// can't serve.
func judge(caller context.Context, err error) outcome {
	var reply redis.Error
	switch {
	case errors.Is(caller.Err(), context.Canceled):
		return unclear
	case redis.IsLoadingError(err), redis.IsReadOnlyError(err), redis.IsClusterDownError(err), redis.IsMasterDownError(err), redis.IsMaxClientsError(err):
		return failed
	case errors.As(err, &reply):
		return answered
	default:
		return failed
	}
}

var errOpen = errors.New("not asked: it did not answer lately")

// blame notes why a call failed: those that the breaker refuses then say so, too.
func (b *breaker) blame(o outcome, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o == failed {
		b.cause = err
	}
}

// refusal is the error of a call that may not go.
func (b *breaker) refusal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cause == nil {
		return errOpen
	}
	return fmt.Errorf("%w: %w", errOpen, b.cause)
}

// probes reports for an open breaker whether a call may go, which is the probe then. The caller holds mu.
func (b *breaker) probes(now time.Time) (ok, probe bool) {
	if b.probing || now.Before(b.retryAt) {
		return false, false
	}
	b.probing = true
	return true, true
}

// fail counts a failure; from limit in a row on the breaker is open. The caller holds mu.
func (b *breaker) fail(now time.Time) {
	b.failures = min(b.failures+1, b.limit)
	if b.failures == b.limit {
		b.retryAt = now.Add(b.pause)
	}
}
