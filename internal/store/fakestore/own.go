package fakestore

import (
	"context"
	"slices"

	"chat-service/internal/chat"
)

// OwnKeys implements the stations' ports; see changes.Store.
func (s *Store) OwnKeys(ctx context.Context, of []chat.Change) ([][]string, error) {
	end, err := s.begin(ctx, "OwnKeys")
	defer end()
	if err != nil {
		return nil, err
	}
	out := make([][]string, len(of))
	for i, c := range of {
		r := s.rooms[c.Room]
		if r == nil {
			continue
		}
		for k, all := range r.reacted {
			if k.seq == c.Seq && slices.ContainsFunc(all, func(x reactor) bool { return x.User == c.User }) {
				out[i] = append(out[i], k.key)
			}
		}
		slices.Sort(out[i])
	}
	return out, nil
}
