package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// rememberedTokens is how many tokens a memory holds at least, of those that were asked for last; it holds at most twice
// as many, some 200 bytes each.
const rememberedTokens = 8192

// memory knows tokens that were verified already: every request brings one, and a signature and six claims are as much
// work as a small query. A token that was good stays so until it expires, so only that is looked at again. It holds digests,
// so that a dump of the process' memory is no bunch of keys.
type memory struct {
	size int

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]Claims // the old ones are dropped when the young ones are enough
}

func newMemory(size int) *memory {
	return &memory{size: size, young: map[[sha256.Size]byte]Claims{}}
}

// verify returns what is remembered of the token, else v's verdict.
func (m *memory) verify(v *Verifier, token string, now time.Time) (Claims, error) {
	if len(token) > MaxTokenBytes {
		return v.Verify(token)
	}
	key := sha256.Sum256([]byte(token))
	if c, ok := m.find(key); ok && now.Before(c.ExpiresAt) {
		return c, nil
	}
	c, err := v.Verify(token)
	if err == nil {
		m.keep(key, c)
	}
	return c, err
}

func (m *memory) find(key [sha256.Size]byte) (Claims, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.young[key]
	if ok {
		return c, true
	}
	if c, ok = m.old[key]; ok {
		m.add(key, c)
	}
	return c, ok
}

func (m *memory) keep(key [sha256.Size]byte, c Claims) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, c)
}

func (m *memory) add(key [sha256.Size]byte, c Claims) {
	if len(m.young) >= m.size {
		m.young, m.old = make(map[[sha256.Size]byte]Claims, m.size), m.young
	}
	m.young[key] = c
}
