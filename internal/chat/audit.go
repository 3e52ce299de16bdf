package chat

import (
	"context"
	"slices"
	"time"
)

// ActKind says what an Act is, from the closed set of ActKinds.
type ActKind string

// The kinds of acts.
const (
	ActRegistered    ActKind = "registered"
	ActLogin         ActKind = "login"
	ActLoginFailed   ActKind = "login_failed"
	ActLoginRefused  ActKind = "login_refused"
	ActExchanged     ActKind = "token_exchanged"
	ActNotExchanged  ActKind = "exchange_failed"
	ActThrottled     ActKind = "throttled"
	ActWrongPassword ActKind = "wrong_password"
	ActPassword      ActKind = "password_changed"
	ActEmail         ActKind = "email_changed"
	ActSessionEnded  ActKind = "session_ended"
	ActSessionsEnded ActKind = "sessions_ended"
	ActTokenReused   ActKind = "refresh_token_reused"
	ActDisabled      ActKind = "user_disabled"
	ActEnabled       ActKind = "user_enabled"
	ActErased        ActKind = "user_erased"
	ActOwner         ActKind = "room_owner"
	ActDissolved     ActKind = "room_dissolved"
	ActKeyCreated    ActKind = "key_created"
	ActKeyRevoked    ActKind = "key_revoked"
	ActKeyCall       ActKind = "key_call"
	ActImported      ActKind = "imported"
	ActHookCreated   ActKind = "webhook_created"
	ActHookChanged   ActKind = "webhook_changed"
	ActHookDisabled  ActKind = "webhook_disabled"
	ActHookEnabled   ActKind = "webhook_enabled"
	ActHookDeleted   ActKind = "webhook_deleted"
	ActHookReplayed  ActKind = "webhook_replayed"
)

// ActSpec is a row of the table of kinds of acts.
type ActSpec struct {
	Kind ActKind
	Sure bool // written in the transaction of what it records; the others are written soon after, and lost where a process is killed
	Doc  string
}

var acts = []ActSpec{
	{ActRegistered, false, "an account was created"},
	{ActLogin, false, "a session was opened"},
	{ActLoginFailed, false, "a wrong password or an unknown name at login"},
	{ActLoginRefused, false, "the right password of a disabled account, or an issuer's token for one"},
	{ActExchanged, false, "a session was opened, or went on, by a token of the application's issuer"},
	{ActNotExchanged, false, "a token of another issuer that was refused; why is in the detail"},
	{ActThrottled, false, "a try at a password that came too early and wasn't judged"},
	{ActWrongPassword, false, "a wrong password where a logged-in user had to confirm it"},
	{ActPassword, true, "the password was changed, by its user or an operator; the sessions but the user's own ended"},
	{ActEmail, true, "the email address was changed or removed"},
	{ActSessionEnded, true, "a session was ended: by logout, or from the list of sessions"},
	{ActSessionsEnded, true, "all sessions were ended: by logout-all, an operator or the application"},
	{ActTokenReused, true, "a refresh token was used again after its grace: the session ended"},
	{ActDisabled, true, "an operator, or the application by a key, disabled the account"},
	{ActEnabled, true, "an operator, or the application by a key, enabled the account"},
	{ActErased, true, "an operator, or the application by a key, began to erase a user: the account was shut and emptied"},
	{ActOwner, true, "an operator made a member the owner of a room"},
	{ActDissolved, true, "an operator dissolved a room"},
	{ActKeyCreated, true, "an operator made a key for the application's backend; its id and name are in the detail"},
	{ActKeyRevoked, true, "an operator revoked a key"},
	{ActKeyCall, false, "a call with a key: the route and the status of the answer are in the detail"},
	{ActImported, false, "an operator imported users, rooms and messages; how many is in the detail"},
	{ActHookCreated, true, "an endpoint for webhooks was made; its id and name are in the detail"},
	{ActHookChanged, true, "an endpoint was changed; its id and what changed are in the detail"},
	{ActHookDisabled, true, "an endpoint was disabled: by somebody, or because nothing was taken for too long; why is in the detail"},
	{ActHookEnabled, true, "an endpoint was enabled again"},
	{ActHookDeleted, true, "an endpoint was deleted"},
	{ActHookReplayed, true, "an endpoint is told once more what it was told before; from where is in the detail"},
}

// ActSpecs returns the registry of kinds of acts.
func ActSpecs() []ActSpec { return slices.Clone(acts) }

// Act is a line of the audit trail: who did what, to whom, from where, in which request. It never holds a password, a token or
// what people wrote.
type Act struct {
	ID      uint64
	At      time.Time
	Kind    ActKind
	By      string // "user:7", "operator:name@host", "key:<id>", or "" for somebody who isn't known
	User    UserID // whose account it is about; 0: no one's
	Room    RoomID // 0: about no room
	Session SessionID
	IP      string
	Request string // X-Request-Id
	Detail  string
}

// ActQuery selects acts; what is zero selects all.
type ActQuery struct {
	Kinds  []ActKind
	User   UserID
	Room   RoomID
	IP     string
	Since  time.Time
	Before uint64 // ids below
	Limit  int
}

// Origin is where a call comes from; it travels in the call's context down to the transaction that records it.
type Origin struct {
	By      string
	IP      string
	Request string
	Session SessionID
}

type originKey struct{}

// WithOrigin returns a context whose acts are recorded as those of o.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf returns the origin of a call; zero if nobody set one.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// From fills in the origin of a call where the act doesn't say otherwise.
func (a Act) From(ctx context.Context) Act {
	o := OriginOf(ctx)
	a.By, a.IP, a.Request = o.By, o.IP, o.Request
	if a.Session == "" {
		a.Session = o.Session
	}
	return a
}
