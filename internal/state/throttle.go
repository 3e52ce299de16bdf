package state

import (
	"context"
	"time"

	"chat-service/internal/chat"
)

// Allow takes one from the key's allowance of limit per per, of which burst may be taken at once (GCRA, by Redis'
// clock). retryAfter is when there will be one again. A limit of 0 is no limit.
func (s *State) Allow(ctx context.Context, key string, limit, burst int, per time.Duration) (ok bool, retryAfter time.Duration, err error) {
	if limit <= 0 || per <= 0 {
		return true, 0, nil
	}
	step := max((per / time.Duration(limit)).Microseconds(), 1)
	var wait int64
	err = s.do(ctx, "allow", func(ctx context.Context) error {
		wait, err = allowScript.Run(ctx, s.rdb, []string{s.rateKey(key)}, step, max(burst, 1)).Int64()
		return err
	})
	if err != nil {
		return false, 0, err
	}
	return wait == 0, time.Duration(wait) * time.Microsecond, nil
}

// Refund gives back one that Allow took from the key.
func (s *State) Refund(ctx context.Context, key string, limit int, per time.Duration) error {
	if limit <= 0 || per <= 0 {
		return nil
	}
	step := max((per / time.Duration(limit)).Microseconds(), 1)
	return s.do(ctx, "refund", func(ctx context.Context) error {
		return refundScript.Run(ctx, s.rdb, []string{s.rateKey(key)}, step).Err()
	})
}

// Try counts a try at the account from a place before it is judged, so that tries at once can't outrun the count. wait is 0 if
// it may be judged, else the time until one may be. From one place three failures are free, then each next one waits 1 s,
// doubling up to 5 min; from all places that are not known together twenty. A place is known for 30 days after a try that
// passed: what others do at the account doesn't delay it. An hour without tries forgets them.
func (s *State) Try(ctx context.Context, account, from string) (wait time.Duration, err error) {
	var ms int64
	err = s.do(ctx, "try", func(ctx context.Context) error {
		ms, err = tryScript.Run(ctx, s.rdb, s.tryKeys(account, from), chat.FreeTries, chat.FreeStrangerTries,
			chat.FirstTryDelay.Milliseconds(), chat.LongestTryDelay.Milliseconds(), chat.TriesForgotten.Milliseconds(),
			chat.PlaceKnown.Milliseconds()).Int64()
		return err
	})
	return time.Duration(ms) * time.Millisecond, err
}

// Settle takes back a counted try that didn't fail: one that passed, which makes its place known, or one that nobody judged.
func (s *State) Settle(ctx context.Context, account, from string, passed bool) error {
	return s.do(ctx, "settle", func(ctx context.Context) error {
		return settleScript.Run(ctx, s.rdb, s.tryKeys(account, from), passed, chat.PlaceKnown.Milliseconds()).Err()
	})
}
