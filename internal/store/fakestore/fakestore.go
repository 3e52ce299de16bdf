package fakestore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store/fakestore/joblist"
	"chat-service/internal/store/fakestore/keyring"
	"chat-service/internal/store/fakestore/roster"
	"chat-service/internal/store/skeleton"
)

// Options say what a process's configuration would. All may be zero.
type Options struct {
	Partitions int              // default 16
	Limits     chat.Limits      // zero fields mean no limit
	Now        func() time.Time // default time.Now

	// AnyUser: users that nobody created exist, named "u" and their id.
	AnyUser bool
	// AnySession says whose a session is that nobody opened; nil: there is none.
	AnySession func(id chat.SessionID) (user chat.UserID, ok bool)
}

// Store is the fake. Safe for use by many goroutines.
type Store struct {
	o Options

	mu       sync.Mutex
	rooms    map[chat.RoomID]*room
	users    map[chat.UserID]*chat.User
	looks    map[string]bool // skeletons of the usernames
	sessions map[chat.SessionID]*session
	tokens   map[[32]byte]*token
	known    map[chat.Identity]chat.UserID
	external map[string]chat.RoomID
	outbox   []row
	lastRow  uint64
	dead     []chat.DeadCommand
	calls    map[string]int
	lives    []chat.WebhookEvent

	failing
	*keyring.Ring
	*joblist.List
	*roster.Roster
}

// New makes an empty store.
func New(o Options) *Store {
	o.Partitions = cmp.Or(o.Partitions, 16)
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{
		o: o, rooms: map[chat.RoomID]*room{}, users: map[chat.UserID]*chat.User{}, looks: map[string]bool{}, sessions: map[chat.SessionID]*session{},
		tokens: map[[32]byte]*token{}, known: map[chat.Identity]chat.UserID{}, external: map[string]chat.RoomID{}, calls: map[string]int{},
	}
	s.Ring, s.Roster = keyring.New(s.begin, s.now), roster.New(s.begin, s.now)
	s.List = joblist.New(joblist.Host{Begin: s.begin, Now: s.now, Empty: s.empty})
	return s
}

// failing is how the store fails.
type failing struct {
	down       error
	before     func(ctx context.Context, verb string) error
	after      func(ctx context.Context, verb string)
	poisonText string
	poisonRoom chat.RoomID
	unheard    int // appends whose answers get lost
	stalled    bool
	late       int
}

// Down has every verb fail with err; nil ends it.
func (s *Store) Down(err error) { s.set(func() { s.down = err }) }

// Before is called at the start of every verb, and may wait, fail or panic in its place; nil ends it.
func (s *Store) Before(fn func(ctx context.Context, verb string) error) {
	s.set(func() { s.before = fn })
}

// After is called at the end of every verb, when it is done and its caller has no answer yet, and may wait; nil ends it.
func (s *Store) After(fn func(ctx context.Context, verb string)) { s.set(func() { s.after = fn }) }

// Poison has Append and Post panic at a message of this content, and Places at this room; zero values do nothing.
func (s *Store) Poison(content string, room chat.RoomID) {
	s.set(func() { s.poisonText, s.poisonRoom = content, room })
}

// LoseAnswers has the next n Appends do their work and fail all the same, as when the answer to a COMMIT is lost.
func (s *Store) LoseAnswers(n int) { s.set(func() { s.unheard = n }) }

// Stall has beats wait until their ctx ends.
func (s *Store) Stall(on bool) { s.set(func() { s.stalled = on }) }

// Late counts the beats that ended unanswered.
func (s *Store) Late() (n int) {
	s.set(func() { n = s.late })
	return n
}

// Calls counts how often a verb was called.
func (s *Store) Calls(verb string) (n int) {
	s.set(func() { n = s.calls[verb] })
	return n
}

// Dead returns what was quarantined.
func (s *Store) Dead() (ds []chat.DeadCommand) {
	s.set(func() { ds = slices.Clone(s.dead) })
	return ds
}

// Log returns a room's messages, nil if there is no such room.
func (s *Store) Log(id chat.RoomID) (ms []chat.Message) {
	s.set(func() {
		if r := s.rooms[id]; r != nil {
			ms = slices.Clone(r.log)
		}
	})
	return ms
}

// Look looks at a room: its log, what was changed in it, and since when it is quiet; there is false if there is none.
func (s *Store) Look(id chat.RoomID) (r chat.Room, log []chat.Message, done []Happened, active time.Time, there bool) {
	s.set(func() {
		if at := s.rooms[id]; at != nil {
			r, log, done, there = at.Room, slices.Clone(at.log), slices.Clone(at.happened), true
			if active = at.activeAt; at.changedAt.After(active) {
				active = at.changedAt
			}
		}
	})
	return r, log, done, active, there
}

// RoomIDs lists the rooms, ascending.
func (s *Store) RoomIDs() (ids []chat.RoomID) {
	s.set(func() { ids = slices.Sorted(maps.Keys(s.rooms)) })
	return ids
}

// Outside returns the application's own ids of rooms and accounts.
func (s *Store) Outside() (rooms map[chat.RoomID]string, users map[chat.UserID]string) {
	rooms, users = map[chat.RoomID]string{}, map[chat.UserID]string{}
	s.set(func() {
		for ext, id := range s.external {
			rooms[id] = ext
		}
		for who, id := range s.known {
			if who.Issuer == "" {
				users[id] = who.Subject
			}
		}
	})
	return rooms, users
}

