//go:build e2e

package conformance

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// bites checks that the fuzzer finds out an api that doesn't keep to the document: the same one, behind a proxy that spoils answers.
func bites(t *testing.T, f *testkit.Fleet) {
	z := newFuzzer(t, f, 1)
	for name, spoil := range map[string]func(*http.Response, []byte) []byte{
		"a status that isn't documented": func(res *http.Response, b []byte) []byte { res.StatusCode = http.StatusTeapot; return b },
		"a failure inside":               func(res *http.Response, b []byte) []byte { res.StatusCode = http.StatusInternalServerError; return b },
		"success whatever is asked":      func(res *http.Response, b []byte) []byte { res.StatusCode = http.StatusOK; return b },
		"a field that is missing": func(_ *http.Response, b []byte) []byte {
			return bytes.Replace(b, []byte(`"id":`), []byte(`"ident":`), 1)
		},
		"a number as a text": func(_ *http.Response, b []byte) []byte {
			return bytes.Replace(b, []byte(`"status":4`), []byte(`"status":"4`), 1)
		},
		"another content type": func(res *http.Response, b []byte) []byte {
			res.Header.Set("Content-Type", "text/plain")
			return b
		},
		"a code that isn't documented": func(_ *http.Response, b []byte) []byte {
			return bytes.Replace(b, []byte(`"code":"`), []byte(`"code":"x_`), 1)
		},
		"another request's id": func(res *http.Response, b []byte) []byte { res.Header.Set("X-Request-Id", "other"); return b },
		"a refusal of what fits": func(res *http.Response, b []byte) []byte {
			if res.StatusCode < 300 && res.Request.Method == http.MethodPost {
				res.StatusCode = http.StatusUnprocessableEntity
				res.Header.Set("Content-Type", "application/problem+json")
				return []byte(`{"type":"about:blank","title":"x","status":422,"code":"invalid","request_id":"` + res.Header.Get("X-Request-Id") + `"}`)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			z.t, z.base = t, spoiled(t, f.API(1), spoil)
			found := 0
			z.report = func(string) { found++ }
			for range 150 {
				z.try(z.request())
				if found > 0 {
					return
				}
			}
			t.Error("the fuzzer found nothing")
		})
	}
}

// spoiled is the base of an api behind a proxy that changes answers.
func spoiled(t *testing.T, api testkit.API, spoil func(*http.Response, []byte) []byte) string {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(api.Base, "/api/v1"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = func(res *http.Response) error {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		body = spoil(res, body)
		res.Body = io.NopCloser(bytes.NewReader(body))
		res.Header.Set("Content-Length", strconv.Itoa(len(body)))
		return nil
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL + "/api/v1"
}
