package api

import (
	"fmt"
	"testing"
)

func TestRegistrationClosed(t *testing.T) {
	b := newBench(t, func(o *Options, _ *Ports) { o.Closed = true })
	b.problem(b.raw("POST", "auth/register", "", "application/json", `{"username":"ann","password":"123456"}`), 403, "forbidden")
}

// TestEmailTakesThePassword: a stolen access token isn't enough to move an account's address, and guessing by it slows down.
func TestEmailTakesThePassword(t *testing.T) {
	b := newBench(t)
	ann := b.join("ann")
	patch := func(body string) answer { return b.raw("PATCH", "me", ann, "application/json", body) }
	if a := patch(`{"email":"a@example.com"}`); a.status != 422 || fmt.Sprint(a.fields()) != "[password]" {
		t.Errorf("without the password: %s", a.raw)
	}
	b.problem(patch(`{"email":"a@example.com","password":"wrong!"}`), 403, "forbidden")
	if a := b.do(200, "PATCH", "me", ann, `{"email":"A@example.com","password":"123456"}`); a.body["email"] != "a@example.com" {
		t.Errorf("changed: %s", a.raw)
	}
	b.do(200, "PATCH", "me", ann, `{"email":"a@example.com","nickname":"Ann"}`) // no change
	b.do(200, "PATCH", "me", ann, `{"nickname":"Ann B"}`)
	b.problem(patch(`{"email":""}`), 422, "invalid")
	var last answer
	for range 10 {
		last = patch(`{"email":"","password":"wrong!"}`)
	}
	b.problem(last, 429, "rate_limited")
}
