package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"

	"chat-service/internal/chat"
)

// keysKnown is how many keys are remembered at most; each for liveFor, so that a revoked one ends within that.
const keysKnown = 1000

// errNoKey is the answer to what is no key, or not the right one: which of the two, nobody learns.
var errNoKey error = chat.E(chat.Unauthenticated, "send a key of the application as Authorization: Bearer sk_…")

// KeyCache remembers keys for a moment, so that not every call asks the store. Unknown ones are not remembered: an address may ask for
// few of them (Guard.Strangers).
type KeyCache struct {
	port Keys
	now  func() time.Time

	mu    sync.Mutex
	known *simplelru.LRU[string, keyEntry]
}

type keyEntry struct {
	key   chat.Key
	until time.Time
}

// NewKeyCache makes an empty cache in front of port.
func NewKeyCache(port Keys, now func() time.Time) *KeyCache {
	known, err := simplelru.NewLRU[string, keyEntry](keysKnown, nil)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &KeyCache{port: port, now: now, known: known}
}

// look returns a key that is remembered, and whether that is fresh.
func (k *KeyCache) look(id string) (key chat.Key, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.known.Get(id)
	return e.key, ok && k.now().Before(e.until)
}

// read asks the store. What it says is believed from when it was asked.
func (k *KeyCache) read(ctx context.Context, id string) (chat.Key, error) {
	asked := k.now()
	key, err := k.port.Key(ctx, id)
	switch {
	case chat.KindOf(err) == chat.NotFound:
		return chat.Key{}, errNoKey
	case err != nil:
		return chat.Key{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known.Add(id, keyEntry{key, asked.Add(liveFor)})
	return key, nil
}

// used remembers that the key is used now, once a minute.
func (k *KeyCache) used(ctx context.Context, key chat.Key) error {
	now := k.now()
	k.mu.Lock()
	e, ok := k.known.Peek(key.ID)
	due := now.Sub(key.LastUsedAt) >= chat.KeyUsedEvery && (!ok || now.Sub(e.key.LastUsedAt) >= chat.KeyUsedEvery)
	if due && ok {
		e.key.LastUsedAt = now // calls at the same moment leave it to this one
		k.known.Add(key.ID, e)
	}
	k.mu.Unlock()
	if !due {
		return nil
	}
	return k.port.KeyUsed(ctx, key.ID, now)
}

// keyOf returns the key that a call carries, whatever it may do.
func (s *Server) keyOf(c *fiber.Ctx) (chat.Key, error) {
	g := s.opts.Guard
	text, err := bearer(c)
	if err != nil {
		return chat.Key{}, s.stranger(c, err)
	}
	id, secret, ok := chat.ParseKey(text)
	if !ok || g.Keys == nil {
		return chat.Key{}, s.stranger(c, errNoKey)
	}
	key, fresh := g.Keys.look(id)
	switch {
	case fresh:
	case key.Fits(secret): // it was good before: no stranger at its address can keep it out
		key, err = g.Keys.read(c.UserContext(), id)
	default:
		key, err = s.findKey(c, id)
	}
	if err != nil {
		return chat.Key{}, err
	}
	if !key.Fits(secret) {
		return chat.Key{}, s.stranger(c, errNoKey)
	}
	return key, nil
}

// findKey reads a key that isn't remembered. It is taken for a stranger's until it is found, so that made-up ids cost few questions.
func (s *Server) findKey(c *fiber.Ctx, id string) (chat.Key, error) {
	g, address := s.opts.Guard, chat.AddressKey(s.clientIP(c)).String()
	if err := g.Attempts.Stranger(address, g.Strangers); err != nil {
		return chat.Key{}, err
	}
	key, err := g.Keys.read(c.UserContext(), id)
	if !errors.Is(err, errNoKey) {
		g.Attempts.NoStranger(address, g.Strangers)
	}
	return key, err
}

// admitKey returns why a call with the key to a route with the scope is refused.
func (s *Server) admitKey(ctx context.Context, key chat.Key, scope chat.Scope) error {
	if err := key.Usable(s.opts.Now()); err != nil {
		return err
	}
	if err := s.opts.Guard.Keys.used(ctx, key); err != nil {
		s.opts.Log.WarnContext(ctx, "last use of a key not stored", "key", key.ID, "error", err)
	}
	if !key.May(scope) {
		return chat.E(chat.Forbidden, "the key lacks the scope %q", scope)
	}
	return nil
}

// keyed serves a route to keys with its scope. What was asked with a known key is recorded with its outcome; what came too fast isn't.
func (s *Server) keyed(r Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		key, err := s.keyOf(c)
		if err == nil {
			err = s.opts.Guard.Attempts.pace("key:"+key.ID, s.opts.Guard.ServerRequests)
		}
		if err != nil {
			return err
		}
		ctx := chat.WithOrigin(c.UserContext(), chat.Origin{By: "key:" + key.ID, IP: s.clientIP(c).String(), Request: requestID(c)})
		k := &Call{Ctx: ctx, srv: s, http: c, params: r.Params}
		status := http.StatusInternalServerError // if it panics
		defer func() {
			s.opts.Guard.Calls.Record(ctx, chat.Act{
				Kind: chat.ActKeyCall, User: k.Target, Room: k.Room, Detail: fmt.Sprintf("%s %s %d", r.Method, r.Path, status),
			})
		}()
		err = s.admitKey(ctx, key, r.Scope)
		if err == nil {
			err = k.names()
		}
		if err == nil {
			err = r.Do.handler(k)
		}
		if status = c.Response().StatusCode(); err != nil {
			status, _ = translate(err)
		}
		return err
	}
}
