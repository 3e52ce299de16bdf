package webhooks

import (
	"context"
	"slices"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/store/fakestore"
)

// Store is the fake. Safe for use by many goroutines.
type Store struct {
	log        *fakestore.Store
	partitions int
	now        func() time.Time

	mu       sync.Mutex
	hooks    []*endpoint
	last     chat.WebhookID
	cursors  map[chat.WebhookPlace]*chat.WebhookCursor
	attempts []chat.WebhookAttempt
	done     map[told]bool
	notes    []note
}

type endpoint struct {
	chat.Webhook
	lives             int // what happened to accounts before it was made
	sweptAt, sweptEnd time.Time
}

// told is an event of an account that an endpoint has answered.
type told struct {
	hook chat.WebhookID
	row  uint64
}

// note is what NoteWebhooks left.
type note struct {
	hook  chat.WebhookID
	event chat.WebhookEvent
}

// New makes the fake over a log; now is its clock.
func New(log *fakestore.Store, partitions int, now func() time.Time) *Store {
	return &Store{
		log: log, partitions: partitions, now: func() time.Time { return now().UTC().Truncate(time.Microsecond) },
		cursors: map[chat.WebhookPlace]*chat.WebhookCursor{}, done: map[told]bool{},
	}
}

func noWebhook() *chat.Error { return chat.E(chat.NotFound, "no such webhook") }

func (s *Store) find(id chat.WebhookID) *endpoint {
	if i := slices.IndexFunc(s.hooks, func(e *endpoint) bool { return e.ID == id }); i >= 0 {
		return s.hooks[i]
	}
	return nil
}

// CreateWebhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) CreateWebhook(ctx context.Context, w chat.Webhook) (chat.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := w.Check(); err != nil {
		return w, err
	}
	if len(s.hooks) >= chat.MaxWebhooks {
		return w, chat.E(chat.LimitReached, "there are %d webhooks, which is the limit", len(s.hooks))
	}
	s.last++
	w.ID, w.CreatedAt, w.CreatedBy = s.last, s.now(), chat.OriginOf(ctx).By
	s.hooks = append(s.hooks, &endpoint{Webhook: w, lives: len(s.log.Lives())})
	return w, nil
}

// Webhooks implements the stations' ports; see webhooks.Store of the store.
func (s *Store) Webhooks(context.Context) (ws []chat.Webhook, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.hooks {
		ws = append(ws, e.Webhook)
	}
	return ws, nil
}

// Webhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) Webhook(_ context.Context, id chat.WebhookID) (chat.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(id); e != nil {
		return e.Webhook, nil
	}
	return chat.Webhook{}, noWebhook()
}

// UpdateWebhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) UpdateWebhook(_ context.Context, id chat.WebhookID, p chat.WebhookPatch) (chat.Webhook, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.find(id)
	if e == nil {
		return chat.Webhook{}, noWebhook()
	}
	w := p.Of(e.Webhook, s.now())
	if err := w.Check(); err != nil {
		return w, err
	}
	if enabled := !e.DisabledAt.IsZero() && w.DisabledAt.IsZero(); enabled {
		for at, c := range s.cursors {
			if at.Webhook == id && c.Token == "" && !c.Next.IsZero() {
				c.Next, c.Tries = s.now(), 0
			}
		}
	}
	e.Webhook = w
	return w, nil
}

// DeleteWebhook implements the stations' ports; see webhooks.Store of the store.
func (s *Store) DeleteWebhook(_ context.Context, id chat.WebhookID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(id) == nil {
		return noWebhook()
	}
	s.hooks = slices.DeleteFunc(s.hooks, func(e *endpoint) bool { return e.ID == id })
	for at := range s.cursors {
		if at.Webhook == id {
			delete(s.cursors, at)
		}
	}
	s.attempts = slices.DeleteFunc(s.attempts, func(a chat.WebhookAttempt) bool { return a.Webhook == id })
	return nil
}

// WebhookAttempts implements the stations' ports; see webhooks.Store of the store.
func (s *Store) WebhookAttempts(_ context.Context, q chat.AttemptQuery) (as []chat.WebhookAttempt, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(q.Webhook) == nil {
		return nil, noWebhook()
	}
	for _, a := range slices.Backward(s.attempts) {
		fits := a.Webhook == q.Webhook && (q.Before == 0 || a.ID < q.Before) && (q.Event == "" || a.Event == q.Event) && (!q.Failed || a.Refusal != "")
		if fits && len(as) < q.Limit {
			as = append(as, a)
		}
	}
	return as, nil
}
