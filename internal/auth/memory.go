package auth

import (
	"crypto/sha256"
	"sync"
	"time"
)

// rememberedTokens is the minimum number of most recently used tokens that a memory holds; it holds at most twice
// as many, about 200 bytes each.
const rememberedTokens = 8192

// memory caches tokens that were verified before: every request carries one, and checking a signature and six claims costs
// as much as a small query. A valid token stays valid until it expires, so only the expiry is checked again. It holds
// digests, so that a dump of the process's memory contains no usable tokens.
type memory struct {
	size int

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]Claims // when young is full it becomes old, and the previous old is dropped
}

func newMemory(size int) *memory {
	return &memory{size: size, young: map[[sha256.Size]byte]Claims{}}
}

// verify returns the cached claims of the token, or what v says about it.
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
