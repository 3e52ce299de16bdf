package frontdoor

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// page is what a person sees while the service is unavailable.
//
//go:embed unavailable.html
var page []byte

const pageCSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// unavailable answers that no backend is there: with a page to a person, else with a problem.
func unavailable(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodGet && acceptsHTML(r.Header) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", pageCSP)
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(page)
		return
	}
	problem(w, chat.E(chat.Unavailable, "the service is starting, stopping or overloaded"), 0)
}

// acceptsHTML reports whether a browser asks, for something to show: programs accept anything, or JSON.
func acceptsHTML(h http.Header) bool {
	for _, line := range h.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			if media, params, err := mime.ParseMediaType(part); err == nil && media == "text/html" && params["q"] != "0" {
				return true
			}
		}
	}
	return false
}

// refuse answers with what HTTP itself asks for.
func refuse(w http.ResponseWriter, status int) {
	e, _ := protocol.Refuse(status)
	problem(w, e, status)
}

func problem(w http.ResponseWriter, e *chat.Error, status int) {
	p := protocol.NewProblem(e, status, rand.Text())
	w.Header().Set("Content-Type", protocol.ProblemType)
	w.Header().Set("X-Request-Id", p.RequestID)
	w.WriteHeader(p.Status)
	_, _ = w.Write(protocol.AppendProblem(nil, p))
}

// listener accepts connections on which the HTTP server's own refusals are problems, too.
type listener struct{ net.Listener }

// Accept waits for the next connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is a client's connection.
type conn struct{ net.Conn }

// net/http answers what it can't read as a request before any handler sees it: in one write, as plain text, and with no other header
// than these. Nothing that a handler writes looks like that, since a handler's answer has a Date.
var (
	plainBegin = []byte("HTTP/1.1 ")
	plainHead  = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")
)

// Write writes, and puts a problem in place of a refusal of net/http.
func (c *conn) Write(b []byte) (int, error) {
	if !bytes.HasPrefix(b, plainBegin) || !bytes.Contains(b[:min(len(b), 256)], plainHead) {
		return c.Conn.Write(b)
	}
	status, err := strconv.Atoi(string(b[len(plainBegin):min(len(b), len(plainBegin)+3)]))
	e, ok := protocol.Refuse(status)
	if err != nil || !ok {
		return c.Conn.Write(b)
	}
	p := protocol.NewProblem(e, status, rand.Text())
	text := protocol.AppendProblem(nil, p)
	_, err = fmt.Fprintf(c.Conn, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), protocol.ProblemType, len(text), p.RequestID, text)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}
