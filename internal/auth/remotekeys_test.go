package auth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chat-service/internal/chat"
)

// keyServer answers fetches in a test's own time.
type keyServer struct {
	fetches atomic.Int32
	serve   atomic.Pointer[server]
}

// server answers one fetch.
type server func(*http.Request) (*http.Response, error)

func newKeyServer(serve server) *keyServer {
	k := &keyServer{}
	k.serve.Store(&serve)
	return k
}

// now has the server answer in another way.
func (k *keyServer) now(serve server) { k.serve.Store(&serve) }

func (k *keyServer) RoundTrip(r *http.Request) (*http.Response, error) {
	k.fetches.Add(1)
	return (*k.serve.Load())(r)
}

func answers(status int, body io.Reader) server {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {"http://127.0.0.1/"}}, Body: io.NopCloser(body)}, nil
	}
}

// serving answers with a set of keys, again and again.
func serving(set []byte) server {
	return func(r *http.Request) (*http.Response, error) { return answers(200, bytes.NewReader(set))(r) }
}

func down(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// dripping answers at once and sends its body by a byte a second.
func dripping(r *http.Request) (*http.Response, error) {
	body, w := io.Pipe()
	go func() {
		for {
			select {
			case <-r.Context().Done():
				_ = w.CloseWithError(r.Context().Err())
				return
			case <-time.After(time.Second):
				_, _ = w.Write([]byte(" "))
			}
		}
	}()
	return answers(200, body)(r)
}

// remote runs keys over a server in a bubble of synctest, where the first fetch is over.
func remote(t *testing.T, k *keyServer) (r *RemoteKeys, judge func(kid string) error, changes *[]bool) {
	t.Helper()
	s := makeSigners()
	r = NewRemoteKeys("https://app.example/jwks.json")
	r.client.Transport = k
	changes = new([]bool)
	r.Changed = func(problem error) { *changes = append(*changes, problem == nil) }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	synctest.Wait()
	f := judges(t, r)
	return r, func(kid string) error {
		_, err := f.Judge(foreignToken(t, jwt.SigningMethodRS256, s.rsa, map[string]any{"kid": kid}, nil))
		return err
	}, changes
}

// TestKeysAreFetched: now and then, and for an unknown id once in ten seconds, however many ask.
func TestKeysAreFetched(t *testing.T) {
	s := makeSigners()
	synctest.Test(t, func(t *testing.T) {
		k := newKeyServer(serving(keySet(s.webKeys("ec")...)))
		r, judge, changes := remote(t, k)
		if k.fetches.Load() != 1 || r.Problem() != nil {
			t.Fatalf("%d fetches, %v", k.fetches.Load(), r.Problem())
		}
		for range 100 {
			if err := judge("rsa"); chat.KindOf(err) != chat.Unauthenticated {
				t.Fatal(err)
			}
		}
		if k.fetches.Load() != 1 {
			t.Errorf("%d fetches within 10 s", k.fetches.Load())
		}
		time.Sleep(fetchAtMost)
		synctest.Wait()
		k.now(serving(keySet(s.webKeys("rsa", "ec")...))) // the issuer has another key
		said := make(chan error, 50)
		for range cap(said) {
			go func() { said <- judge("rsa") }()
		}
		for range cap(said) {
			if err := <-said; err != nil {
				t.Errorf("with a key that came by a fetch: %v", err)
			}
		}
		if k.fetches.Load() != 2 {
			t.Errorf("%d fetches for one unknown key, want one more than 1", k.fetches.Load())
		}
		time.Sleep(fetchEvery)
		synctest.Wait()
		if k.fetches.Load() != 3 {
			t.Errorf("%d fetches after ten minutes, want 3", k.fetches.Load())
		}
		k.now(serving(keySet(s.webKeys("ec")...))) // the key is taken back
		time.Sleep(fetchEvery)
		synctest.Wait()
		if err := judge("rsa"); chat.KindOf(err) != chat.Unauthenticated {
			t.Errorf("by a key that was taken back: %v", err)
		}
		if len(*changes) != 1 || !(*changes)[0] {
			t.Errorf("reported %v, want one fetch", *changes)
		}
	})
}

// TestKeysCannotBeFetched: a process that starts meanwhile answers at once that it can't judge; one that had keys goes on with them;
// either reports it once.
func TestKeysCannotBeFetched(t *testing.T) {
	s := makeSigners()
	many := keySet(s.webKeys("rsa")...)
	many = bytes.Replace(many, []byte(`[`), append([]byte(`[`), bytes.Repeat([]byte(`{"kty":"new"},`), 1000)...), 1)
	for name, tt := range map[string]struct {
		serve server
		says  string
	}{
		"down":       {down, "connection refused"},
		"slow":       {hanging, "deadline"},
		"by drops":   {dripping, "deadline"},
		"500":        {answers(500, strings.NewReader("")), "answers 500"},
		"redirect":   {answers(302, strings.NewReader("")), "redirects are not followed"},
		"10 MiB":     {answers(200, io.LimitReader(zeros{}, 10<<20)), "more than"},
		"1,000 keys": {serving(many), "1001 keys"},
		"HTML":       {serving([]byte("<html>")), "no JSON Web Key Set"},
		"empty":      {serving(keySet()), "no key that can be used"},
	} {
		t.Run(name+", at the start", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKeyServer(tt.serve)
				r, judge, changes := remote(t, k)
				time.Sleep(fetchTime)
				synctest.Wait()
				if err := judge("rsa"); chat.KindOf(err) != chat.Unavailable {
					t.Errorf("without keys: %v", err)
				}
				if err := r.Problem(); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "503") {
					t.Errorf("the problem is %v, want %q", err, tt.says)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				k.now(serving(keySet(s.webKeys("rsa")...)))
				time.Sleep(fetchAgain + fetchTime)
				synctest.Wait()
				if err := judge("rsa"); err != nil || r.Problem() != nil {
					t.Errorf("when it is back: %v, %v", err, r.Problem())
				}
				if len(*changes) != 2 || (*changes)[0] || !(*changes)[1] {
					t.Errorf("reported %v, want one failure and one end of it", *changes)
				}
			})
		})
		t.Run(name+", later", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKeyServer(serving(keySet(s.webKeys("rsa")...)))
				r, judge, _ := remote(t, k)
				k.now(tt.serve)
				time.Sleep(fetchEvery + fetchTime)
				synctest.Wait()
				if err := judge("rsa"); err != nil {
					t.Errorf("with the keys that were fetched: %v", err)
				}
				if err := judge("other"); chat.KindOf(err) != chat.Unavailable {
					t.Errorf("of a key that may be new: %v", err)
				}
				if err := r.Problem(); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "are used") {
					t.Errorf("the problem is %v, want %q", err, tt.says)
				}
			})
		})
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestWaitingIsBounded: tokens of unknown keys wait a while, and only so many at once.
func TestWaitingIsBounded(t *testing.T) {
	s := makeSigners()
	synctest.Test(t, func(t *testing.T) {
		k := newKeyServer(serving(keySet(s.webKeys("ec")...)))
		_, judge, _ := remote(t, k)
		k.now(hanging)
		time.Sleep(fetchAtMost)
		synctest.Wait()
		begun := time.Now()
		said := make(chan error, 3*fetchWaiting)
		for range cap(said) {
			go func() { said <- judge("rsa") }()
		}
		synctest.Wait()
		if n := len(said); n != 2*fetchWaiting {
			t.Errorf("%d of %d are answered at once", n, cap(said))
		}
		for range cap(said) {
			if err := <-said; chat.KindOf(err) != chat.Unavailable {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took != fetchPatient {
			t.Errorf("they waited for %v", took)
		}
	})
}
