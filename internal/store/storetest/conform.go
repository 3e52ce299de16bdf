package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/store"
	"chat-service/internal/store/messages"
	"chat-service/internal/store/rooms"
)

// Log is the rooms' message log.
type Log interface {
	Append(ctx context.Context, sends []chat.Send, now time.Time) ([]chat.Sent, []chat.Head, error)
	Post(ctx context.Context, s chat.Send, now time.Time) (chat.Sent, error)
	MarkRead(ctx context.Context, marks []chat.ReadMark) ([]chat.ReadState, error)
	ReadAndTell(ctx context.Context, m chat.ReadMark) (chat.ReadState, error)
	Messages(ctx context.Context, room chat.RoomID, from, to chat.Seq, limit int) ([]chat.Message, error)
	Spans(ctx context.Context, spans []chat.Span, bytes int) ([]chat.Message, bool, error)
	History(ctx context.Context, q chat.HistoryQuery) (chat.HistoryPage, error)
}

// Changes changes messages, and says what has changed.
type Changes interface {
	Apply(ctx context.Context, batch []chat.Change, now time.Time) ([]chat.Changed, []chat.Head, error)
	PostChange(ctx context.Context, c chat.Change, now time.Time) (chat.Changed, error)
	ChangedSince(ctx context.Context, q chat.ChangesQuery) (chat.ChangesPage, error)
	States(ctx context.Context, room chat.RoomID, seqs []chat.Seq) ([]chat.Message, error)
}

// Views shows a user messages and what became of them.
type Views interface {
	One(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) (chat.Message, error)
	Versions(ctx context.Context, room chat.RoomID, user chat.UserID, seq chat.Seq) ([]chat.Version, error)
	Reactors(ctx context.Context, q chat.ReactorsQuery) ([]chat.Reactor, string, error)
	MyReactions(ctx context.Context, room chat.RoomID, user chat.UserID, from, to chat.Seq) ([]chat.OwnReactions, error)
	Pins(ctx context.Context, room chat.RoomID, user chat.UserID) ([]chat.Message, error)
}

// Standing answers where users stand in rooms.
type Standing interface {
	Membership(ctx context.Context, room chat.RoomID, user chat.UserID) (chat.Membership, error)
	Places(ctx context.Context, at []chat.Place) (map[chat.Place]chat.Membership, error)
	MembershipsOf(ctx context.Context, users []chat.UserID, limit int) (map[chat.UserID][]chat.Membership, error)
	MembersAmong(ctx context.Context, room chat.RoomID, upTo chat.Seq, users []chat.UserID) ([]chat.UserID, chat.Room, error)
	SharesRoom(ctx context.Context, user chat.UserID, others []chat.UserID) ([]chat.UserID, error)
	Rooms(ctx context.Context, ids []chat.RoomID) ([]chat.Room, error)
	ActiveRooms(ctx context.Context, partition int, since time.Time, limit int) ([]chat.Head, error)
}

// Rooms creates and changes rooms.
type Rooms interface {
	CreateRoom(ctx context.Context, n chat.NewRoom) (chat.Membership, error)
	FindDirect(ctx context.Context, a, b chat.UserID) (chat.Membership, error)
	DirectRoom(ctx context.Context, a, b chat.UserID) (chat.Membership, bool, error)
	UpdateRoom(ctx context.Context, room chat.RoomID, by chat.UserID, p chat.RoomPatch) (chat.Membership, error)
	Dissolve(ctx context.Context, room chat.RoomID, by chat.UserID) error
	View(ctx context.Context, room chat.RoomID, viewer chat.UserID) (chat.Membership, error)
}

// Members changes who is in a room, and as what.
type Members interface {
	AddMembers(ctx context.Context, room chat.RoomID, by chat.UserID, ids []chat.UserID) ([]chat.UserID, error)
	RemoveMember(ctx context.Context, room chat.RoomID, by, target chat.UserID) error
	SetRole(ctx context.Context, room chat.RoomID, by, target chat.UserID, to chat.Role) (chat.Member, error)
	Mute(ctx context.Context, room chat.RoomID, by, target chat.UserID, until time.Time) (chat.Member, error)
	Transfer(ctx context.Context, room chat.RoomID, by, to chat.UserID) (chat.Room, error)
}

// Lists reads pages.
type Lists interface {
	RoomList(ctx context.Context, user chat.UserID, cursor string, limit int) ([]chat.Membership, string, error)
	PublicRooms(ctx context.Context, q, cursor string, limit int) ([]chat.Room, string, error)
	Members(ctx context.Context, room chat.RoomID, viewer, after chat.UserID, limit int) ([]chat.MemberUser, error)
	Unread(ctx context.Context, user chat.UserID) (uint64, map[chat.RoomID]uint64, error)
}

