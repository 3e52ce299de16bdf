package sockets

import (
	"slices"
	"testing"
	"time"

	"chat-service/internal/chat"
)

func TestGraces(t *testing.T) {
	var g graces
	now := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	g.note(now, []chat.UserID{1, 2}, now.Add(8*time.Second))
	g.note(now, []chat.UserID{3}, now.Add(10*time.Second))
	if got := g.pending(now.Add(9 * time.Second)); !slices.Equal(got, []chat.UserID{1, 2, 3}) {
		t.Errorf("pending %v", got)
	}
	if got := g.pending(now.Add(12 * time.Second)); !slices.Equal(got, []chat.UserID{3}) {
		t.Errorf("%v wait on", got)
	}
	g.note(now.Add(12*time.Second), []chat.UserID{4}, now.Add(20*time.Second))
	if len(g.waits) != 2 {
		t.Errorf("%d are kept", len(g.waits))
	}
	g.note(now, make([]chat.UserID, graceMax+5), now.Add(time.Hour))
	if len(g.waits) != graceMax {
		t.Errorf("%d are kept, the bound is %d", len(g.waits), graceMax)
	}
}
