package webhooks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// more is whether a room is to be looked at again.
type more int

const (
	enough more = iota // nothing is left, or it waits for its next try
	now                // there is more
	soon               // somebody else has it, or the database didn't answer
)

// tell posts what a cursor hasn't passed: one event after the other, until one fails, or a page is told.
func (d *Dispatcher) tell(ctx context.Context, hook chat.Webhook, at chat.WebhookPlace) more {
	began := d.o.Now()
	claim := chat.WebhookClaim{WebhookPlace: at, Token: d.token(), Now: began, Until: began.Add(d.lease())}
	sctx, cancel := d.statement(ctx)
	cur, err := d.o.Book.ClaimWebhook(sctx, claim)
	cancel()
	switch {
	case chat.KindOf(err) == chat.NotFound:
		return enough // the endpoint was deleted
	case d.failed(ctx, "claim a room for a webhook", err):
		return soon
	case !cur.Claimed && cur.Token == "":
		return enough // it waits, and is due when its time has come
	case !cur.Claimed:
		return soon
	}
	r := run{d: d, hook: hook, cur: cur, token: claim.Token, until: claim.Until, settled: began, tries: cur.Tries}
	return r.page(ctx)
}

// lease is for how long a cursor is claimed. A third of it must be left at a post, which takes a quarter at most.
func (d *Dispatcher) lease() time.Duration { return 4 * d.o.Timeout }

// run is a claimed cursor on its way.
type run struct {
	d        *Dispatcher
	hook     chat.Webhook
	cur      chat.WebhookCursor // how far it was told
	token    string
	until    time.Time           // of the claim
	settled  time.Time           // when the table was told last how far it is
	events   []chat.WebhookEvent // that come next, as they were when they were read
	readAt   time.Time
	tries    int
	rows     []uint64 // of accounts
	attempts []chat.WebhookAttempt
	health   chat.WebhookHealth
	disable  string
}

// page tells a page.
func (r *run) page(ctx context.Context) more {
	if !r.read(ctx) {
		return r.end(ctx, soon, r.d.o.Now())
	}
	for range pageEvents {
		if len(r.events) == 0 {
			return r.end(ctx, enough, time.Time{})
		}
		if m, over := r.next(ctx); over {
			return m
		}
	}
	return r.end(ctx, now, time.Time{})
}

// next tells the next event, or passes over it; over: the run has ended.
func (r *run) next(ctx context.Context) (m more, over bool) {
	if ctx.Err() != nil {
		return r.end(ctx, soon, r.d.o.Now()), true
	}
	if !r.hook.Wants(r.events[0].Kind) {
		r.pass()
		return enough, false
	}
	if !r.held(ctx) {
		return soon, true
	}
	if r.d.pace(ctx); r.d.o.Now().Sub(r.readAt) > pageFresh {
		return r.again(ctx)
	}
	if went := r.post(ctx, &r.events[0]); went != taken {
		return r.fail(ctx, went), true
	}
	r.pass()
	return enough, false
}

// again tells the next event as it is now.
func (r *run) again(ctx context.Context) (m more, over bool) {
	if !r.read(ctx) {
		return r.end(ctx, soon, r.d.o.Now()), true
	}
	if len(r.events) == 0 || !r.hook.Wants(r.events[0].Kind) {
		return enough, false
	}
	if went := r.post(ctx, &r.events[0]); went != taken {
		return r.fail(ctx, went), true
	}
	r.pass()
	return enough, false
}

