package server

import (
	"context"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// How refused calls are slowed down. A client that calls again at once costs as much as what it is refused, so it gets its
// answer late; who keeps to Retry-After never notices.
const (
	brakeFor  = 100 * time.Millisecond
	brakeMost = 1000 // answers that wait at once: a connection and a goroutine each; more are answered at once
)

// braked is how often an address may be refused before its refusals come late.
var braked = chat.Rate{Limit: 10, Per: time.Second, Burst: 20}

// brake holds back the answers of those who don't wait.
type brake struct {
	refusals *localThrottle
	waiting  atomic.Int64
}

// slow counts a refusal of an address, and waits if there were many.
func (b *brake) slow(ctx context.Context, address string) {
	if early, _ := b.refusals.Allow(ctx, address, braked, 1, 0); early <= 0 { // memory does not fail
		return
	}
	if b.waiting.Add(1) <= brakeMost {
		t := time.NewTimer(brakeFor)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	b.waiting.Add(-1)
}
