package main

import (
	"chat-service/internal/auth"
	"chat-service/internal/gateway"
)

// tokens is the gateway's Verifier.
type tokens struct{ v *auth.Verifier }

// Verify checks an access token.
func (t tokens) Verify(token string) (gateway.Claims, error) {
	c, err := t.v.Verify(token)
	return gateway.Claims{User: c.UserID, Session: c.SessionID, ExpiresAt: c.ExpiresAt}, err
}

// inbound hands deliveries to the gateway, and reports when they stop and when they flow again.
type inbound struct{ *gateway.Gateway }

// Up is called when deliveries flow.
func (i inbound) Up(bool) { i.BusUp() }

// Down is called when they don't.
func (i inbound) Down(err error) { i.BusDown(err) }