// pace waits until the next post may begin.
func (d *Dispatcher) pace(ctx context.Context) {
	d.mu.Lock()
	at := d.o.Now()
	if oldest := at.Add(-paceBurst); d.free.Before(oldest) {
		d.free = oldest
	}
	wait := d.free.Sub(at)
	d.free = d.free.Add(d.step())
	d.mu.Unlock()
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// read reads what comes next, but for what was told of accounts and isn't deleted yet.
func (r *run) read(ctx context.Context) (ok bool) {
	sctx, cancel := r.d.statement(ctx)
	defer cancel()
	r.readAt = r.d.o.Now()
	es, err := r.d.o.Book.WebhookPage(sctx, r.cur, pageEvents+len(r.rows))
	if r.d.failed(ctx, "read what a webhook is told", err) {
		return false
	}
	r.events = slices.DeleteFunc(es, func(e chat.WebhookEvent) bool { return e.Row != 0 && slices.Contains(r.rows, e.Row) })
	return true
}

// held makes sure that the claim outlasts the next post, and that not too much is repeated if this process dies.
func (r *run) held(ctx context.Context) bool {
	at := r.d.o.Now()
	if r.until.Sub(at) >= r.d.lease()/3 && at.Sub(r.settled) < settleAfter {
		return true
	}
	until := at.Add(r.d.lease())
	x := r.state(until)
	x.Keep = true
	if !r.settle(ctx, x) {
		return false
	}
	r.until, r.settled = until, at
	return true
}

// outcome is what came of a post.
type outcome int

const (
	taken outcome = iota
	refused
	gone    // the endpoint wants nothing any more
	stopped // this process ends, nothing is known
)

// post posts one event.
func (r *run) post(ctx context.Context, e *chat.WebhookEvent) outcome {
	o := &r.d.o
	body, err := protocol.EncodeWebhook(e)
	at := o.Now()
	a := chat.WebhookAttempt{
		Webhook: r.hook.ID, Event: e.ID(), Kind: e.Kind, Room: e.Room, Seq: e.Seq, Change: e.Changes, At: at.UTC().Truncate(time.Microsecond), Try: r.tries + 1,
	}
	if movesEarly() {
		r.move(e)
	}
	var answer Answer
	if err == nil {
		answer, err = o.Poster.Post(ctx, Post{
			URL: r.hook.URL, Secrets: r.hook.Secrets(at), ID: a.Event, At: at, Body: body, AllowPrivate: r.hook.AllowPrivate,
		})
	}
	a.Status, a.Took = answer.Status, answer.Took
	went := taken
	switch {
	case err != nil && ctx.Err() != nil:
		return stopped
	case err != nil:
		went, a.Refusal = refused, short(err.Error())
		o.Metrics.Posts.WithLabelValues("unanswered").Inc()
	case answer.Status == http.StatusGone:
		went, a.Refusal = gone, "answered 410: it wants nothing any more"
		o.Metrics.Posts.WithLabelValues("refused").Inc()
	case answer.Status < 200 || answer.Status > 299:
		went, a.Refusal = refused, short(strings.TrimSpace(fmt.Sprintf("answered %d %s", answer.Status, answer.Note)))
		o.Metrics.Posts.WithLabelValues("refused").Inc()
	default:
		answered()
		o.Metrics.Posts.WithLabelValues("taken").Inc()
		o.Metrics.Lag.Observe(o.Now().Sub(e.At).Seconds())
	}
	r.attempts = append(r.attempts, a)
	r.judge(went)
	return went
}

// judge notes what an answer says of the endpoint.
func (r *run) judge(went outcome) {
	if went == taken {
		if !r.hook.FailingSince.IsZero() {
			r.health, r.hook.FailingSince = chat.WebhookWell, time.Time{}
			r.d.health(r.hook.ID, r.health, false)
		}
		return
	}
	at := r.d.o.Now()
	switch {
	case went == gone:
		r.disable = "it answered 410 Gone"
	case !r.hook.FailingSince.IsZero() && at.Sub(r.hook.FailingSince) >= r.d.o.GiveUp:
		r.disable = fmt.Sprintf("it took nothing for %v", r.d.o.GiveUp)
	}
	if r.hook.FailingSince.IsZero() {
		r.health, r.hook.FailingSince = chat.WebhookFailing, at
	}
	r.d.health(r.hook.ID, chat.WebhookFailing, r.disable != "")
}

// pass goes on behind the next event.
func (r *run) pass() {
	r.move(&r.events[0])
	r.events = r.events[1:]
}

// move moves the cursor behind an event.
func (r *run) move(e *chat.WebhookEvent) {
	if r.tries = 0; e.Room == 0 {
		r.rows = append(r.rows, e.Row)
		return
	}
	r.cur.Seq, r.cur.Changes = e.Then.Seq, e.Then.Changes
}

// fail ends a run whose event wasn't taken: the room waits for its next try.
func (r *run) fail(ctx context.Context, went outcome) more {
	at := r.d.o.Now()
	if went == stopped {
		return r.end(ctx, soon, at)
	}
	r.tries++
	return r.end(ctx, enough, at.Add(r.d.wait(r.tries)))
}

// wait is how long to wait after so many failures.
func (d *Dispatcher) wait(tries int) time.Duration {
	w := d.o.Retry[min(tries, len(d.o.Retry))-1]
	return w + rand.N(w/jitter+1)
}

// end lets the cursor go where it is now.
func (r *run) end(ctx context.Context, m more, next time.Time) more {
	if !r.settle(ctx, r.state(next)) {
		return soon
	}
	return m
}

// state is how far the run is, and what it has met.
func (r *run) state(next time.Time) chat.WebhookSettled {
	return chat.WebhookSettled{
		WebhookPlace: r.cur.WebhookPlace, Token: r.token, Seq: r.cur.Seq, Changes: r.cur.Changes, Rows: r.rows, Tries: r.tries, Next: next,
		Attempts: r.attempts, Health: r.health, Disable: r.disable, Now: r.d.o.Now(),
	}
}

// settle tells the table. It does so also when this process is about to end.
func (r *run) settle(ctx context.Context, x chat.WebhookSettled) bool {
	sctx, cancel := r.d.statement(context.WithoutCancel(ctx))
	defer cancel()
	err := r.d.o.Book.SettleWebhook(sctx, x)
	if chat.KindOf(err) == chat.Conflict {
		r.d.o.Logger.InfoContext(ctx, "a webhook's room was taken over, what was posted may be posted again", "webhook", r.hook.ID, "room", r.cur.Room)
		return false
	}
	if r.d.failed(ctx, "keep how far a webhook was told", err) {
		return false
	}
	if x.Disable != "" {
		r.d.o.Metrics.Off.Inc()
		r.d.o.Logger.ErrorContext(ctx, "webhook disabled", "webhook", r.hook.ID, "name", r.hook.Name, "why", x.Disable)
	}
	r.attempts, r.rows, r.health = nil, nil, chat.WebhookAsBefore
	return true
}

// short bounds what is kept of a refusal.
func short(text string) string {
	rs := []rune(text)
	return string(rs[:min(len(rs), chat.MaxWebhookRefusal)])
}
