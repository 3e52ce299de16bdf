package main

import (
	"context"
	"net/netip"
	"os"

	"chat-service/internal/ops/hooks"
	"chat-service/internal/ops/installation"
	"chat-service/internal/store"
)

// desk is where `chatctl webhook` works.
func desk(s *installation.Settings, io *streams) *hooks.Desk {
	return &hooks.Desk{
		Out: io.out, Err: io.err, JSON: io.printJSON, Rows: io.printRows,
		Act: func(ctx context.Context, fn func(ctx context.Context, db *store.Store) error) error {
			return act(ctx, s, fn)
		},
		Look: func(ctx context.Context, fn func(ctx context.Context, db *store.Store) error) error {
			ctx, cancel := context.WithTimeout(ctx, lookWithin)
			defer cancel()
			return s.WithStore(ctx, func(ctx context.Context, _ *installation.Installation, db *store.Store) error { return fn(ctx, db) })
		},
		Networks: func() ([]netip.Prefix, error) {
			in, err := s.Find(os.Environ())
			if err != nil {
				return nil, err
			}
			return in.PrivateNetworks()
		},
	}
}
