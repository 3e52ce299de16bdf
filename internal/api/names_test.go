package api

import (
	"fmt"
	"testing"
)

func TestCheckUsername(t *testing.T) {
	for name, ok := range map[string]bool{
		"ann": true, "ann.b-c_1": true, "_ann": true, "42": true, "иван": true, "张伟": true, "たなかタロウ": true, "김철수": true, "tanaka太郎": true,
		"åsa": true, "محمد": true, "ελένη": true,
		"me": false, "..": false, "--": false, "._-": false,
		"аdmin": false, "pаypal": false, "αdmin": false, "иvan": false, "ann\u200d": false, "ann\u3164": false, "\u3164\u3164": false, "ann\u202eb": false,
	} {
		if err := checkUsername(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

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
