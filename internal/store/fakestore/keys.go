package fakestore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"chat-service/internal/chat"
)

func noKey() error { return chat.E(chat.NotFound, "no such key") }

// CreateKey implements the stations' ports; see accounts.Store.
func (s *Store) CreateKey(ctx context.Context, k chat.Key) error {
	end, err := s.begin(ctx, "CreateKey")
	defer end()
	if err != nil {
		return err
	}
	if k.CreatedAt.IsZero() {
		k.CreatedAt = s.now()
	}
	s.keys[k.ID] = k
	return nil
}

// Keys implements the stations' ports; see accounts.Store.
func (s *Store) Keys(ctx context.Context) ([]chat.Key, error) {
	end, err := s.begin(ctx, "Keys")
	defer end()
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(s.keys), func(a, b chat.Key) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	}), nil
}

// Key implements the stations' ports; see accounts.Store.
func (s *Store) Key(ctx context.Context, id string) (chat.Key, error) {
	end, err := s.begin(ctx, "Key")
	defer end()
	if err != nil {
		return chat.Key{}, err
	}
	k, ok := s.keys[id]
	if !ok {
		return chat.Key{}, noKey()
	}
	return k, nil
}

// KeyUsed implements the stations' ports; see accounts.Store.
func (s *Store) KeyUsed(ctx context.Context, id string, at time.Time) error {
	end, err := s.begin(ctx, "KeyUsed")
	defer end()
	if err != nil {
		return err
	}
	if k, ok := s.keys[id]; ok && at.Sub(k.LastUsedAt) >= chat.KeyUsedEvery {
		k.LastUsedAt = at.UTC().Truncate(time.Microsecond)
		s.keys[id] = k
	}
	return nil
}

// RevokeKey implements the stations' ports; see accounts.Store.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	end, err := s.begin(ctx, "RevokeKey")
	defer end()
	if err != nil {
		return err
	}
	k, ok := s.keys[id]
	if !ok {
		return noKey()
	}
	if k.RevokedAt.IsZero() {
		k.RevokedAt = s.now()
		s.keys[id] = k
	}
	return nil
}
