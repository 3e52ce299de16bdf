package webhooks

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"chat-service/internal/chat"
)

// Options are what the dispatcher needs and how it is tuned.
type Options struct {
	Boot   string // names this process
	Book   Book
	Poster Poster
	Notes  Notes

	Retry    []time.Duration // how long to wait after the first failure of an event, after the second, …; the last one stays
	GiveUp   time.Duration   // an endpoint that took nothing for so long is disabled
	Timeout  time.Duration   // of a post: the Poster's
	Parallel int             // posts at once to one endpoint
	InAll    int             // posts at once
	Rate     int             // posts in a second; a quarter of it while more events occur than it can post: commits go first
	Poll     time.Duration   // pause between looks at endpoints, and at cursors that are due: by default half of the first wait, at most a second
	Sweep    time.Duration   // pause between walks

	Patience time.Duration // deadline of a statement
	On       *atomic.Bool  // is set while there are endpoints
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  *Metrics
}

const (
	pageEvents   = 32                     // read at once
	pageFresh    = 250 * time.Millisecond // a page is read anew after that: texts are posted as they are
	settleAfter  = time.Second            // a run of posts is settled after that: so much is repeated if the process dies
	failingPosts = 2                      // posts at once to an endpoint that fails
	dueAtOnce    = 200
	sweepAtOnce  = 500
	waitingMax   = 50_000 // rooms of one endpoint that wait in memory; what finds no place is found by the walk
	wokenMax     = 65_536
	shownMax     = 4096                  // users who came or went since the last poll; more are not told
	paceBurst    = 50 * time.Millisecond // what was not posted for so long may be posted at once
	yield        = 4                     // one part in so many of Rate while more events occur than it can post
	jitter       = 10                    // one part in so many of a wait
	burdenEvery  = 10 * time.Second
	balanceEvery = 500 * time.Millisecond
)

// Retries are the waits of Standard Webhooks: ten tries within 75 hours.
func Retries() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// Dispatcher posts what is committed. Use New.
type Dispatcher struct {
	o     Options
	wake  chan struct{}
	posts sync.WaitGroup

	mu      sync.Mutex
	woken   map[chat.RoomID]struct{}
	shown   []chat.WebhookNote // of no endpoint yet
	targets map[chat.WebhookID]*target
	busy    int
	wakes   int // since weighed, each for one event at least
	weighed time.Time
	yields  bool           // more events occur than can be posted
	free    time.Time      // from when on the next post may begin
	poked   bool           // the loop will be woken when that is now
	turn    chat.WebhookID // whose turn it is for a free slot: the one after it
	claims  uint64
}

// target is an endpoint, and the rooms of which it may have to be told something.
type target struct {
	chat.Webhook
	queue []chat.RoomID
	rooms map[chat.RoomID]*room
	later []chat.RoomID // to be looked at again at the next poll
	busy  int
	sweep chat.WebhookSweep
	next  time.Time // of the sweep
}

// room is one that waits, or is being told.
type room struct {
	running bool
	again   bool // something happened meanwhile
}

// New makes a dispatcher; Run sets it to work.
func New(o Options) *Dispatcher {
	o.Parallel, o.InAll = cmp.Or(o.Parallel, 16), cmp.Or(o.InAll, 128)
	o.Rate = cmp.Or(o.Rate, 400)
	o.Timeout, o.GiveUp, o.Patience = cmp.Or(o.Timeout, 15*time.Second), cmp.Or(o.GiveUp, 75*time.Hour), cmp.Or(o.Patience, 3*time.Second)
	if len(o.Retry) == 0 {
		o.Retry = Retries()
	}
	o.Poll, o.Sweep = cmp.Or(o.Poll, min(time.Second, max(o.Retry[0]/2, 50*time.Millisecond))), cmp.Or(o.Sweep, 10*time.Second)
	return &Dispatcher{o: o, wake: make(chan struct{}, 1), woken: map[chat.RoomID]struct{}{}, targets: map[chat.WebhookID]*target{}}
}

// Woken notes that something was committed in rooms. It doesn't block.
func (d *Dispatcher) Woken(rooms []chat.RoomID) {
	d.mu.Lock()
	d.wakes += len(rooms)
	for _, id := range rooms {
		if len(d.woken) >= wokenMax {
			d.o.Metrics.Dropped.Inc()
			break
		}
		d.woken[id] = struct{}{}
	}
	d.mu.Unlock()
	d.poke()
}

