package auth

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"

	"chat-service/internal/chat"
)

// The minimum argon2id parameters that release mode accepts (OWASP's recommendation).
const (
	MinMemoryKiB = 19456
	MinTime      = 2
)

// HashOptions are the cost of a password hash and the bound on how many are computed at a time.
type HashOptions struct {
	// MemoryKiB is the memory of one hash, in KiB.
	MemoryKiB uint32 `yaml:"memory_kib"`
	// Time is the number of passes over that memory.
	Time uint32 `yaml:"time"`
	// Parallelism is the number of lanes of one hash.
	Parallelism uint8 `yaml:"parallelism"`
	// Concurrency is how many hashes are computed at a time; 0 means one per two processors, at least one: half of the machine is
	// left to everything else while somebody guesses at passwords.
	Concurrency int `yaml:"concurrency"`
	// Queue is how many more may wait for their turn; beyond it callers are refused with a time to retry after.
	Queue int `yaml:"queue"`
}

// DefaultHashOptions are OWASP's: 19 MiB, 2 passes, 1 lane. The queue is about two seconds of work for two processors.
func DefaultHashOptions() HashOptions {
	return HashOptions{MemoryKiB: MinMemoryKiB, Time: MinTime, Parallelism: 1, Queue: 128}
}

// Validate checks what argon2id itself requires.
func (o HashOptions) Validate() error {
	var errs []error
	if o.Time < 1 {
		errs = append(errs, errors.New("time: is 0: set 1 pass or more"))
	}
	if o.Parallelism < 1 {
		errs = append(errs, errors.New("parallelism: is 0: set 1 lane or more"))
	}
	if o.MemoryKiB < 8*uint32(o.Parallelism) || o.MemoryKiB > 4<<20 {
		errs = append(errs, fmt.Errorf("memory_kib: is %d: set 8 per lane or more, up to %d", o.MemoryKiB, 4<<20))
	}
	if o.Concurrency < 0 || o.Queue < 0 {
		errs = append(errs, errors.New("concurrency and queue: set 0 or more"))
	}
	return errors.Join(errs...)
}

// ValidateRelease refuses parameters that make passwords cheap to guess.
func (o HashOptions) ValidateRelease() error {
	var errs []error
	if o.MemoryKiB < MinMemoryKiB {
		errs = append(errs, fmt.Errorf("memory_kib: is %d: server.mode release needs %d or more", o.MemoryKiB, MinMemoryKiB))
	}
	if o.Time < MinTime {
		errs = append(errs, fmt.Errorf("time: is %d: server.mode release needs %d or more", o.Time, MinTime))
	}
	return errors.Join(errs...)
}

// Hasher hashes and verifies passwords by argon2id, a few at a time.
type Hasher struct {
	*Policy

	params  argon2id.Params
	absent  string        // a hash that no password matches, for users who don't exist
	slots   chan struct{} // one per hash being computed
	queued  atomic.Int64  // hashes being computed or waiting
	maximum int64         // of queued; beyond it callers are refused
}

// NewHasher makes a Hasher. It computes one hash, which Verify uses for users who don't exist.
func NewHasher(o HashOptions, p *Policy) (*Hasher, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Concurrency == 0 {
		o.Concurrency = max(1, runtime.GOMAXPROCS(0)/2)
	}
	h := &Hasher{
		Policy:  p,
		params:  argon2id.Params{Memory: o.MemoryKiB, Iterations: o.Time, Parallelism: o.Parallelism, SaltLength: 16, KeyLength: 32},
		slots:   make(chan struct{}, o.Concurrency),
		maximum: int64(o.Concurrency + o.Queue),
	}
	random, _ := NewRefresh()
	var err error
	h.absent, err = argon2id.CreateHash(random, &h.params)
	return h, err
}

// Hash returns the PHC string of a new password: "$argon2id$v=19$m=…,t=…,p=…$salt$key". It doesn't check the password against the
// policy; Check does. chat.Unavailable: too many are waiting already, or ctx ended.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	var hash string
	err := h.turn(ctx, password, func() (err error) {
		hash, err = argon2id.CreateHash(opaque(password), &h.params)
		return err
	})
	return hash, err
}

// Verify reports whether the password matches the PHC string, comparing in constant time, and whether the string should be
// renewed because the parameters have changed or it was made of another form of the password. An empty hash takes as long as a real one and never matches. chat.Invalid:
// the password is too long to be one. chat.Unavailable: too many are waiting already, or ctx ended.
func (h *Hasher) Verify(ctx context.Context, password, hash string) (ok, stale bool, err error) {
	known := hash != ""
	if !known {
		hash = h.absent
	}
	err = h.turn(ctx, password, func() error {
		for i, form := range forms(password) {
			fits, params, err := argon2id.CheckHash(form, hash)
			if err != nil {
				return fmt.Errorf("verify password: %w", err)
			}
			if fits {
				ok, stale = known, i > 0 || *params != h.params
				break
			}
		}
		return nil
	})
	return ok, ok && stale, err
}

// VerifyAbsent takes as long as Verify, for a user who doesn't exist, so that response times don't reveal which users do.
func (h *Hasher) VerifyAbsent(ctx context.Context, password string) error {
	_, _, err := h.Verify(ctx, password, "")
	return err
}

// turn runs fn when a slot is free. The queue is bounded by maximum: when it is full the caller is refused at once,
// because the user gives up on a login that waits for long anyway.
func (h *Hasher) turn(ctx context.Context, password string, fn func() error) error {
	if len(password) > MaxPasswordBytes {
		return tooLong()
	}
	if h.queued.Add(1) > h.maximum {
		h.queued.Add(-1)
		return busy(nil)
	}
	defer h.queued.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return busy(ctx.Err())
	}
	defer func() { <-h.slots }()
	return fn()
}

func busy(cause error) error {
	e := chat.Wrap(chat.Unavailable, cause, "too many logins at the moment")
	e.RetryAfter = 2 * time.Second
	return e
}
