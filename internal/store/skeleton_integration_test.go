//go:build integration

package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/store"
	"chat-service/internal/store/skeleton"
)

// TestSkeletons: of accounts that look alike and are registered at once one is made; accounts without a skeleton get one, batch by batch,
// and those that look like an older one give way and keep their names.
func TestSkeletons(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		var made atomic.Int32
		var all sync.WaitGroup
		for _, name := range []string{"scope", "ѕсоре", "ѕcope", "scоpe"} {
			all.Go(func() {
				_, err := d.Accounts.CreateUser(ctx, chat.User{Username: name, PasswordHash: fmt.Sprintf("%x", name)})
				switch {
				case err == nil:
					made.Add(1)
				case chat.KindOf(err) != chat.UsernameTaken:
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		if n := made.Load(); n != 1 {
			t.Errorf("%d accounts that look alike were made", n)
		}

		sql := d.DB.SQL()
		exec := func(query string, args ...any) {
			t.Helper()
			_, err := sql.ExecContext(ctx, query, args...)
			ok(t, err)
		}
		for i := range 7 { // as the release before does
			name := fmt.Sprintf("map%c.%d", "l1"[i%2], i/2*2)
			exec(`INSERT INTO users (username, nickname, nickname_key, password_hash, status, created_at)
				VALUES (?, 'n', 'n', 'h', 'active', UTC_TIMESTAMP(6))`, name)
		}
		for _, want := range []int{3, 3, 1, 0} {
			n, err := d.Accounts.FillSkeletons(ctx, 3)
			if err != nil || n != want {
				t.Errorf("filled %d, %v; want %d", n, err, want)
			}
		}
		rows, err := sql.QueryContext(ctx, "SELECT id, username, skeleton FROM users WHERE username LIKE 'map%' ORDER BY id")
		ok(t, err)
		defer rows.Close()
		for n := 0; rows.Next(); n++ {
			var id uint64
			var name, looks string
			ok(t, rows.Scan(&id, &name, &looks))
			if want := []string{skeleton.Of(name), skeleton.Shared(id)}[n%2]; looks != want {
				t.Errorf("%s has the skeleton %q, want %q", name, looks, want)
			}
		}
		ok(t, rows.Err())
		_, err = d.Accounts.CreateUser(ctx, chat.User{Username: "rnapl.4", PasswordHash: "h"})
		wantKind(t, err, chat.UsernameTaken)
		_, err = d.Operator.Sweep(ctx, d.DB.Now().AddDate(-1, 0, 0), 10)
		ok(t, err)
	})
}