// Shown notes that users were shown as online, or as offline, for the endpoints that want to know. It doesn't block; what is more than
// can be told is left out.
func (d *Dispatcher) Shown(users []chat.UserID, online bool) {
	kind := chat.WebhookUserOffline
	if online {
		kind = chat.WebhookUserOnline
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.wanted(kind) {
		return
	}
	for _, u := range users {
		if len(d.shown) >= shownMax {
			d.o.Metrics.Dropped.Inc()
			return
		}
		d.shown = append(d.shown, chat.WebhookNote{User: u, Kind: kind, At: d.o.Now()})
	}
}

// wanted reports whether an endpoint wants to be told of a kind. The lock is held.
func (d *Dispatcher) wanted(kind chat.WebhookKind) bool {
	for _, t := range d.targets {
		if t.Wants(kind) {
			return true
		}
	}
	return false
}

// note leaves for the endpoints who came and went since the last poll. What the database refuses is not told.
func (d *Dispatcher) note(ctx context.Context) {
	d.mu.Lock()
	shown := d.shown
	d.shown = nil
	var notes []chat.WebhookNote
	told := map[*target]bool{}
	for _, n := range shown {
		for id, t := range d.targets {
			if t.Wants(n.Kind) {
				n.Webhook, told[t] = id, true
				notes = append(notes, n)
			}
		}
	}
	d.mu.Unlock()
	if len(notes) == 0 {
		return
	}
	sctx, cancel := d.statement(ctx)
	defer cancel()
	if d.failed(ctx, "note who came and went", d.o.Notes.NoteWebhooks(sctx, notes)) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range told {
		d.enqueue(t, 0)
	}
}

func (d *Dispatcher) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Run works until ctx ends, which also ends the posts that are under way.
func (d *Dispatcher) Run(ctx context.Context) {
	defer d.posts.Wait()
	poll := time.NewTicker(d.o.Poll)
	defer poll.Stop()
	burden := time.NewTicker(burdenEvery)
	defer burden.Stop()
	d.poll(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			d.spread(ctx)
		case <-poll.C:
			d.poll(ctx)
		case <-burden.C:
			d.weigh(ctx)
		}
	}
}

// spread puts the rooms that were woken into the endpoints' queues.
func (d *Dispatcher) spread(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range d.woken {
		for _, t := range d.targets {
			d.enqueue(t, id)
		}
	}
	clear(d.woken)
	d.poked = false
	d.pump(ctx)
}

// poll looks which endpoints there are, and what is due.
func (d *Dispatcher) poll(ctx context.Context) {
	if !d.refresh(ctx) {
		return
	}
	d.note(ctx)
	d.due(ctx)
	d.sweepAll(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.balance()
	waiting := 0
	for _, t := range d.targets {
		for _, id := range t.later {
			d.enqueue(t, id)
		}
		t.later = nil
		waiting += len(t.rooms)
	}
	d.o.Metrics.Waiting.Set(float64(waiting))
	d.pump(ctx)
}

// statement is the context of one statement.
func (d *Dispatcher) statement(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d.o.Patience)
}

// failed counts and logs an error of the database; false: there is none.
func (d *Dispatcher) failed(ctx context.Context, what string, err error) bool {
	if err == nil || ctx.Err() != nil {
		return err != nil
	}
	d.o.Metrics.Errors.Inc()
	d.o.Logger.WarnContext(ctx, "a statement about webhooks failed, it is tried again", "what", what, "err", err)
	return true
}

// refresh reads the endpoints; more is false if there are none, or none could be read.
func (d *Dispatcher) refresh(ctx context.Context) (more bool) {
	sctx, cancel := d.statement(ctx)
	defer cancel()
	ws, err := d.o.Book.Webhooks(sctx)
	if d.failed(ctx, "read webhooks", err) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	live := map[chat.WebhookID]bool{}
	for _, w := range ws {
		if !w.DisabledAt.IsZero() {
			continue
		}
		live[w.ID] = true
		t := d.targets[w.ID]
		if t == nil {
			t = &target{rooms: map[chat.RoomID]*room{}}
			d.targets[w.ID] = t
		}
		t.Webhook = w
	}
	maps.DeleteFunc(d.targets, func(id chat.WebhookID, _ *target) bool { return !live[id] })
	d.o.On.Store(len(live) > 0)
	return len(live) > 0
}

// due looks for what is to be tried again.
func (d *Dispatcher) due(ctx context.Context) {
	sctx, cancel := d.statement(ctx)
	defer cancel()
	places, err := d.o.Book.DueWebhooks(sctx, d.ids(), d.o.Now(), dueAtOnce)
	if d.failed(ctx, "read due webhooks", err) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range places {
		if t := d.targets[p.Webhook]; t != nil {
			d.enqueue(t, p.Room)
		}
	}
}

func (d *Dispatcher) ids() []chat.WebhookID {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.targets))
}

// sweepAll takes a step of each endpoint's walk, where its time has come and its queue has room.
func (d *Dispatcher) sweepAll(ctx context.Context) {
	for _, id := range d.ids() {
		now := d.o.Now()
		d.mu.Lock()
		t := d.targets[id]
		skip := t == nil || now.Before(t.next) || len(t.rooms) > waitingMax/2
		d.mu.Unlock()
		if skip { // targets come and go in this goroutine alone
			continue
		}
		s := t.sweep
		s.Webhook, s.By, s.Now, s.Limit, s.Pause = id, d.o.Boot, now, sweepAtOnce, d.o.Sweep
		sctx, cancel := d.statement(ctx)
		rooms, next, err := d.o.Book.SweepWebhook(sctx, s)
		cancel()
		if d.failed(ctx, "look for rooms that no webhook was told of", err) {
			t.sweep = chat.WebhookSweep{}
			continue
		}
		if t.sweep = next; next.Done {
			t.sweep, t.next = chat.WebhookSweep{}, now.Add(d.o.Sweep/2)
		}
		d.mu.Lock()
		for _, r := range rooms {
			d.enqueue(t, r)
		}
		d.mu.Unlock()
	}
}

