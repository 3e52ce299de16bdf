package state

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// forgetAtOnce is how many keys are looked for in one call.
const forgetAtOnce = 1000

// Forget deletes all of the installation's keys, and returns how many there were. What they held is rebuilt. It is for operators, while no
// process runs.
func (s *State) Forget(ctx context.Context) (n int, err error) {
	if err := s.Ready(ctx); err != nil { // a node of a cluster shows itself as one
		return 0, err
	}
	if _, err := s.Check(ctx); err != nil {
		return 0, err
	}
	var servers []*redis.Client
	if err := s.do(ctx, "forget", func(ctx context.Context) error {
		found := make(chan *redis.Client, 1000) // more masters than a cluster may have
		err := s.everywhere(ctx, func(_ context.Context, c *redis.Client) error { found <- c; return nil })
		close(found)
		for c := range found {
			servers = append(servers, c)
		}
		return err
	}); err != nil {
		return 0, err
	}
	for _, c := range servers {
		for cursor, begun := uint64(0), false; cursor != 0 || !begun; begun = true {
			err := s.do(ctx, "forget", func(ctx context.Context) error {
				keys, next, err := c.Scan(ctx, cursor, literally(s.prefix)+":*", forgetAtOnce).Result()
				if err != nil {
					return err
				}
				_, err = c.Pipelined(ctx, func(p redis.Pipeliner) error {
					for _, k := range keys { // one by one: those of a cluster lie in different slots
						p.Del(ctx, k)
					}
					return nil
				})
				cursor, n = next, n+len(keys)
				return err
			})
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// literally escapes what a pattern takes for more than itself.
func literally(s string) string {
	var b []byte
	for i := range len(s) {
		switch s[i] {
		case '*', '?', '[', ']', '\\', '^', '-':
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}
