package auth

import (
	"testing"
	"time"

	"chat-service/internal/chat"
)

// TestMemory: a remembered token is good until it expires, and no other one becomes good with it. A verifier with another
// key stands in for "verified anew", because it refuses what only the memory can know.
func TestMemory(t *testing.T) {
	token := issue(t, options(keyNew))
	right, wrong := verifier(t, noon, options(keyNew)), verifier(t, noon, options(keyOld))
	m := newMemory(2)
	if _, err := m.verify(wrong, token, noon); chat.KindOf(err) != chat.Unauthenticated {
		t.Fatal("a bad token passes:", err)
	}
	if _, err := m.verify(wrong, token, noon); chat.KindOf(err) != chat.Unauthenticated {
		t.Fatal("a bad token is remembered as good:", err)
	}
	want, err := m.verify(right, token, noon)
	if err != nil || want.UserID != 42 {
		t.Fatal(want, err)
	}
	if got, err := m.verify(wrong, token, noon.Add(time.Hour-1)); err != nil || got != want {
		t.Fatal("forgotten at once:", got, err)
	}
	if _, err := m.verify(wrong, token, noon.Add(time.Hour)); err == nil {
		t.Fatal("remembered beyond its end")
	}
	if _, err := m.verify(wrong, token[:len(token)-1], noon); err == nil {
		t.Fatal("another token passes")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := newMemory(2)
	for i := range byte(9) {
		m.keep([32]byte{i}, Claims{UserID: chat.UserID(i)})
		if c, ok := m.find([32]byte{0}); !ok || c.UserID != 0 {
			t.Fatal("a token in use is forgotten after", i)
		}
		if n := len(m.young) + len(m.old); n > 4 {
			t.Fatal("holds", n)
		}
	}
	if _, ok := m.find([32]byte{1}); ok {
		t.Fatal("nothing is ever forgotten")
	}
}
