package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"chat-service/internal/chat"
)

// The bounds of a post.
const (
	Timeout     = 15 * time.Second       // for all of it: resolving, dialling, posting and the answer
	maxAnswer   = 64 << 10               // bytes that are read of an answer's body, and of its header
	maxNote     = chat.MaxWebhookRefusal // bytes of an answer's note
	maxSecrets  = 4
	idlePerHost = 4 // connections that wait for the next post …
	idleInAll   = 64
	idleFor     = 30 * time.Second
)

// Delivery is one post.
type Delivery struct {
	URL          string
	Secrets      [][]byte  // the endpoint's, and while it is replaced the one before: each signs
	ID           string    // of the event; the same at every try
	At           time.Time // of this try: receivers refuse what is old
	Body         []byte    // JSON
	AllowPrivate bool      // the endpoint may reach the private networks that the operator allows
}

// Answer is what came back.
type Answer struct {
	Status int           // of HTTP
	Took   time.Duration // the whole post
	Note   string        // for people, "" if the status says it all
}

// Accepted reports whether the receiver has the event.
func (a Answer) Accepted() bool { return a.Status >= 200 && a.Status < 300 }

// Options are what a client may be given.
type Options struct {
	// Private are networks that are not public and that endpoints may reach if they ask for it.
	Private Networks
	// Timeout bounds a whole post; 0: Timeout.
	Timeout time.Duration
	// Resolver resolves names; nil: the system's.
	Resolver *net.Resolver
	// Roots are the authorities that endpoints' certificates are verified by; nil: the system's.
	Roots *x509.CertPool
}

// Client posts. It is safe for concurrent use; how much is posted at a time is bounded by its callers.
type Client struct {
	private Networks
	timeout time.Duration
	ways    [ways]*http.Transport // connections are never shared between ways: what one may reach another may not
}

// New makes a client.
func New(o Options) *Client {
	c := &Client{private: o.Private, timeout: o.Timeout}
	if c.timeout <= 0 {
		c.timeout = Timeout
	}
	for w := range c.ways {
		c.ways[w] = c.transport(way(w), o)
	}
	return c
}

// transport is one way to endpoints. It is none of http.DefaultTransport's clones: that one asks the environment for proxies.
func (c *Client) transport(w way, o Options) *http.Transport {
	d := &net.Dialer{
		Timeout: c.timeout, Resolver: o.Resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			a, err := netip.ParseAddrPort(address)
			if err != nil {
				return chat.E(chat.Invalid, "%s is no address that can be judged", address)
			}
			return c.private.judge(a.Addr(), w)
		},
	}
	t := &http.Transport{
		DialContext: d.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout: c.timeout, ResponseHeaderTimeout: c.timeout, MaxResponseHeaderBytes: maxAnswer,
		MaxIdleConns: idleInAll, MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleFor,
		DisableCompression: true, Protocols: new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true) // HTTP/2 would put the posts of all endpoints of a host on one connection
	return t
}

// Close ends the connections that wait.
func (c *Client) Close() {
	for _, t := range c.ways {
		t.CloseIdleConnections()
	}
}

// Post signs and posts. An error means that no answer came; any answer is returned without one, also a refusal. It waits no longer than the
// client's timeout, and not after ctx has ended.
func (c *Client) Post(ctx context.Context, d Delivery) (Answer, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(ctx, d)
	if err != nil {
		return Answer{Took: time.Since(begin)}, c.why(err)
	}
	// A transport's round trip is one request: it follows no redirect and keeps no cookie.
	res, err := c.ways[wayOf(req.URL.Scheme, d.AllowPrivate)].RoundTrip(req)
	if err != nil {
		return Answer{Took: time.Since(begin)}, c.why(err)
	}
	defer func() { _ = res.Body.Close() }()
	// Read to its end, so that the connection can be used again. What the body is, or that it never ends, changes nothing.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer+1)
	a := Answer{Status: res.StatusCode, Took: time.Since(begin)}
	if a.Status >= 300 && a.Status < 400 {
		a.Note = short("redirects are not followed: set the endpoint's address to where it leads: " + res.Header.Get("Location"))
	}
	return a, nil
}

// request makes the signed request.
func (c *Client) request(ctx context.Context, d Delivery) (*http.Request, error) {
	u, err := c.private.parse(d.URL, d.AllowPrivate)
	if err != nil {
		return nil, err
	}
	if len(d.Secrets) == 0 || len(d.Secrets) > maxSecrets {
		return nil, fmt.Errorf("sign: %d secrets, want 1 to %d", len(d.Secrets), maxSecrets)
	}
	signatures := make([]string, len(d.Secrets))
	for i, secret := range d.Secrets {
		if len(secret) < chat.MinWebhookSecret {
			return nil, fmt.Errorf("sign: a secret of %d bytes, want at least %d", len(secret), chat.MinWebhookSecret)
		}
		signatures[i] = Sign(secret, d.ID, d.At, d.Body)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(d.Body))
	if err != nil {
		return nil, errors.New("the address can't be posted to")
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"chat-service"},
		"Webhook-Id": {d.ID}, "Webhook-Timestamp": {strconv.FormatInt(d.At.Unix(), 10)}, "Webhook-Signature": {strings.Join(signatures, " ")},
	}
	return req, nil
}

// why says in a few words why no answer came.
func (c *Client) why(err error) error {
	var (
		refused *chat.Error
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		plainly string
	)
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("the post was given up: %w", err)
	case errors.As(err, &refused):
		plainly = "not posted: " + refused.Msg
	case errors.As(err, &dns):
		plainly = "the name " + dns.Name + " can't be resolved: " + dns.Err
	case errors.Is(err, context.DeadlineExceeded), timedOut(err):
		plainly = fmt.Sprintf("no answer within %v", c.timeout)
	case errors.As(err, &cert):
		plainly = "the certificate isn't trusted: " + cert.Err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		plainly = "the connection was refused"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		plainly = "the connection ended without an answer"
	default:
		plainly = err.Error()
	}
	return errors.New(short(plainly))
}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// short bounds what is kept of a text that others may have written, and what it holds.
func short(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if len(text) <= maxNote {
		return text
	}
	cut := maxNote - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
