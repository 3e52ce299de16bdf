// Package keyring is the part of the fake store that keeps the keys of the application's backend.
package keyring

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"chat-service/internal/chat"
)

// Ring keeps keys. Use New.
type Ring struct {
	begin func(ctx context.Context, verb string) (end func(), err error)
	now   func() time.Time
	keys  map[string]chat.Key
}

// New makes an empty ring. begin starts a verb: it holds a lock until end is called.
func New(begin func(ctx context.Context, verb string) (end func(), err error), now func() time.Time) *Ring {
	return &Ring{begin, now, map[string]chat.Key{}}
}

func noKey() error { return chat.E(chat.NotFound, "no such key") }

// CreateKey implements the stations' ports; see accounts.Store.
func (r *Ring) CreateKey(ctx context.Context, k chat.Key) error {
	end, err := r.begin(ctx, "CreateKey")
	defer end()
	if err != nil {
		return err
	}
	if k.CreatedAt.IsZero() {
		k.CreatedAt = r.now()
	}
	r.keys[k.ID] = k
	return nil
}

// Keys implements the stations' ports; see accounts.Store.
func (r *Ring) Keys(ctx context.Context) ([]chat.Key, error) {
	end, err := r.begin(ctx, "Keys")
	defer end()
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(r.keys), func(a, b chat.Key) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	}), nil
}

// Key implements the stations' ports; see accounts.Store.
func (r *Ring) Key(ctx context.Context, id string) (chat.Key, error) {
	end, err := r.begin(ctx, "Key")
	defer end()
	if err != nil {
		return chat.Key{}, err
	}
	k, ok := r.keys[id]
	if !ok {
		return chat.Key{}, noKey()
	}
	return k, nil
}

// KeyUsed implements the stations' ports; see accounts.Store.
func (r *Ring) KeyUsed(ctx context.Context, id string, at time.Time) error {
	end, err := r.begin(ctx, "KeyUsed")
	defer end()
	if err != nil {
		return err
	}
	if k, ok := r.keys[id]; ok && at.Sub(k.LastUsedAt) >= chat.KeyUsedEvery {
		k.LastUsedAt = at.UTC().Truncate(time.Microsecond)
		r.keys[id] = k
	}
	return nil
}

// RevokeKey implements the stations' ports; see accounts.Store.
func (r *Ring) RevokeKey(ctx context.Context, id string) error {
	end, err := r.begin(ctx, "RevokeKey")
	defer end()
	if err != nil {
		return err
	}
	k, ok := r.keys[id]
	if !ok {
		return noKey()
	}
	if k.RevokedAt.IsZero() {
		k.RevokedAt = r.now()
		r.keys[id] = k
	}
	return nil
}