// Accounts keeps users.
type Accounts interface {
	CreateUser(ctx context.Context, u chat.User) (chat.User, error)
	UserByLogin(ctx context.Context, login string) (chat.User, error)
	User(ctx context.Context, id chat.UserID) (chat.User, error)
	UpdateUser(ctx context.Context, id chat.UserID, p chat.UserPatch) (chat.User, error)
	SetPassword(ctx context.Context, id chat.UserID, was, hash string, keep chat.SessionID) error
	Rehash(ctx context.Context, id chat.UserID, was, hash string) error
	DisableUser(ctx context.Context, id chat.UserID) error
}

// People finds users.
type People interface {
	Users(ctx context.Context, ids []chat.UserID) ([]chat.User, error)
	SearchUsers(ctx context.Context, q chat.UserSearch) ([]chat.User, error)
	LastSeen(ctx context.Context, users []chat.UserID) (map[chat.UserID]time.Time, error)
	SawUsers(ctx context.Context, at map[chat.UserID]time.Time) error
}

// Sessions keeps login sessions.
type Sessions interface {
	OpenSession(ctx context.Context, n chat.NewSession) error
	RotateRefresh(ctx context.Context, r chat.Rotation) (chat.Session, chat.User, error)
	RevokeSession(ctx context.Context, user chat.UserID, id chat.SessionID) error
	RevokeSessions(ctx context.Context, user chat.UserID, except chat.SessionID) error
	Sessions(ctx context.Context, user chat.UserID) ([]chat.Session, error)
}

// Identities knows users by what an application's issuer of tokens calls them.
type Identities interface {
	Identity(ctx context.Context, who chat.Identity) (chat.User, error)
	Provide(ctx context.Context, who chat.Identity, u chat.User) (chat.User, bool, error)
	ResumeSession(ctx context.Context, n chat.NewSession) (chat.SessionID, error)
}

// Logins judges login sessions.
type Logins interface {
	Session(ctx context.Context, id chat.SessionID, user chat.UserID) (chat.Session, chat.User, error)
	Logins(ctx context.Context, ids []chat.SessionID) (map[chat.SessionID]chat.Login, error)
	RevokedAmong(ctx context.Context, ids []chat.SessionID) ([]chat.SessionID, error)
}

// Outbox holds what writes have to announce.
type Outbox interface {
	Outbox(ctx context.Context, partitions []int, limit int) ([]envelope.Announcement, error)
	OutboxWaiting(ctx context.Context, partitions []int) ([]int, error)
	OutboxUnknown(ctx context.Context, partitions []int) (int, error)
	Announced(ctx context.Context, ids []uint64) error
}

// Fleet keeps the list of live workers, and does what operators ask for.
type Fleet interface {
	Beat(ctx context.Context, w chat.LiveWorker) error
	Workers(ctx context.Context, deadAfter time.Duration) ([]chat.LiveWorker, error)
	Retire(ctx context.Context, boot string) error
	Quarantine(ctx context.Context, d chat.DeadCommand) error
	Sweep(ctx context.Context, before time.Time, limit int) (int64, error)
	BumpEpoch(ctx context.Context, room chat.RoomID) error
}

// Subject is an implementation of the stations' ports, empty, with its limits those of ConformLimits.
type Subject struct {
	Messages   Log
	Changes    Changes
	Views      Views
	Standing   Standing
	Rooms      Rooms
	Members    Members
	Lists      Lists
	Accounts   Accounts
	People     People
	Sessions   Sessions
	Identities Identities
	Logins     Logins
	Outbox     Outbox
	Fleet      Fleet
	Partitions int
}

// ConformLimits are the limits of a Subject.
func ConformLimits() chat.Limits {
	l := chat.DefaultLimits()
	l.RoomMembers, l.MembersCall, l.ReactionsPerMessage, l.PinsPerRoom = 10, 20, 4, 3
	return l
}

// SubjectOf is the store as a Subject.
func SubjectOf(s *store.Store) Subject {
	return Subject{
		Messages: s.Messages, Changes: s.Changes, Views: s.Changes, Standing: standing{s.Rooms, s.Messages}, Rooms: s.Rooms, Members: s.Rooms, Lists: s.Rooms, Accounts: s.Accounts,
		People: s.Accounts, Sessions: s.Accounts, Identities: s.Accounts, Logins: s.Accounts, Outbox: s.Outbox, Fleet: s.Operator, Partitions: s.DB.Partitions(),
	}
}

type (
	roomStore    = rooms.Store
	messageStore = messages.Store
)

type standing struct {
	*roomStore
	*messageStore
}