// weigh sets the gauge of what waits for its next try.
func (d *Dispatcher) weigh(ctx context.Context) {
	sctx, cancel := d.statement(ctx)
	defer cancel()
	bs, err := d.o.Book.WebhookBurdens(sctx, d.ids())
	if d.failed(ctx, "count what webhooks wait for", err) {
		return
	}
	n := 0
	for _, b := range bs {
		n += b.Rooms
	}
	d.o.Metrics.Held.Set(float64(n))
}

// enqueue has a room looked at, once more if it is being told. The lock is held.
func (d *Dispatcher) enqueue(t *target, id chat.RoomID) {
	r := t.rooms[id]
	switch {
	case r != nil:
		r.again = r.running
	case len(t.rooms) >= waitingMax:
		d.o.Metrics.Dropped.Inc()
	default:
		t.rooms[id] = &room{}
		t.queue = append(t.queue, id)
	}
}

// pump begins as much as may be under way: endpoints take turns. The lock is held.
func (d *Dispatcher) pump(ctx context.Context) {
	for d.busy < d.o.InAll && ctx.Err() == nil && !d.paced() {
		t := d.nextTarget()
		if t == nil {
			return
		}
		id := t.queue[0]
		if t.queue = t.queue[1:]; len(t.queue) == 0 {
			t.queue = nil // its memory is let go
		}
		t.rooms[id].running = true
		t.busy++
		d.busy++
		d.turn = t.ID
		hook := t.Webhook
		d.posts.Go(func() { d.run(ctx, t, hook, id) })
	}
}

// paced reports whether posts wait for each other as it is: more runs at once would only read what gets old while it waits. It has pump
// called again when that is over. The lock is held.
func (d *Dispatcher) paced() bool {
	wait := d.free.Sub(d.o.Now())
	if d.busy < 2 || wait <= d.step() {
		return false
	}
	if !d.poked {
		d.poked = true
		time.AfterFunc(wait, d.poke)
	}
	return true
}

// balance checks whether more events occur than can be posted. Then posts get behind in any case: they are made up for when there is less to
// commit, instead of taking from it. The lock is held.
func (d *Dispatcher) balance() {
	if at := d.o.Now(); d.weighed.IsZero() || at.Sub(d.weighed) >= balanceEvery {
		d.yields = !d.weighed.IsZero() && float64(d.wakes) > at.Sub(d.weighed).Seconds()*float64(d.o.Rate)
		d.wakes, d.weighed = 0, at
	}
}

// step is the time from one post to the next. The lock is held.
func (d *Dispatcher) step() time.Duration {
	step := time.Second / time.Duration(d.o.Rate)
	if d.yields {
		step *= yield
	}
	return step
}

// nextTarget is the endpoint after the one that had its turn last, among those that have something to do and may.
func (d *Dispatcher) nextTarget() (best *target) {
	after := func(t *target) bool { return t.ID > d.turn }
	for _, t := range d.targets {
		if len(t.queue) == 0 || t.busy >= t.most(d.o.Parallel) {
			continue
		}
		if best == nil || after(t) && !after(best) || after(t) == after(best) && t.ID < best.ID {
			best = t
		}
	}
	return best
}

// most is how many posts at once an endpoint gets: one that fails is only tried.
func (t *target) most(parallel int) int {
	if !t.FailingSince.IsZero() {
		return min(parallel, failingPosts)
	}
	return parallel
}

// run tells an endpoint of a room, and then begins what comes next.
func (d *Dispatcher) run(ctx context.Context, t *target, hook chat.Webhook, id chat.RoomID) {
	more := d.tell(ctx, hook, chat.WebhookPlace{Webhook: hook.ID, Room: id})
	d.mu.Lock()
	defer d.mu.Unlock()
	again := t.rooms[id].again
	delete(t.rooms, id)
	t.busy--
	d.busy--
	switch {
	case more == soon:
		t.later = append(t.later, id)
	case again || more == now:
		d.enqueue(t, id)
	}
	d.pump(ctx)
}

// health notes at once what an answer says of an endpoint, which the table is told by the settling.
func (d *Dispatcher) health(id chat.WebhookID, h chat.WebhookHealth, disabled bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.targets[id]
	switch {
	case t == nil:
	case disabled:
		delete(d.targets, id)
	case h == chat.WebhookFailing && t.FailingSince.IsZero():
		t.FailingSince = d.o.Now()
	case h == chat.WebhookWell:
		t.FailingSince = time.Time{}
	}
}

// token names a claim: no two have the same.
func (d *Dispatcher) token() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.claims++
	return d.o.Boot + "/" + chat.Seq(d.claims).String()
}
