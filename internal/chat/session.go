package chat

import "time"

// Session is one login of one device. It ends by logout, revocation or expiry; several sockets may share it.
type Session struct {
	ID         SessionID
	User       UserID
	Device     string // the client's own name for it
	IP         string // where it was opened or last refreshed from; "": unknown
	CreatedAt  time.Time
	LastSeenAt time.Time // when it was opened or last refreshed
	ExpiresAt  time.Time // unless it is refreshed before
	RevokedAt  time.Time // zero: not revoked
}

// Login is a session with its user, or why it may not be used.
type Login struct {
	Session Session
	User    User
	Err     error // an *Error; nil: the rest is set
}

// Revoked says which sockets must close: all of a user's, some sessions', or all but one session's.
type Revoked struct {
	User     UserID      `json:"user"`
	Sessions []SessionID `json:"sessions,omitempty"` // empty: all of the user's
	Except   SessionID   `json:"except,omitempty"`
	Disabled bool        `json:"disabled,omitempty"` // the account, not only the session
}

// NewSession is a login session to open, with the hash of its first refresh token.
type NewSession struct {
	Session     Session   // ExpiresAt: if it is never refreshed
	RefreshHash [32]byte  // SHA-256 of the token
	Until       time.Time // it ends then, however often it is refreshed
	// Judged is the password hash that the login was judged by: a password that was set meanwhile opens nothing. "": none was.
	Judged string
	// Origin is what goes on with the same session when it comes again (Identity.Origin); "": nothing does.
	Origin string
	Most   int // how many sessions its user may have: those used longest ago end; 0: any number
}

// Rotation exchanges a refresh token for its successor.
type Rotation struct {
	Old, Next [32]byte      // SHA-256 of the tokens; Next follows from Old's token, so that parallel calls agree
	Now       time.Time     // what expiry is measured against
	Grace     time.Duration // how long a used token still works, for answers that got lost
	IP        string        // where it comes from; "": unknown
	Idle      time.Duration // how long the session lasts from Now without a refresh, at most to its absolute end
}
