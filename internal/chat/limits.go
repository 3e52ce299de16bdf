package chat

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Limits are the sizes and rates that an installation may set, in the section "limits" of each process's configuration; `welcome`
// shows those with a JSON name to clients. Zero turns a limit off, in every process.
//
// To add a limit: a field, a row in the table limits, its default in DefaultLimits, the key in configs/*.yaml of the processes that
// read it, and who obeys it. Tests name what is missing, and write the table of docs/configuration.md (go test ./docs -update).
type Limits struct {
	MessageBytes      int     `yaml:"message_bytes" json:"message_bytes"`
	FrameBytes        int     `yaml:"frame_bytes" json:"frame_bytes"`
	RoomMembers       int     `yaml:"room_members" json:"-"`
	MembersCall       int     `yaml:"members_call" json:"-"`
	SyncRooms         int     `yaml:"sync_rooms" json:"sync_rooms"`
	Watch             int     `yaml:"watch" json:"watch"`
	SocketsPerSession int     `yaml:"sockets_per_session" json:"-"`
	MessagesPerSecond float64 `yaml:"messages_per_second" json:"-"`
	MessageBurst      int     `yaml:"message_burst" json:"-"`
	PeerReads         int     `yaml:"peer_reads" json:"-"`

	RoomReactionsPerSecond float64 `yaml:"room_reactions_per_second" json:"-"`
	RoomReactionBurst      int     `yaml:"room_reaction_burst" json:"-"`

	EditWindow          time.Duration `yaml:"edit_window" json:"-"`
	RecallWindow        time.Duration `yaml:"recall_window" json:"-"`
	DataBytes           int           `yaml:"data_bytes" json:"-"`
	DataDepth           int           `yaml:"data_depth" json:"-"`
	ReactionsPerMessage int           `yaml:"reactions_per_message" json:"-"`
	PinsPerRoom         int           `yaml:"pins_per_room" json:"-"`
	CatchUpChanges      int           `yaml:"catch_up_changes" json:"-"`
	ResyncChanges       int           `yaml:"resync_changes" json:"-"`

	SocketsPerUser    int `yaml:"sockets_per_user" json:"-"`
	ConnectsPerMinute int `yaml:"connects_per_minute" json:"-"`
	SocketsPerAddress int `yaml:"sockets_per_address" json:"-"`
	Unauthenticated   int `yaml:"unauthenticated_sockets" json:"-"`
	UnauthPerAddress  int `yaml:"unauthenticated_per_address" json:"-"`
	HandshakeFailures int `yaml:"handshake_failures_per_minute" json:"-"`

	SessionsPerUser       int     `yaml:"sessions_per_user" json:"-"`
	UserMessagesPerSecond float64 `yaml:"user_messages_per_second" json:"-"`
	UserFramesPerSecond   float64 `yaml:"user_frames_per_second" json:"-"`
	UserMessageBurst      int     `yaml:"user_message_burst" json:"-"`
	RoomsPerHour          int     `yaml:"rooms_per_hour" json:"-"`
	InvitationsPerHour    int     `yaml:"invitations_per_hour" json:"-"`
	SearchesPerMinute     int     `yaml:"searches_per_minute" json:"-"`

	LoginPerMinute    int           `yaml:"login_per_minute" json:"-"`
	LoginFailures     int           `yaml:"login_failures_per_hour" json:"-"`
	RegisterPerMinute int           `yaml:"register_per_minute" json:"-"`
	BadTokens         int           `yaml:"bad_tokens_per_minute" json:"-"`
	RequestsPerSecond int           `yaml:"requests_per_second" json:"-"`
	ServerRequests    int           `yaml:"server_requests_per_second" json:"-"`
	RequestTime       time.Duration `yaml:"request_time" json:"-"`
}

// DefaultLimits are what holds where nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes: 16 << 10, FrameBytes: 64 << 10, RoomMembers: 10_000, MembersCall: 500, SyncRooms: 100, Watch: 200,
		SocketsPerSession: 10, MessagesPerSecond: 50, MessageBurst: 200, PeerReads: 50,
		RoomReactionsPerSecond: 250, RoomReactionBurst: 500,
		EditWindow: 24 * time.Hour, DataBytes: 8 << 10, DataDepth: 32, ReactionsPerMessage: 20, PinsPerRoom: 100,
		CatchUpChanges: 1000, ResyncChanges: 5000,
		SocketsPerUser: 100, ConnectsPerMinute: 600, Unauthenticated: 5000, UnauthPerAddress: 500, HandshakeFailures: 600,
		SessionsPerUser: 100, UserMessagesPerSecond: 50, UserFramesPerSecond: 100, UserMessageBurst: 200, RoomsPerHour: 1000, InvitationsPerHour: 20_000,
		SearchesPerMinute: 120, LoginPerMinute: 600, RegisterPerMinute: 240, LoginFailures: 300, BadTokens: 3000,
		RequestsPerSecond: 200, ServerRequests: 250, RequestTime: 10 * time.Second,
	}
}

