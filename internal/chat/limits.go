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
	MessageBytes      int           `yaml:"message_bytes" json:"message_bytes"`
	FrameBytes        int           `yaml:"frame_bytes" json:"frame_bytes"`
	RoomMembers       int           `yaml:"room_members" json:"-"`
	MembersCall       int           `yaml:"members_call" json:"-"`
	SyncRooms         int           `yaml:"sync_rooms" json:"sync_rooms"`
	Watch             int           `yaml:"watch" json:"watch"`
	SocketsPerSession int           `yaml:"sockets_per_session" json:"-"`
	MessagesPerSecond float64       `yaml:"messages_per_second" json:"-"`
	MessageBurst      int           `yaml:"message_burst" json:"-"`
	PeerReads         int           `yaml:"peer_reads" json:"-"`
	LoginPerMinute    int           `yaml:"login_per_minute" json:"-"`
	LoginFailures     int           `yaml:"login_failures_per_hour" json:"-"`
	RegisterPerMinute int           `yaml:"register_per_minute" json:"-"`
	RequestsPerSecond int           `yaml:"requests_per_second" json:"-"`
	RequestTime       time.Duration `yaml:"request_time" json:"-"`
}

// DefaultLimits are what holds where nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		MessageBytes: 16 << 10, FrameBytes: 64 << 10, RoomMembers: 10_000, MembersCall: 500, SyncRooms: 100, Watch: 200,
		SocketsPerSession: 10, MessagesPerSecond: 50, MessageBurst: 200, PeerReads: 50, LoginPerMinute: 600, RegisterPerMinute: 600,
		LoginFailures: 300, RequestsPerSecond: 1000, RequestTime: 10 * time.Second,
	}
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
}

var limits = []LimitSpec{
	{"message_bytes", ByGateway | ByWorker | ByAPI, true, "bytes of UTF-8", "content of a message"},
	{"frame_bytes", ByGateway | ByWorker, true, "bytes", "a frame; larger ones close the socket. The gateways enforce it, the workers tell clients; 0 is 4128768"},
	{"room_members", ByWorker | ByAPI, false, "members", "a room"},
	{"members_call", ByWorker | ByAPI, false, "users", "`member_ids` in one call"},
	{"sync_rooms", ByGateway | ByWorker, true, "rooms", "one `sync`"},
	{"watch", ByGateway | ByWorker, true, "users", "a presence watch list"},
	{"sockets_per_session", ByWorker, false, "sockets", "one login session"},
	{"messages_per_second", ByGateway, false, "frames per second", "one socket, after a burst of `message_burst`"},
	{"message_burst", ByGateway, false, "frames", "one socket at once"},
	{"peer_reads", ByWorker, false, "members", "rooms with at most this many members show `read` to other members; 0: none does"},
	{"login_per_minute", ByAPI, false, "tries per minute", "one IP address; 0 also turns off the delays of an account after wrong passwords"},
	{"login_failures_per_hour", ByAPI, false, "failed tries per hour", "one IP address, over all accounts together; tries count before they are judged, those that pass don't stay"},
	{"register_per_minute", ByAPI, false, "accounts per minute", "one IP address"},
	{"requests_per_second", ByAPI, false, "requests per second", "one user at one api, after a burst of twice as many"},
	{"request_time", ByAPI, false, "time", "the work on one request"},
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
