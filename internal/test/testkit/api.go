package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// API is a REST client. Base ends in /api/v1.
type API struct{ Base string }

// User is a logged-in user.
type User struct {
	ID       uint64
	Username string
	Password string
	Token    string
	Refresh  string
	Device   string
}

// Response is a REST response. Body is its JSON object, nil if it is something else.
type Response struct {
	Status int
	Header http.Header
	Body   Frame
	Raw    []byte
}

// Call sends a request; body is nil, a string or []byte that is sent as it is, or a value to encode as JSON.
func (a API) Call(ctx context.Context, method, path, token string, body any) (Response, error) {
	return a.CallWith(ctx, method, path, token, body, nil)
}

// CallWith is Call with more headers.
func (a API) CallWith(ctx context.Context, method, path, token string, body any, headers http.Header) (Response, error) {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = bytes.NewReader([]byte(b))
	case []byte:
		r = bytes.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			return Response{}, err
		}
		r = bytes.NewReader(j)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.Base+path, r)
	if err != nil {
		return Response{}, err
	}
	for name, values := range headers {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return Response{}, err
	}
	out := Response{Status: res.StatusCode, Header: res.Header, Raw: raw}
	if len(bytes.TrimSpace(raw)) > 0 {
		out.Body, _ = parseFrame(raw) // not every response is JSON; the caller has Raw
	}
	return out, nil
}

// Do sends a request and returns the response's status and JSON object.
func (a API) Do(t testing.TB, method, path, token string, body any) (int, Frame) {
	t.Helper()
	r, err := a.Call(t.Context(), method, path, token, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return r.Status, r.Body
}

// Must is Do, and fails the test if the response has another status.
func (a API) Must(t testing.TB, status int, method, path, token string, body any) Frame {
	t.Helper()
	got, f := a.Do(t, method, path, token, body)
	if got != status {
		t.Fatalf("%s %s: status %d, want %d: %v", method, path, got, status, f)
	}
	return f
}

// User registers a random user and logs in.
func (a API) User(t testing.TB) User {
	t.Helper()
	name := "u" + randomName()
	const password = "correct horse 42"
	a.Must(t, http.StatusCreated, http.MethodPost, "/auth/register", "", map[string]any{
		"username": name, "nickname": "Nick " + name, "email": name + "@example.com", "password": password,
	})
	return a.Login(t, name, password, "")
}

// Login logs a user in: a new login session each time.
func (a API) Login(t testing.TB, username, password, device string) User {
	t.Helper()
	body := map[string]any{"username": username, "password": password}
	if device != "" {
		body["device"] = device
	}
	f := a.Must(t, http.StatusOK, http.MethodPost, "/auth/login", "", body)
	u := User{
		ID: f.Obj("user").Num("id"), Username: username, Password: password, Device: device,
		Token: f.Str("access_token"), Refresh: f.Str("refresh_token"),
	}
	if u.ID == 0 || u.Token == "" {
		t.Fatalf("login of %s: no user or token in %v", username, f)
	}
	return u
}

// CreateRoom creates a private group of u and the others and returns its id.
func (a API) CreateRoom(t testing.TB, u User, others ...User) uint64 {
	t.Helper()
	return a.CreateRoomAs(t, u, map[string]any{"type": "group", "visibility": "private"}, others...).Num("id")
}

// CreateRoomAs creates a room with these fields; a name and member_ids are added if missing. It returns the room.
func (a API) CreateRoomAs(t testing.TB, u User, fields map[string]any, others ...User) Frame {
	t.Helper()
	body := map[string]any{"name": "room " + randomName(), "description": "", "member_ids": IDs(others...)}
	for k, v := range fields {
		body[k] = v
	}
	return a.Must(t, http.StatusCreated, http.MethodPost, "/rooms", u.Token, body)
}

// History reads all messages of a room that u may see, ascending.
func (a API) History(t testing.TB, u User, room uint64) (all []Frame) {
	t.Helper()
	for after := uint64(0); ; {
		f := a.Must(t, http.StatusOK, http.MethodGet, fmt.Sprintf("/rooms/%d/messages?after_seq=%d&limit=100", room, after), u.Token, nil)
		page := f.List("messages")
		all = append(all, page...)
		if !f.Bool("has_more") || len(page) == 0 {
			return all
		}
		after = page[len(page)-1].Num("seq")
	}
}

// IDs are the users' ids.
func IDs(us ...User) []uint64 {
	ids := make([]uint64, len(us))
	for i, u := range us {
		ids[i] = u.ID
	}
	return ids
}
