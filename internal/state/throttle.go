package state

import (
	"context"
	"time"
)

// How failures slow a login down.
const (
	freeFailures  = 3
	firstDelay    = time.Second
	longestDelay  = 5 * time.Minute
	forgetAllTime = time.Hour // after the last failure; longer than longestDelay
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

// Fail counts a failure of the key and returns how long its next try has to wait: nothing for the first three, then 1 s,
// doubling up to 5 min. An hour without failures forgets them.
func (s *State) Fail(ctx context.Context, key string) (delay time.Duration, err error) {
	var ms int64
	err = s.do(ctx, "fail", func(ctx context.Context) error {
		ms, err = failScript.Run(ctx, s.rdb, []string{s.failKey(key)}, freeFailures, firstDelay.Milliseconds(),
			longestDelay.Milliseconds(), forgetAllTime.Milliseconds()).Int64()
		return err
	})
	return time.Duration(ms) * time.Millisecond, err
}

// Delay returns how long the key's next try still has to wait.
func (s *State) Delay(ctx context.Context, key string) (delay time.Duration, err error) {
	var ms int64
	err = s.do(ctx, "delay", func(ctx context.Context) error {
		ms, err = delayScript.Run(ctx, s.rdb, []string{s.failKey(key)}).Int64()
		return err
	})
	return time.Duration(ms) * time.Millisecond, err
}

// Clear forgets the key's failures.
func (s *State) Clear(ctx context.Context, key string) error {
	return s.do(ctx, "clear", func(ctx context.Context) error { return s.rdb.Del(ctx, s.failKey(key)).Err() })
}
