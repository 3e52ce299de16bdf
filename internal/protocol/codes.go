package protocol

import (
	"strconv"
	"time"

	"chat-service/internal/chat"
)

// CloseCode is a WebSocket close code. 4000–4499, 1001, 1012 and 1013 mean "connect again", 4500–4999, 1002, 1003, 1007,
// 1008 and 1009 mean "stop" (docs/protocol.md, "Close codes").
type CloseCode int

// The close codes that the gateway sends.
const (
	CloseProtocolFrame  CloseCode = 1002 // framing error
	CloseBinary         CloseCode = 1003
	CloseUTF8           CloseCode = 1007
	CloseTooBig         CloseCode = 1009
	CloseRestart        CloseCode = 1012
	CloseGoingAway      CloseCode = 4000
	CloseTokenExpired   CloseCode = 4001
	CloseSlow           CloseCode = 4002
	CloseNoPong         CloseCode = 4003
	CloseRateLimited    CloseCode = 4004
	CloseServerError    CloseCode = 4005
	CloseResync         CloseCode = 4006
	CloseBadToken       CloseCode = 4500
	CloseProtocol       CloseCode = 4501
	CloseRevoked        CloseCode = 4502
	CloseReplaced       CloseCode = 4503
	CloseDisabled       CloseCode = 4504
	CloseTooManySockets CloseCode = 4505
	CloseVersion        CloseCode = 4506
)

var closeNames = map[CloseCode]string{
	CloseProtocolFrame: "protocol_error", CloseBinary: "binary_unsupported", CloseUTF8: "invalid_utf8", CloseTooBig: "frame_too_big",
	CloseRestart: "service_restart", CloseGoingAway: "going_away", CloseTokenExpired: "token_expired", CloseSlow: "slow_consumer",
	CloseNoPong: "no_pong", CloseRateLimited: "rate_limited", CloseServerError: "server_error", CloseResync: "state_invalid",
	CloseBadToken: "bad_token", CloseProtocol: "protocol_error", CloseRevoked: "session_revoked", CloseReplaced: "replaced",
	CloseDisabled: "account_disabled", CloseTooManySockets: "too_many_connections", CloseVersion: "unsupported_version",
}

// String names the code as the close reason does.
func (c CloseCode) String() string { return closeNames[c] }

// Retry tells whether the client should connect again.
func (c CloseCode) Retry() bool { return c >= 4000 && c < 4500 || c == 1001 || c == 1012 || c == 1013 }

// CloseReason is the close frame's reason: {"code":…,"retry_after_ms":…}, at most 123 bytes.
func CloseReason(c CloseCode, retryAfter time.Duration) string {
	s := `{"code":` + strconv.Itoa(int(c)) + `,"name":"` + c.String() + `"`
	if c.Retry() {
		s += `,"retry_after_ms":` + strconv.FormatInt(retryAfter.Milliseconds(), 10)
	}
	return s + "}"
}

// CloseFor is the close code that ends a socket whose connect failed with e.
func CloseFor(e *chat.Error) CloseCode {
	switch e.Kind {
	case chat.TokenExpired:
		return CloseTokenExpired
	case chat.Unauthenticated:
		return CloseRevoked
	case chat.Forbidden, chat.Blocked:
		return CloseDisabled
	case chat.RateLimited:
		return CloseRateLimited
	case chat.RoomFull, chat.Conflict:
		return CloseTooManySockets
	default:
		return CloseServerError
	}
}