// Rate is an allowance: Limit per Per, of which Burst may be taken at once. Whoever counts by it, Redis or a process by itself,
// counts by the same rule (GCRA).
type Rate struct {
	Limit float64
	Per   time.Duration
	Burst int
}

// PerMinute allows n a minute, all of them at once.
func PerMinute(n int) Rate { return Rate{float64(n), time.Minute, n} }

// PerHour allows n an hour, all of them at once.
func PerHour(n int) Rate { return Rate{float64(n), time.Hour, n} }

// What may be taken at once from the allowances that cost a processor or the database much: else what is meant for an hour or a minute
// could be asked for in one moment, and everybody would feel it. Of higher limits it is an eighth, of logins and new accounts a sixteenth:
// so many come back within 4 s.
const (
	FailuresAtOnce  = 40  // wrong passwords of an address: a hash each, some 20 ms of a processor
	PasswordsAtOnce = 40  // logins, and new accounts, of an address: the same
	SearchesAtOnce  = 40  // of a user
	RoomsAtOnce     = 40  // made by a user
	TokensAtOnce    = 400 // requests of an address without a valid token: a query each, or a signature
)

// Patience is how long logins and new accounts of an address, and new rooms of a user, wait for each other before one is refused: a
// script that makes them one by one, and an office in the morning, are slowed down and get through.
const Patience = 5 * time.Second

// atOnce lets one part in so many of the allowance be taken at once, but least if that is more, and never more than all of it.
func (r Rate) atOnce(least, parts int) Rate {
	r.Burst = min(r.Burst, max(r.Burst/parts, least))
	return r
}

// LoginRate is how often an address may log in.
func (l Limits) LoginRate() Rate { return PerMinute(l.LoginPerMinute).atOnce(PasswordsAtOnce, 16) }

// AccountRate is how often an address may log in to one account: a tenth of that.
func (l Limits) AccountRate() Rate {
	r := l.LoginRate()
	r.Limit /= 10
	return r
}

// FailureRate is how often an address may show a wrong password, and how often a user may confirm their own.
func (l Limits) FailureRate() Rate { return PerHour(l.LoginFailures).atOnce(FailuresAtOnce, 8) }

// RegisterRate is how many accounts an address may make.
func (l Limits) RegisterRate() Rate {
	return PerMinute(l.RegisterPerMinute).atOnce(PasswordsAtOnce, 16)
}

// RoomPace is how fast a user may make the rooms that limits.rooms_per_hour gives: each is a transaction with its entries and notices.
func (l Limits) RoomPace() Rate {
	return Rate{min(float64(l.RoomsPerHour), 10), time.Second, RoomsAtOnce}
}

// SearchRate is how often a user may search.
func (l Limits) SearchRate() Rate { return PerMinute(l.SearchesPerMinute).atOnce(SearchesAtOnce, 8) }

// TokenRate is how often an address may call the api without a valid token.
func (l Limits) TokenRate() Rate { return PerMinute(l.BadTokens).atOnce(TokensAtOnce, 8) }

// MessageRate is what one user may send, by all sockets and by REST together.
func (l Limits) MessageRate() Rate {
	return Rate{l.UserMessagesPerSecond, time.Second, l.UserMessageBurst}
}

// FrameRate is how often a user may send frames other than messages and changes, at one gateway.
func (l Limits) FrameRate() Rate {
	return Rate{l.UserFramesPerSecond, time.Second, int(4 * l.UserFramesPerSecond)}
}

// CrowdWait is over how long those come back whose reactions were refused for their room's sake, so that they don't all do so at once.
const CrowdWait = 2 * time.Second

// ReactionRate is how often a room's members may react, at one gateway or api.
func (l Limits) ReactionRate() Rate {
	return Rate{l.RoomReactionsPerSecond, time.Second, l.RoomReactionBurst}
}