// Lives returns what happened to accounts, as endpoints are told of it.
func (s *Store) Lives() (es []chat.WebhookEvent) {
	s.set(func() { es = slices.Clone(s.lives) })
	for i := range es {
		s.set(func() { es[i].User = *s.users[es[i].User.ID] })
	}
	return es
}

func (s *Store) live(id chat.UserID, kind chat.WebhookKind, at time.Time) {
	s.lives = append(s.lives, chat.WebhookEvent{Kind: kind, At: at, User: chat.User{ID: id}, Row: uint64(len(s.lives) + 1)})
}

// Cursor returns the last client_seq of a session in a room.
func (s *Store) Cursor(room chat.RoomID, user chat.UserID, session chat.SessionID) (n uint64) {
	s.set(func() {
		if r := s.rooms[room]; r != nil && r.cursors[cursorKey{user, session}] != nil {
			n = r.cursors[cursorKey{user, session}].last
		}
	})
	return n
}

// Counts returns how much there is of everything.
func (s *Store) Counts() (users, rooms, messages int) {
	s.set(func() {
		for _, r := range s.rooms {
			messages += len(r.log)
		}
		users, rooms = len(s.users), len(s.rooms)
	})
	return users, rooms, messages
}

func (s *Store) set(fn func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn()
}

// AddRoom puts a room there as it is, with an empty log unless LastSeq says otherwise, and its members. Type and Epoch
// are set if they are zero.
func (s *Store) AddRoom(r chat.Room, members ...chat.UserID) {
	s.set(func() {
		r.Type, r.Visibility, r.Epoch = cmp.Or(r.Type, chat.Group), cmp.Or(r.Visibility, chat.Private), cmp.Or(r.Epoch, 1)
		n := s.newRoom(r)
		for _, u := range members {
			n.enter(chat.Member{User: u, Role: chat.Plain, VisibleFrom: 1})
		}
	})
}

// AddMember puts a membership there as it is, open or ended, in the place of an older one.
func (s *Store) AddMember(m chat.Member) {
	s.set(func() {
		m.Role = cmp.Or(m.Role, chat.Plain)
		s.rooms[m.Room].enter(m)
	})
}

// AddUser puts an account there. Username and Status are set if they are empty.
func (s *Store) AddUser(u chat.User) {
	s.set(func() {
		u.Username, u.Status = cmp.Or(u.Username, "u"+u.ID.String()), cmp.Or(u.Status, chat.Active)
		s.users[u.ID] = &u
		s.looks[skeleton.Of(u.Username)] = true
	})
}

// AddSession puts a login session there. A zero ExpiresAt is an hour from now.
func (s *Store) AddSession(l chat.Session) {
	s.set(func() {
		if l.ExpiresAt.IsZero() {
			l.ExpiresAt = s.now().Add(time.Hour)
		}
		s.sessions[l.ID] = &session{Session: l, until: l.ExpiresAt.Add(24 * time.Hour)}
	})
}

// Announce leaves an announcement in the outbox, stamped with the partition of its room or user.
func (s *Store) Announce(an envelope.Announcement) { s.set(func() { s.add(an) }) }

// AddUnknown leaves a row in the outbox whose kind no process of this release knows.
func (s *Store) AddUnknown(partition int, kind envelope.AnnouncementKind) {
	s.set(func() {
		s.lastRow++
		s.outbox = append(s.outbox, row{id: s.lastRow, partition: partition, kind: kind, payload: []byte("{}"), at: s.now()})
	})
}

// begin starts a verb: it holds the lock until end is called.
func (s *Store) begin(ctx context.Context, verb string) (end func(), err error) {
	s.mu.Lock()
	s.calls[verb]++
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		err = before(ctx, verb)
	}
	s.mu.Lock()
	if err == nil {
		err = s.down
	}
	if err == nil && ctx.Err() != nil {
		err = chat.Wrap(chat.Unavailable, ctx.Err(), "the database can't answer now")
	}
	return func() {
		s.mu.Unlock()
		if after != nil {
			after(ctx, verb)
		}
	}, err
}

// now is the clock in the precision of the store.
func (s *Store) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

func noRoom() *chat.Error { return chat.E(chat.NotFound, "no such room") }

// sortedIDs returns ids ascending, each once, without zero.
func sortedIDs[T ~uint64](ids []T) []T {
	out := slices.Compact(slices.Sorted(slices.Values(ids)))
	return slices.DeleteFunc(out, func(id T) bool { return id == 0 })
}

// cursorOf writes a place in a list as the store's callers see it: opaque.
func cursorOf(at time.Time, id chat.RoomID) string {
	return strconv.FormatInt(at.UnixMicro(), 36) + "." + strconv.FormatUint(uint64(id), 36)
}

func parseCursor(s string) (at time.Time, id chat.RoomID, paged bool, err error) {
	if s == "" {
		return at, 0, false, nil
	}
	i := max(0, slices.Index([]byte(s), '.'))
	us, e1 := strconv.ParseInt(s[:i], 36, 64)
	n, e2 := strconv.ParseUint(s[min(i+1, len(s)):], 36, 64)
	if e1 != nil || e2 != nil {
		return at, 0, false, chat.BadCursor()
	}
	return time.UnixMicro(us).UTC(), chat.RoomID(n), true, nil
}
