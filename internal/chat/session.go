package chat

import "time"

// Session is a login session of one device, ended by logout, revocation or expiry.
type Session struct {
	ID         SessionID
	User       UserID
	Device     string
	CreatedAt  time.Time
	LastSeenAt time.Time
	ExpiresAt  time.Time
	RevokedAt  time.Time // zero: live
}

// Login is a session with its user, or why it may not be used.
type Login struct {
	Session Session
	User    User
	Err     error
}

// Revoked tells that sockets must close: all of a user's, some sessions', or all but one session's.
type Revoked struct {
	User     UserID      `json:"user"`
	Sessions []SessionID `json:"sessions,omitempty"` // empty: all of the user's
	Except   SessionID   `json:"except,omitempty"`
	Disabled bool        `json:"disabled,omitempty"` // the account, not only the session
}

// NewSession is a login session to open, with the hash of its first refresh token.
type NewSession struct {
	Session     Session   // ExpiresAt is the end of the first idle span
	RefreshHash [32]byte  // SHA-256 of the token
	Until       time.Time // absolute end, however busy
}

// Rotation exchanges a refresh token for its successor.
type Rotation struct {
	Old, Next [32]byte      // SHA-256 of the tokens; Next follows from Old's token, so that parallel calls agree
	Now       time.Time     // the clock that judges expiry
	Grace     time.Duration // how long a used token still works
	Idle      time.Duration // the session's new idle span, cut at its absolute end
}