// Taken is what was taken from one key's allowance.
type Taken struct {
	Key string
	N   int
}

// MessagesOf is the key of a user's allowance of messages.
func MessagesOf(u UserID) string { return "messages:" + u.String() }

// Off reports whether the allowance is no bound.
func (r Rate) Off() bool { return r.Limit <= 0 || r.Per <= 0 }

// Step is the time in which one of the allowance comes back.
func (r Rate) Step() time.Duration {
	return max(time.Duration(float64(r.Per)/r.Limit), time.Microsecond)
}

// Room is what may be taken at once, as a time: that many steps.
func (r Rate) Room() time.Duration { return r.Step() * time.Duration(max(r.Burst, 1)) }

// Near reports whether more than an eighth of the allowance is used in one process: from then on that process shares what it
// counts with the others.
func (r Rate) Near(used, now time.Time) bool { return used.Sub(now) > r.Room()/8 }

// Take takes n from an allowance that is used up to a time, and returns up to when it is used then. wait is 0 if n could be
// taken, else the time until they can be; n above Burst count as Burst.
func (r Rate) Take(used, now time.Time, n int) (then time.Time, wait time.Duration) {
	if used.Before(now) {
		used = now
	}
	then = used.Add(r.Step() * time.Duration(min(n, max(r.Burst, 1))))
	if wait = then.Sub(now) - r.Room(); wait > 0 {
		return used, wait
	}
	return then, 0
}

// How tries at an account's password slow down (limits.login_per_minute 0: they don't). From one place FreeTries failures cost
// nothing, from all places together that are not known FreeStrangerTries; each further one doubles the time until the next.
// Both throttles, the shared one and a process's own, count so.
const (
	FreeTries         = 3
	FreeStrangerTries = 20
	FirstTryDelay     = time.Second
	LongestTryDelay   = 5 * time.Minute
	TriesForgotten    = time.Hour           // after the last one; longer than LongestTryDelay
	PlaceKnown        = 30 * 24 * time.Hour // after the last login from there
)

// Readers is a set of processes.
type Readers uint8

// The processes.
const (
	ByGateway Readers = 1 << iota
	ByWorker
	ByAPI
)

// LimitSpec is a row of LimitSpecs.
type LimitSpec struct {
	Key   string  // below "limits."
	By    Readers // who reads it
	Shown bool    // `welcome` shows it
	Unit  string
	Doc   string
	Off   bool // by default
}

