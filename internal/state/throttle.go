package state

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"chat-service/internal/chat"
)

// Allow takes n from the key's allowance (GCRA, by Redis' clock), after what was taken elsewhere without asking, which counts in any
// case. wait is 0 if n were taken, else the time until they can be. An allowance that is off is no limit.
func (s *State) Allow(ctx context.Context, key string, r chat.Rate, n, elsewhere int) (wait time.Duration, err error) {
	if r.Off() {
		return 0, nil
	}
	var res []int64
	err = s.do(ctx, "allow", func(ctx context.Context) error {
		res, err = allowScript.Run(ctx, s.rdb(), []string{s.rateKey(key)}, allowArgs(r, n, elsewhere)...).Int64Slice()
		return err
	})
	if err != nil {
		return 0, err
	}
	return micros(res, 0), nil
}

// Spend reports what was taken from allowances without asking, and returns for how long from now on each of them is used, by all
// processes together: above r.Room() for those from which too much was taken.
func (s *State) Spend(ctx context.Context, r chat.Rate, taken []chat.Taken) (used []time.Duration, err error) {
	if r.Off() || len(taken) == 0 {
		return make([]time.Duration, len(taken)), nil
	}
	cmds := make([]*redis.Cmd, len(taken))
	err = s.do(ctx, "spend", func(ctx context.Context) error {
		_, err := s.rdb().Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, t := range taken {
				// By its text: in a pipeline it is too late to send that after a NOSCRIPT.
				cmds[i] = allowScript.Eval(ctx, p, []string{s.rateKey(t.Key)}, allowArgs(r, 0, t.N)...)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	used = make([]time.Duration, len(taken))
	for i, c := range cmds {
		res, _ := c.Int64Slice() // its error is the pipeline's
		used[i] = micros(res, 1)
	}
	return used, nil
}

func allowArgs(r chat.Rate, n, elsewhere int) []any {
	burst := max(r.Burst, 1)
	return []any{r.Step().Microseconds(), burst, min(n, burst), elsewhere}
}

// micros is a number of a script's answer as a time.
func micros(res []int64, i int) time.Duration {
	if i >= len(res) {
		return 0
	}
	return time.Duration(res[i]) * time.Microsecond
}

// Refund gives back n that Allow took from the key.
func (s *State) Refund(ctx context.Context, key string, r chat.Rate, n int) error {
	if r.Off() {
		return nil
	}
	return s.do(ctx, "refund", func(ctx context.Context) error {
		return refundScript.Run(ctx, s.rdb(), []string{s.rateKey(key)}, r.Step().Microseconds()*int64(min(n, max(r.Burst, 1)))).Err()
	})
}

// Try counts a try at the account from a place before it is judged, so that tries at once can't outrun the count. wait is 0 if
// it may be judged, else the time until one may be. From one place three failures are free, then each next one waits 1 s,
// doubling up to 5 min; from all places that are not known together twenty. A place is known for 30 days after a try that
// passed: what others do at the account doesn't delay it. An hour without tries forgets them.
func (s *State) Try(ctx context.Context, account, from string) (wait time.Duration, err error) {
	var ms int64
	err = s.do(ctx, "try", func(ctx context.Context) error {
		ms, err = tryScript.Run(ctx, s.rdb(), s.tryKeys(account, from), chat.FreeTries, chat.FreeStrangerTries,
			chat.FirstTryDelay.Milliseconds(), chat.LongestTryDelay.Milliseconds(), chat.TriesForgotten.Milliseconds(),
			chat.PlaceKnown.Milliseconds()).Int64()
		return err
	})
	return time.Duration(ms) * time.Millisecond, err
}

// Settle takes back a counted try that didn't fail: one that passed, which makes its place known, or one that nobody judged.
func (s *State) Settle(ctx context.Context, account, from string, passed bool) error {
	return s.do(ctx, "settle", func(ctx context.Context) error {
		return settleScript.Run(ctx, s.rdb(), s.tryKeys(account, from), passed, chat.PlaceKnown.Milliseconds()).Err()
	})
}
