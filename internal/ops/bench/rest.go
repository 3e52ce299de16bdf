package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	restWithin  = 30 * time.Second
	restRetries = 60
)

// rest calls the API. A busy server's answer (429, 503) is waited out.
type rest struct {
	base string // http://host:port/api/v1
	hc   *http.Client
}

func newREST(base string, conns int) *rest {
	return &rest{base: base, hc: &http.Client{Timeout: restWithin, Transport: &http.Transport{
		MaxIdleConns: conns, MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns, IdleConnTimeout: time.Minute,
	}}}
}

func (r *rest) close() { r.hc.CloseIdleConnections() }

// call sends in (nil: no body) and reads the answer into out (nil: ignored).
func (r *rest) call(ctx context.Context, method, path, token string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		status, after, answer, err := r.once(ctx, method, path, token, body)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		switch {
		case (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && try < restRetries:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(after):
			}
		case status >= 300:
			return fmt.Errorf("%s %s: %d %s", method, path, status, answer)
		case out == nil:
			return nil
		default:
			return json.Unmarshal(answer, out)
		}
	}
}

func (r *rest) once(ctx context.Context, method, path, token string, body []byte) (status int, after time.Duration, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, 0, nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.hc.Do(req)
	if err != nil {
		return 0, 0, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	secs, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return res.StatusCode, time.Duration(max(secs, 1)) * time.Second, answer, err
}
