package protocol

import (
	"slices"
	"strconv"
	"time"
)

// CloseCode is a WebSocket close code. 4000–4499, 1001, 1012 and 1013 mean "connect again", 4500–4999, 1002, 1003, 1007, 1008 and 1009
// mean "stop" (docs/protocol.md, "Close codes").
type CloseCode int

// The close codes that the gateway sends; the table closeCodes says what each means.
const (
	CloseProtocolFrame  CloseCode = 1002
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

// CloseSpec is a row of CloseCodes.
type CloseSpec struct {
	Code   CloseCode
	Name   string // in the close reason; "" if the gateway never sends the code
	Doc    string // why the socket closes
	Client string // what the client does then
}

// CloseCodes returns the registry of close codes, ascending, with those that clients see without the gateway sending them.
func CloseCodes() []CloseSpec { return slices.Clone(closeCodes) }

var closeCodes = []CloseSpec{
	{1000, "", "a normal end", "connects again"},
	{1001, "", "a proxy goes away", "connects again"},
	{CloseProtocolFrame, "protocol_error", "framing error", "stops: a fault in the client"},
	{CloseBinary, "binary_unsupported", "a binary frame", "stops: a fault in the client"},
	{1006, "", "the connection broke without a close frame", "connects again"},
	{CloseUTF8, "invalid_utf8", "a frame that is not valid UTF-8", "stops: a fault in the client"},
	{1008, "", "refused by the policy of a proxy", "stops"},
	{CloseTooBig, "frame_too_big", "a frame over `limits.frame_bytes`", "stops: a fault in the client"},
	{1011, "", "an error of a proxy", "connects again"},
	{CloseRestart, "service_restart", "the gateway restarts", "connects again"},
	{1013, "", "a proxy is overloaded", "connects again"},
	{CloseGoingAway, "going_away", "drain", "connects again"},
	{CloseTokenExpired, "token_expired", "the token has expired", "refreshes the token, connects again"},
	{CloseSlow, "slow_consumer", "the client reads more slowly than messages arrive", "connects again, syncs"},
	{CloseNoPong, "no_pong", "no frame for two ping intervals, or a message whose fragments don't arrive", "connects again"},
	{CloseRateLimited, "rate_limited", "too many frames, or too many new sockets", "connects again after `retry_after_ms`"},
	{CloseServerError, "server_error", "the server can't serve the socket, or failed at one of its frames", "connects again"},
	{CloseResync, "state_invalid", "the gateway lost the socket's state", "connects again, syncs"},
	{CloseBadToken, "bad_token", "no valid token", "stops, asks for a login"},
	{CloseProtocol, "protocol_error", "a frame before `auth`, too many bad frames, another user's token", "stops: a fault in the client"},
	{CloseRevoked, "session_revoked", "the session ended, or the session whose token renewed the socket", "stops, asks for a login"},
	{CloseReplaced, "replaced", "a newer socket of the session took its place", "stops and says so; reconnecting would close the newer socket in turn"},
	{CloseDisabled, "account_disabled", "the account is disabled", "stops"},
	{CloseTooManySockets, "too_many_connections", "the session or the user has more live sockets than allowed", "stops, or asks the user"},
	{CloseVersion, "unsupported_version", "the subprotocol isn't `chat.v1`, or only a token was offered as one", "stops, asks for an update"},
}

// String names the code as the close reason does, "" for one that the gateway doesn't send.
func (c CloseCode) String() string {
	for i := range closeCodes {
		if closeCodes[i].Code == c {
			return closeCodes[i].Name
		}
	}
	return ""
}

// Retry reports whether the client should connect again.
func (c CloseCode) Retry() bool { return c >= 4000 && c < 4500 || c == 1001 || c == 1012 || c == 1013 }

// CloseReason is the close frame's reason: {"code":…,"name":…,"retry_after_ms":…}, at most 123 bytes.
func CloseReason(c CloseCode, retryAfter time.Duration) string {
	s := `{"code":` + strconv.Itoa(int(c)) + `,"name":"` + c.String() + `"`
	if c.Retry() {
		s += `,"retry_after_ms":` + strconv.FormatInt(retryAfter.Milliseconds(), 10)
	}
	return s + "}"
}
