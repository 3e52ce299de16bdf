package auth

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"chat-service/internal/chat"
)

// cheap is the least that argon2id takes, so that the tests are quick.
func cheap() HashOptions {
	return HashOptions{MemoryKiB: 8, Time: 1, Parallelism: 1, Concurrency: 1, Queue: 1}
}

func hasher(t *testing.T, o HashOptions) *Hasher {
	t.Helper()
	h, err := NewHasher(o, NewPolicy(false))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHashVerify(t *testing.T) {
	h := hasher(t, cheap())
	hash, err := h.Hash(t.Context(), "correct horse")
	if err != nil || !strings.HasPrefix(hash, "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Fatalf("Hash = %q, %v", hash, err)
	}
	if again, _ := h.Hash(t.Context(), "correct horse"); again == hash {
		t.Error("two hashes of a password are the same: where is the salt?")
	}
	o := cheap()
	o.Time = 2
	dearer := hasher(t, o)
	long := strings.Repeat("x", MaxPasswordBytes)
	longHash, err := h.Hash(t.Context(), long)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		h              *Hasher
		password, hash string
		ok, stale      bool
	}{
		"right":               {h, "correct horse", hash, true, false},
		"wrong":               {h, "correct horsf", hash, false, false},
		"absent":              {h, "correct horse", "", false, false},
		"parameters rose":     {dearer, "correct horse", hash, true, true},
		"wrong, rose":         {dearer, "nope", hash, false, false},
		"long":                {h, long, longHash, true, false},
		"nothing is cut off":  {h, long[1:], longHash, false, false},
		"last letter matters": {h, long[:len(long)-1] + "y", longHash, false, false},
	} {
		ok, stale, err := tt.h.Verify(t.Context(), tt.password, tt.hash)
		if ok != tt.ok || stale != tt.stale || err != nil {
			t.Errorf("%s: Verify = %v, %v, %v", name, ok, stale, err)
		}
	}
	if err := h.VerifyAbsent(t.Context(), "x"); err != nil {
		t.Errorf("VerifyAbsent = %v", err)
	}
}

func TestVerifyErrors(t *testing.T) {
	h := hasher(t, cheap())
	if _, _, err := h.Verify(t.Context(), strings.Repeat("x", MaxPasswordBytes+1), ""); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a password too long: %v, want invalid", err)
	}
	if _, err := h.Hash(t.Context(), strings.Repeat("x", MaxPasswordBytes+1)); chat.KindOf(err) != chat.Invalid {
		t.Errorf("a password too long: %v, want invalid", err)
	}
	if _, _, err := h.Verify(t.Context(), "x", "$2y$10$bcrypt"); chat.KindOf(err) != chat.Internal {
		t.Errorf("a hash that is none: %v, want internal", err)
	}
}

// TestQueue: one hash is computed, one waits, and the next is sent away at once.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hasher(t, cheap()) // its channel must be the bubble's
		running, finish := make(chan struct{}), make(chan struct{})
		first := make(chan error)
		go func() {
			first <- h.turn(t.Context(), "", func() error { close(running); <-finish; return nil })
		}()
		<-running
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error)
		go func() { second <- h.turn(ctx, "", func() error { return errors.New("it ran") }) }()
		synctest.Wait()

		_, err := h.Hash(t.Context(), "x")
		var e *chat.Error
		if !errors.As(err, &e) || e.Kind != chat.Unavailable || e.RetryAfter <= 0 {
			t.Errorf("with a full queue Hash = %v, want unavailable with a time to come back", err)
		}
		cancel()
		if err := <-second; chat.KindOf(err) != chat.Unavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("a waiting one whose ctx ends: %v", err)
		}
		close(finish)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if _, err := h.Hash(t.Context(), "x"); err != nil {
			t.Errorf("afterwards Hash = %v: places were lost", err)
		}
	})
}

func TestHashOptions(t *testing.T) {
	if err := errors.Join(DefaultHashOptions().Validate(), DefaultHashOptions().ValidateRelease()); err != nil {
		t.Error(err)
	}
	for name, o := range map[string]HashOptions{
		"nothing":   {},
		"no time":   {MemoryKiB: 8, Parallelism: 1},
		"no lanes":  {MemoryKiB: 8, Time: 1},
		"no memory": {Time: 1, Parallelism: 1},
		"8 GiB":     {MemoryKiB: 8 << 20, Time: 1, Parallelism: 1},
		"queue":     {MemoryKiB: 8, Time: 1, Parallelism: 1, Queue: -1},
	} {
		if _, err := NewHasher(o, NewPolicy(true)); err == nil {
			t.Errorf("%s: NewHasher took it", name)
		}
	}
	if cheap().ValidateRelease() == nil {
		t.Error("release took cheap hashes")
	}
}

func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		password       string
		debug, release bool
	}{
		{"", false, false},
		{"12345", false, false},
		{"123456", true, false},
		{"1234567", true, false},
		{"password123", true, false},
		{"PassWord123", true, false},
		{"zzzzzzzzzz", true, false},
		{"testuser1", true, false},
		{"TestUser1", true, false},
		{"zufällig", true, true},
		{"Summer2026", true, false},
		{"Winter2025!", true, false},
		{"2026-March", true, false},
		{"chat-service", true, false},
		{"Chat-Service2026!", true, false},
		{"Password2026", true, false},
		{"testuser1!!", true, false},
		{"testuser2026", true, false},
		{"qwertyuiop", true, false},
		{"asdfghjkl;'", true, false},
		{"poiuytrewq", true, false},
		{"qwerasdfzxcv", true, false},
		{"qazwsxedc", true, false},
		{"sunshine1", true, false},
		{"starwars1", true, false},
		{"summer rain in 2026", true, true},
		{"my chat is mine", true, true},
		{"testuser1 has a cat", true, true},
		{"20260301", true, true},
		{"correct horse battery staple", true, true},
		{strings.Repeat("ab", MaxPasswordBytes/2), true, true},
		{strings.Repeat("ab", MaxPasswordBytes/2) + "c", false, false},
	} {
		for release, want := range map[bool]bool{false: tt.debug, true: tt.release} {
			err := NewPolicy(release).Check(tt.password, "testuser1")
			if (err == nil) != want || err != nil && chat.KindOf(err) != chat.Invalid {
				t.Errorf("Check(%.20q), release %v = %v", tt.password, release, err)
			}
		}
	}
	if n := len(NewPolicy(true).common); n < 10_000 {
		t.Errorf("the list of common passwords has %d entries", n)
	}
}
