//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// good says that a test shows these rows of the protocol with input as it should be.
func good(t *testing.T, names ...string) { t.Helper(); listed(t, names) }

// bad says that it shows them with input as it should not be.
func bad(t *testing.T, names ...string) { t.Helper(); listed(t, names) }

func listed(t *testing.T, names []string) {
	t.Helper()
	for _, name := range names {
		found := false
		for _, group := range rows {
			found = found || slices.Contains(group.names, name)
		}
		if !found {
			t.Errorf("%q is no row", name)
		}
	}
}

// calls are the REST rows.
func calls() []string { return rows[0].names }

// TestOpenAPI: the document lists exactly the rows, and the page of it works without any other host.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	w := shared(t)
	good(t, "openapi.json", "/docs")
	doc := w.api.Must(t, 200, "GET", "/openapi.json", "", nil)
	if !strings.HasPrefix(doc.Str("openapi"), "3.1") {
		t.Errorf("openapi %q, want 3.1", doc.Str("openapi"))
	}
	var have []string
	for path, methods := range doc.Obj("paths") {
		path = strings.TrimPrefix(path, "/api/v1")
		item, _ := methods.(map[string]any)
		for method := range item {
			if m := strings.ToUpper(method); slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, m) {
				have = append(have, m+" "+path)
			}
		}
	}
	for _, c := range calls() {
		if !slices.Contains(have, c) {
			t.Errorf("%s is not in the document: %v", c, have)
		}
	}
	for _, c := range have {
		if !slices.Contains(calls(), c) && !strings.HasSuffix(c, "/ws") {
			t.Errorf("%s is in the document and no row", c)
		}
	}
	page := testkit.API{Base: strings.TrimSuffix(w.api.Base, "/api/v1")}
	r, err := page.Call(t.Context(), "GET", "/docs", "", nil)
	if err != nil || r.Status != http.StatusOK {
		t.Fatalf("/docs: %d, %v", r.Status, err)
	}
	for _, far := range []string{"src=\"http", "href=\"http", "src=\"//", "href=\"//"} {
		if strings.Contains(string(r.Raw), far) {
			t.Errorf("/docs loads from elsewhere: %s", far)
		}
	}
}

// TestWithoutToken: every call but those that give tokens refuses none, a bad one and an old one.
func TestWithoutToken(t *testing.T) {
	t.Parallel()
	w := shared(t)
	bad(t, "GET /me", "POST /auth/logout", "POST /auth/logout-all", "GET /auth/sessions", "GET /unread", "GET /rooms", "GET /users")
	good(t, "code unauthenticated", "code token_expired", "problem details")
	u := w.api.User(t)
	old, foreign := w.expired(t, u), w.foreign(t, u)
	room := w.api.CreateRoom(t, u)
	for _, c := range calls() {
		method, path, _ := strings.Cut(c, " ")
		if slices.Contains([]string{"/auth/register", "/auth/login", "/auth/exchange", "/auth/refresh"}, path) {
			continue
		}
		expired := "token_expired"
		if strings.HasPrefix(path, "/server/") {
			expired = "unauthenticated" // a user's token is no key
		}
		path = strings.NewReplacer("{room_id}", "1", "{user_id}", "1", "{session_id}", "x", "{user}", "1", "{room}", "1").Replace(path)
		var body any
		if method != "GET" && method != "DELETE" {
			body = obj{}
		}
		refused(t, w.api, want{401, "unauthenticated", ""}, method, path, "", body)
		refused(t, w.api, want{401, "unauthenticated", ""}, method, path, "nonsense", body)
		refused(t, w.api, want{401, "unauthenticated", ""}, method, path, foreign, body)
		refused(t, w.api, want{401, expired, ""}, method, path, old, body)
	}
	w.api.Must(t, 200, "GET", roomPath(room, ""), u.Token, nil)
}
