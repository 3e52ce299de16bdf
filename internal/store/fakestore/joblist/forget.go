package joblist

import (
	"context"

	"chat-service/internal/chat"
)

// Recalled remembers how many of a recalled message's reactions are still to be deleted. The store's lock is held.
func (l *List) Recalled(rs []chat.Reaction) {
	n := -chat.RecalledAtOnce
	for _, x := range rs {
		n += x.Count
	}
	if n > 0 {
		l.left = append(l.left, n)
	}
}

// ForgetReactions implements the stations' ports; see changes.Store.
func (l *List) ForgetReactions(ctx context.Context, atOnce int) (n int, more bool, err error) {
	end, err := l.host.Begin(ctx, "ForgetReactions")
	defer end()
	if err != nil || len(l.left) == 0 {
		return 0, false, err
	}
	n = min(atOnce, l.left[0])
	if l.left[0] -= n; n < atOnce {
		l.left = l.left[1:]
	}
	return n, true, nil
}
