package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chat-service/internal/chat"
)

// TestRecorder: acts are written in bounded batches, in their order, with the origin of their call; what is too much is dropped
// and counted, and nobody waits.
func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var batches [][]chat.Act
		var fail error
		r := newRecorder(func(_ context.Context, as []chat.Act) error {
			mu.Lock()
			defer mu.Unlock()
			batches = append(batches, as)
			return fail
		}, slog.New(slog.DiscardHandler), time.Second)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx := chat.WithOrigin(t.Context(), chat.Origin{By: "user:7", IP: "192.0.2.1", Request: "r-1", Session: "s"})
		for i := range waiting + 10 {
			r.Record(ctx, chat.Act{Kind: chat.ActLogin, User: chat.UserID(i + 1)})
		}
		if r.Dropped() != 10 {
			t.Errorf("dropped %d, want 10", r.Dropped())
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		mu.Lock()
		if len(batches) != 1 || len(batches[0]) != batch {
			t.Fatalf("%d batches after one interval", len(batches))
		}
		if a := batches[0][1]; a.User != 2 || a.By != "user:7" || a.IP != "192.0.2.1" || a.Request != "r-1" || a.Session != "s" || a.At.IsZero() {
			t.Errorf("recorded %+v", a)
		}
		fail = errors.New("down")
		mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		if r.Dropped() != 10+batch {
			t.Errorf("dropped %d after a failed write", r.Dropped())
		}
		mu.Lock()
		fail = nil
		mu.Unlock()
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, b := range batches {
			n += len(b)
		}
		if n != waiting {
			t.Errorf("%d of %d acts were written until the end", n, waiting)
		}
	})
}
