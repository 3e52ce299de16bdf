// Command webhooks is a receiver of the chat service's webhooks to start from. It needs the standard library alone.
//
//	WEBHOOK_SECRETS=whsec_… go run . -listen 127.0.0.1:9000
//
// While a secret is replaced, WEBHOOK_SECRETS holds the new and the old one, with a space between them.
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	tolerance = 5 * time.Minute // older posts are refused, so that one that somebody recorded can't be sent again later
	maxBody   = 1 << 20
	remember  = 10_000 // events
)

// event is what all events have; the rest depends on its type.
type event struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      struct {
		RoomID    uint64 `json:"room_id"`
		Seq       uint64 `json:"seq"`
		ChangeSeq uint64 `json:"change_seq"`
	} `json:"data"`
}

// receiver verifies what is posted to it.
type receiver struct {
	secrets [][]byte
	out     io.Writer

	mu    sync.Mutex
	known map[string]bool // events that were handled; an application keeps them where it keeps what they led to
	order []string        // of known, the oldest first
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9000", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, os.Getenv("WEBHOOK_SECRETS"), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "webhooks:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, secrets string, out io.Writer) error {
	r := &receiver{out: out, known: map[string]bool{}}
	for _, text := range strings.Fields(secrets) {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
		if err != nil || len(secret) < 24 {
			return errors.New("WEBHOOK_SECRETS holds what is no secret: each begins with whsec_")
		}
		r.secrets = append(r.secrets, secret)
	}
	if len(r.secrets) == 0 {
		return errors.New("set WEBHOOK_SECRETS to the endpoint's secret")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "listening on http://%s\n", l.Addr())
	s := &http.Server{Handler: r, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.Shutdown(stopping)
}

// ServeHTTP answers 204 when the event is safe here: the service then never posts it again. To anything but 2xx it posts it again later,
// and holds back the room's later events until then. So answer fast, within 15 s, and only after the event was kept.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	switch {
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "POST events", http.StatusMethodNotAllowed)
		return
	case err != nil:
		http.Error(w, "the body can't be read, or is too large", http.StatusRequestEntityTooLarge)
		return
	}
	if err := r.verify(req.Header, body, time.Now()); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		http.Error(w, "the body is no event", http.StatusBadRequest)
		return
	}
	if err := r.handle(e, req.Header.Get("webhook-id"), body); err != nil {
		http.Error(w, "try again later", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// verify refuses what the service didn't sign, and what it signed too long ago. It needs the body byte by byte as it came.
func (r *receiver) verify(h http.Header, body []byte, now time.Time) error {
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if id == "" || err != nil {
		return errors.New("webhook-id and webhook-timestamp are needed")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return errors.New("webhook-timestamp is too old, or of the future")
	}
	fits := false
	for _, signature := range strings.Fields(h.Get("webhook-signature")) {
		encoded, ok := strings.CutPrefix(signature, "v1,")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			continue // of a later version
		}
		for _, secret := range r.secrets {
			mac := hmac.New(sha256.New, secret)
			_, _ = mac.Write([]byte(id + "." + stamp + "."))
			_, _ = mac.Write(body)
			fits = hmac.Equal(mac.Sum(nil), given) || fits // Equal takes the same time however much of it is right
		}
	}
	if !fits {
		return errors.New("no signature in webhook-signature fits")
	}
	return nil
}

// handle is where the application does what it has to do. It may be called again for the same event. An event of a room is known by its
// type and its place in the room; another one, such as user.created, by its id.
func (r *receiver) handle(e event, id string, body []byte) error {
	key := id
	if e.Data.RoomID != 0 {
		key = fmt.Sprint(e.Type, " ", e.Data.RoomID, " ", e.Data.Seq, " ", e.Data.ChangeSeq)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	line, err := json.Marshal(map[string]any{"id": id, "repeat": r.known[key], "event": json.RawMessage(body)})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(r.out, "%s\n", line); err != nil {
		return err
	}
	if !r.known[key] {
		r.known[key] = true
		r.order = append(r.order, key)
	}
	if len(r.order) > remember {
		delete(r.known, r.order[0])
		r.order = r.order[1:]
	}
	return nil
}
