package testkit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// DialOption changes how a socket is opened.
type DialOption func(*dialOptions)

type dialOptions struct {
	query     url.Values
	header    http.Header
	protocols []string
	place     tokenPlace
	noPong    bool
}

type tokenPlace uint8

const (
	inQuery tokenPlace = iota
	inHeader
	inProtocol
	inFrame
)

// TokenInHeader sends the token as Authorization.
func TokenInHeader() DialOption { return func(o *dialOptions) { o.place = inHeader } }

// TokenInProtocol sends the token as the subprotocol pair.
func TokenInProtocol() DialOption { return func(o *dialOptions) { o.place = inProtocol } }

// TokenInFrame sends the token as the first frame; with an empty token nothing is sent.
func TokenInFrame() DialOption { return func(o *dialOptions) { o.place = inFrame } }

// Query adds a query parameter, e.g. replace=true.
func Query(key, value string) DialOption { return func(o *dialOptions) { o.query.Set(key, value) } }

// Header adds a request header, e.g. Origin.
func Header(key, value string) DialOption { return func(o *dialOptions) { o.header.Set(key, value) } }

// NoPong leaves the server's pings unanswered.
func NoPong() DialOption { return func(o *dialOptions) { o.noPong = true } }

// CloseError says how a socket ended. 1006: without a close frame.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string { return fmt.Sprintf("closed: %d %s", e.Code, e.Reason) }

// retryAfter is the pause that the close reason asks for.
func (e *CloseError) retryAfter() time.Duration {
	f, err := parseFrame([]byte(e.Reason))
	if err != nil {
		return 0
	}
	return time.Duration(f.Num("retry_after_ms")) * time.Millisecond
}

// wire is a WebSocket: one reader, many writers.
type wire struct {
	conn   net.Conn
	r      io.Reader
	noPong bool
	wmu    sync.Mutex
}

// dialWire opens a socket. A refused upgrade is a ws.StatusError.
func dialWire(ctx context.Context, rawURL, token string, opts []DialOption) (*wire, error) {
	o := dialOptions{query: url.Values{}, header: http.Header{}}
	for _, f := range opts {
		f(&o)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	for k := range o.query {
		q.Set(k, o.query.Get(k))
	}
	switch o.place {
	case inQuery:
		if token != "" {
			q.Set("token", token)
		}
	case inHeader:
		o.header.Set("Authorization", "Bearer "+token)
	case inProtocol:
		o.protocols = []string{"chat.v1", "bearer." + token}
	}
	u.RawQuery = q.Encode()
	d := ws.Dialer{Timeout: 15 * time.Second, Header: ws.HandshakeHeaderHTTP(o.header), Protocols: o.protocols}
	conn, br, _, err := d.Dial(ctx, u.String())
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, r: bufio.NewReader(conn), noPong: o.noPong}
	if br != nil { // the server's first frames came with the handshake
		w.r = br
	}
	if o.place == inFrame && token != "" {
		if err := w.sendJSON(map[string]any{"type": "auth", "token": token}); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return w, nil
}

func (w *wire) sendJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.send(ws.OpText, true, b)
}

func (w *wire) send(op ws.OpCode, fin bool, payload []byte) error {
	f := ws.NewFrame(op, fin, append([]byte(nil), payload...))
	b, err := ws.CompileFrame(ws.MaskFrameInPlace(f))
	if err != nil {
		return err
	}
	return w.write(b)
}

// write sends bytes as they are.
func (w *wire) write(b []byte) error {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	_ = w.conn.SetWriteDeadline(time.Now().Add(15 * time.Second))
	_, err := w.conn.Write(b)
	return err
}

// next reads the next text message; pings are answered on the way. The error is a *CloseError.
func (w *wire) next() ([]byte, error) {
	var message []byte
	for {
		f, err := readFrame(w.r)
		if err != nil {
			_ = w.conn.Close()
			return nil, &CloseError{Code: 1006, Reason: err.Error()}
		}
		switch f.Header.OpCode {
		case ws.OpPing:
			if !w.noPong {
				_ = w.send(ws.OpPong, true, f.Payload) // the read fails if the socket has ended
			}
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			_ = w.send(ws.OpClose, true, f.Payload[:min(2, len(f.Payload))])
			_ = w.conn.Close()
			return nil, &CloseError{Code: int(code), Reason: reason}
		case ws.OpText, ws.OpContinuation:
			message = append(message, f.Payload...)
			if f.Header.Fin {
				return message, nil
			}
		}
	}
}

// frameMax is far above what the server may send.
const frameMax = 64 << 20

func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	if f.Header.Length > frameMax {
		return f, fmt.Errorf("frame of %d bytes", f.Header.Length)
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// close ends the socket properly, without waiting for the server.
func (w *wire) close() {
	_ = w.send(ws.OpClose, true, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	_ = w.conn.Close()
}

// StatusOf is the HTTP status of a refused upgrade, 0 if err is something else.
func StatusOf(err error) int {
	var s ws.StatusError
	if errors.As(err, &s) {
		return int(s)
	}
	return 0
}