// Conform runs the rules that every implementation of the stations' ports keeps. Each case has users and rooms of its
// own.
func Conform(t *testing.T, s Subject) {
	for _, group := range [][]rule{logRules(), changeRules(), readingRules(), roomRules(), listRules(), accountRules(), sessionRules(), outboxRules()} {
		for _, r := range group {
			t.Run(r.name, func(t *testing.T) { r.check(&trial{TB: t, Subject: s, ctx: t.Context()}) })
		}
	}
}

// rule is one rule and what shows that it is kept.
type rule struct {
	name  string
	check func(t *trial)
}

// trial is one rule being tried.
type trial struct {
	testing.TB
	Subject
	ctx context.Context //nolint:containedctx // of the test
	now time.Time       // of the last message
}

func (t *trial) ok(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails ends the trial unless err is of the kind.
func (t *trial) fails(err error, want chat.Kind) {
	t.Helper()
	if err == nil || chat.KindOf(err) != want {
		t.Fatalf("error is %v (%s), want %s", err, chat.KindOf(err), want)
	}
}

func unique(prefix string) string { return prefix + strings.ToLower(rand.Text()[:12]) }

// user makes an account.
func (t *trial) user() chat.UserID {
	t.Helper()
	name := unique("u")
	u, err := t.Accounts.CreateUser(t.ctx, chat.User{Username: name, Nickname: "Nick " + name, PasswordHash: "hash"})
	t.ok(err)
	return u.ID
}

func (t *trial) users(n int) []chat.UserID {
	t.Helper()
	us := make([]chat.UserID, n)
	for i := range us {
		us[i] = t.user()
	}
	return us
}

// room makes a group of the users, owned by the first. Its log begins with the system message at seq 1.
func (t *trial) room(v chat.Visibility, users ...chat.UserID) chat.RoomID {
	t.Helper()
	m, err := t.Rooms.CreateRoom(t.ctx, chat.NewRoom{Owner: users[0], Name: unique("room"), Visibility: v, Members: users})
	t.ok(err)
	return m.Room.ID
}

func send(room chat.RoomID, user chat.UserID, id string) chat.Send {
	return chat.Send{Room: room, Sender: user, Session: "s", ClientMsgID: id, Content: "text of " + id}
}

// say appends messages, each by itself and a second later than anything before: a list by activity is not left to how
// fast the test is.
func (t *trial) say(room chat.RoomID, user chat.UserID, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if t.now = t.now.Add(time.Second); t.now.Before(time.Now()) {
			t.now = time.Now().Add(time.Second)
		}
		sent, _, err := t.Messages.Append(t.ctx, []chat.Send{send(room, user, id)}, t.now)
		t.ok(err)
		if sent[0].Err != nil {
			t.Fatal(sent[0].Err)
		}
	}
}

// member returns where a user stands in a room.
func (t *trial) member(room chat.RoomID, user chat.UserID) chat.Membership {
	t.Helper()
	m, err := t.Standing.Membership(t.ctx, room, user)
	t.ok(err)
	return m
}

// announced takes the announcements of a room out of the outbox.
func (t *trial) announced(room chat.RoomID) (ans []envelope.Announcement) {
	t.Helper()
	return t.taken(room.Partition(t.Partitions), func(an *envelope.Announcement) bool {
		return an.Message != nil && an.Message.Room == room || an.Read != nil && an.Read.Room == room ||
			an.Changed != nil && an.Changed.Change.Room == room
	})
}

// revoked takes the revocations of a user out of the outbox.
func (t *trial) revoked(user chat.UserID) (rs []chat.Revoked) {
	t.Helper()
	for _, an := range t.taken(user.Partition(t.Partitions), func(an *envelope.Announcement) bool { return an.Revoked != nil && an.Revoked.User == user }) {
		rs = append(rs, *an.Revoked)
	}
	return rs
}

func (t *trial) taken(partition int, mine func(*envelope.Announcement) bool) (ans []envelope.Announcement) {
	t.Helper()
	all, err := t.Outbox.Outbox(t.ctx, []int{partition}, 10_000)
	t.ok(err)
	var ids []uint64
	for _, an := range all {
		if an.Partition != partition {
			t.Errorf("announcement of partition %d, asked for %d", an.Partition, partition)
		}
		if mine(&an) {
			ans, ids = append(ans, an), append(ids, an.ID)
		}
	}
	if !slices.IsSorted(ids) {
		t.Errorf("announcements are out of order: %v", ids)
	}
	t.ok(t.Outbox.Announced(t.ctx, ids))
	return ans
}

// seqs renders the seqs of messages, such as "2 3 4".
func seqs(ms []chat.Message) string {
	out := make([]string, len(ms))
	for i, m := range ms {
		out[i] = m.Seq.String()
	}
	return strings.Join(out, " ")
}

func (t *trial) same(what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}