var limits = []LimitSpec{
	{"message_bytes", ByGateway | ByWorker | ByAPI, true, "bytes of UTF-8", "content of a message", false},
	{"frame_bytes", ByGateway | ByWorker, true, "bytes", "a frame; larger ones close the socket. The gateways enforce it, the workers tell clients; 0 is 4128768", false},
	{"room_members", ByWorker | ByAPI, false, "members", "a room", false},
	{"members_call", ByWorker | ByAPI, false, "users", "`member_ids` in one call", false},
	{"sync_rooms", ByGateway | ByWorker, true, "rooms", "one `sync`", false},
	{"watch", ByGateway | ByWorker, true, "users", "a presence watch list", false},
	{"sockets_per_session", ByWorker, false, "sockets", "one login session", false},
	{"messages_per_second", ByGateway, false, "frames per second", "one socket, after a burst of `message_burst`", false},
	{"message_burst", ByGateway, false, "frames", "one socket at once", false},
	{"room_reactions_per_second", ByGateway | ByAPI, false, "reactions per second", "the members of one room at one gateway or api set or take away, after a burst of `room_reaction_burst`", false},
	{"room_reaction_burst", ByGateway | ByAPI, false, "reactions", "the members of one room at one gateway or api, at once", false},
	{"peer_reads", ByWorker, false, "members", "rooms with at most this many members show `read` to other members; 0: none does", false},
	{"edit_window", ByWorker | ByAPI, false, "time", "after sending, in which the author may edit a message", false},
	{"recall_window", ByWorker | ByAPI, false, "time", "after sending, in which the author may recall a message; admins may at any time", true},
	{"data_bytes", ByGateway | ByWorker | ByAPI, false, "bytes", "`data` of a message, in canonical form (RFC 8785)", false},
	{"data_depth", ByGateway | ByWorker | ByAPI, false, "levels", "nesting in `data`, the object itself being the first; 0 is 1000", false},
	{"reactions_per_message", ByWorker | ByAPI, false, "keys", "one message", false},
	{"pins_per_room", ByWorker | ByAPI, false, "messages", "pinned in one room", false},
	{"catch_up_changes", ByWorker, false, "messages", "changed ones in the answer to one `sync` of a room; then `more_changes`", false},
	{"resync_changes", ByWorker, false, "messages", "changed in a room since the client's cursor; if more are, the answer is `resync`", false},
	{"sockets_per_user", ByGateway | ByWorker, false, "sockets", "one user, over all login sessions and gateways; while Redis is unavailable, at one gateway", false},
	{"connects_per_minute", ByGateway, false, "sockets per minute", "one user opens at one gateway", false},
	{"sockets_per_address", ByGateway, false, "sockets", "one IP address at one gateway, whoever they belong to; off, because a company, a carrier or a load test is one address", true},
	{"unauthenticated_sockets", ByGateway, false, "sockets", "one gateway, before a valid token has come", false},
	{"unauthenticated_per_address", ByGateway, false, "sockets", "the same, of one IP address", false},
	{"handshake_failures_per_minute", ByGateway, false, "sockets per minute", "one IP address at one gateway opens without showing a valid token; those that do don't stay counted", false},
	{"sessions_per_user", ByAPI, false, "login sessions", "one user; one more ends the session that was used longest ago", false},
	{"user_messages_per_second", ByGateway | ByWorker | ByAPI, false, "messages per second", "one user, by all sockets and by REST together, after a burst of `user_message_burst`", false},
	{"user_frames_per_second", ByGateway, false, "frames per second", "one user, by all sockets at one gateway together, other than messages and changes, after a burst of four times as many", false},
	{"user_message_burst", ByGateway | ByWorker | ByAPI, false, "messages", "one user at once", false},
	{"rooms_per_hour", ByAPI, false, "rooms per hour", "one user makes, direct ones too", false},
	{"invitations_per_hour", ByAPI, false, "members per hour", "one user adds to rooms, those named when a room is made included", false},
	{"searches_per_minute", ByAPI, false, "searches per minute", "one user, for users and public rooms", false},
	{"login_per_minute", ByAPI, false, "tries per minute", "one IP address, a tenth of them to one account; 0 also turns off the delays of an account after wrong passwords", false},
	{"login_failures_per_hour", ByAPI, false, "failed tries per hour", "one IP address, over all accounts together; tries count before they are judged, those that pass don't stay. Also how often one user confirms their own password", false},
	{"register_per_minute", ByAPI, false, "accounts per minute", "one IP address makes", false},
	{"bad_tokens_per_minute", ByAPI, false, "requests per minute", "one IP address makes at one api without a valid token: none, one that nobody signed, a refresh token that nobody has", false},
	{"requests_per_second", ByAPI, false, "requests per second", "one user at one api, after a burst of twice as many", false},
	{"server_requests_per_second", ByAPI, false, "requests per second", "one key of the application's backend at one api, after a burst of twice as many", false},
	{"request_time", ByAPI, false, "time", "the work on one request", false},
}

// LimitSpecs returns the registry of limits.
func LimitSpecs() []LimitSpec { return slices.Clone(limits) }

// LimitKeys returns the keys that a process reads.
func LimitKeys(by Readers) (keys []string) {
	for _, s := range limits {
		if s.By&by != 0 {
			keys = append(keys, s.Key)
		}
	}
	return keys
}

// For returns the limits that a process reads; the others are zero.
func (l Limits) For(by Readers) Limits {
	var some Limits
	for _, key := range LimitKeys(by) {
		limitField(&some, key).Set(limitField(&l, key))
	}
	return some
}

// Value returns the limit under a key: an int, a float64 or a time.Duration.
func (l Limits) Value(key string) any { return limitField(&l, key).Interface() }

// Validate refuses negative limits.
func (l Limits) Validate() error {
	var errs []error
	for _, s := range limits {
		if v := limitField(&l, s.Key); v.CanInt() && v.Int() < 0 || v.CanFloat() && v.Float() < 0 {
			errs = append(errs, fmt.Errorf("%s: is %v: set 0 (off) or more", s.Key, v))
		}
	}
	return errors.Join(errs...)
}

// limitField finds the field of a key; it panics if there is none, which a test rules out.
func limitField(l *Limits, key string) reflect.Value {
	v := reflect.ValueOf(l).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i)
		}
	}
	panic("chat: no limit " + key)
}
