package testkit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Receiver is an endpoint of an application: it verifies what is posted, by Standard Webhooks, and remembers it.
type Receiver struct {
	URL    string
	Secret []byte

	mu     sync.Mutex
	events []Received
	bad    []string
	answer func(e Received) int
}

// Received is an event that was posted.
type Received struct {
	ID    string
	At    time.Time
	Event Frame
	Taken bool // it was answered with 2xx
}

// StartReceiver serves until the test ends. Until told otherwise it takes everything.
func StartReceiver(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{Secret: []byte("the secret of a receiver in tests"), answer: func(Received) int { return http.StatusNoContent }}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

// Answer sets what is answered: a status, or 0 to end the connection without one.
func (r *Receiver) Answer(fn func(e Received) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = fn
}

// Events are those that were posted so far, in their order.
func (r *Receiver) Events() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Bad says which posts couldn't be verified, or weren't what they must be.
func (r *Receiver) Bad() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.bad)
}

// ServeHTTP takes one post.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	e := Received{ID: q.Header.Get("webhook-id"), At: time.Now()}
	if err == nil {
		err = r.verify(q, body)
	}
	if err == nil {
		e.Event, err = parseFrame(body)
	}
	r.mu.Lock()
	if err != nil {
		r.bad = append(r.bad, fmt.Sprintf("%s: %v", e.ID, err))
	}
	answer := r.answer
	r.mu.Unlock()
	status := answer(e)
	e.Taken = status >= 200 && status < 300
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	if status == 0 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	}
	w.WriteHeader(status)
}

// verify checks the signature as the specification says it.
func (r *Receiver) verify(q *http.Request, body []byte) error {
	id, stamp := q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" || q.Method != http.MethodPost || q.Header.Get("content-type") != "application/json" {
		return fmt.Errorf("%s with headers %v", q.Method, q.Header)
	}
	if age := time.Since(time.Unix(at, 0)); age.Abs() > 5*time.Minute {
		return fmt.Errorf("it is %v old", age)
	}
	mac := hmac.New(sha256.New, r.Secret)
	mac.Write([]byte(id + "." + stamp + "." + string(body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(q.Header.Get("webhook-signature")), want) {
		return fmt.Errorf("the signature %q is not ours", q.Header.Get("webhook-signature"))
	}
	return nil
}

// Register makes the receiver an endpoint of an installation, in its database.
func (r *Receiver) Register(t testing.TB, f *Fleet) (id uint64) {
	t.Helper()
	res, err := f.DB.DB.ExecContext(t.Context(), "INSERT INTO webhooks (name, url, secret, allow_private, created_at) VALUES ('receiver', ?, ?, 1, ?)",
		r.URL, r.Secret, time.Now().UTC())
	if err != nil {
		t.Fatalf("register a receiver: %v", err)
	}
	n, err := res.LastInsertId()
	if err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}
