package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rows are the protocol's: every row of its tables, and every sentence beside them that promises something. Tests say which
// ones they cover by calling good and bad (marks_test.go) with their names.
var rows = []struct {
	about string
	bad   bool // bad input needs a test as well
	names []string
}{
	{"REST calls", true, []string{
		"POST /auth/register", "POST /auth/login", "POST /auth/exchange", "POST /auth/refresh", "POST /auth/logout", "POST /auth/logout-all",
		"POST /auth/password", "GET /auth/sessions", "DELETE /auth/sessions/{session_id}",
		"GET /me", "PATCH /me", "GET /users", "GET /users/{user_id}", "GET /users/{user_id}/presence", "POST /presence",
		"GET /rooms", "POST /rooms", "GET /rooms/{room_id}", "PATCH /rooms/{room_id}", "DELETE /rooms/{room_id}",
		"GET /rooms/{room_id}/members", "POST /rooms/{room_id}/members", "DELETE /rooms/{room_id}/members/{user_id}",
		"PATCH /rooms/{room_id}/members/{user_id}", "POST /rooms/{room_id}/owner",
		"GET /rooms/{room_id}/messages", "POST /rooms/{room_id}/messages", "PUT /rooms/{room_id}/read", "GET /unread",
		"GET /rooms/{room_id}/messages/{seq}", "PATCH /rooms/{room_id}/messages/{seq}", "DELETE /rooms/{room_id}/messages/{seq}",
		"GET /rooms/{room_id}/messages/{seq}/versions", "PUT /rooms/{room_id}/messages/{seq}/reactions/{key}",
		"DELETE /rooms/{room_id}/messages/{seq}/reactions/{key}", "GET /rooms/{room_id}/messages/{seq}/reactions",
		"GET /rooms/{room_id}/reactions/mine", "PUT /rooms/{room_id}/messages/{seq}/pin", "DELETE /rooms/{room_id}/messages/{seq}/pin",
		"GET /rooms/{room_id}/pins",
		"PUT /server/users/{user}", "GET /server/users/{user}", "POST /server/users", "POST /server/users/{user}/tokens",
		"POST /server/users/{user}/tokens/revoke", "PUT /server/users/{user}/disabled", "DELETE /server/users/{user}/disabled",
		"PUT /server/rooms/{room}", "GET /server/rooms/{room}", "PUT /server/rooms/{room}/members/{user}", "DELETE /server/rooms/{room}/members/{user}",
		"DELETE /server/users/{user}", "GET /server/jobs/{job}", "GET /server/audit", "POST /server/export", "GET /server/export/{job}", "DELETE /server/rooms/{room}", "POST /server/rooms", "GET /server/rooms/{room}/members", "GET /server/users/{user}/rooms",
		"GET /server/rooms/{room}/messages/{seq}",
		"GET /server/rooms/{room}/messages", "POST /server/rooms/{room}/messages", "DELETE /server/rooms/{room}/messages/{seq}",
		"POST /server/webhooks", "GET /server/webhooks", "GET /server/webhooks/{webhook_id}", "PATCH /server/webhooks/{webhook_id}",
		"DELETE /server/webhooks/{webhook_id}", "POST /server/webhooks/{webhook_id}/secret", "GET /server/webhooks/{webhook_id}/attempts",
		"POST /server/webhooks/{webhook_id}/replay",
	}},
	{"REST in general", false, []string{
		"problem details", "hidden rooms are 404", "Retry-After", "openapi.json", "/docs", "member_ids ≤ 500", "room holds at most",
		"lists are paged by cursor", "history without parameters", "page and seq ranges", "has_more", "presence null", "content ≤ 16 KiB",
		"login by username or email", "passwords in debug mode", "passwords in release mode", "client_msg_id form", "one system message per call",
		"room fields", "notes to oneself", "keys and scopes", "own ids", "a change is done once", "data and reply_to", "member fields", "session fields", "message fields", "user fields",
	}},
	{"error codes", false, []string{
		"code invalid", "code unknown_type", "code unknown_field", "code unauthenticated", "code token_expired", "code forbidden", "code muted",
		"code blocked", "code not_found", "code conflict", "code username_taken", "code email_taken", "code idempotency_conflict", "code room_full", "code version_conflict", "code limit_reached",
		"code out_of_order", "code too_large", "code rate_limited", "code unavailable",
	}},
	{"ways of a token", false, []string{"token in query", "token in header", "token in subprotocol", "token in first frame"}},
	{"frames from the client", true, []string{
		"> message", "> join_room", "> leave_room", "> read", "> typing", "> sync", "> presence", "> auth", "> ping", "> edit", "> recall", "> react", "> pin",
	}},
	{"frames from the server", false, []string{
		"< welcome", "< ack", "< error", "< message", "< head", "< joined", "< left", "< room", "< read", "< typing", "< presence", "< resync",
		"< goaway", "< synced", "< pong", "< done", "< change", "< mine", "< user",
	}},
	{"details", false, []string{
		"no echo to the sending connection", "duplicate before any other rule", "read reaches own devices with unread", "read reaches peers",
		"typing is relayed, never stored", "joined when someone adds you", "left reasons", "room changes", "error ref is the type",
		"sync ≤ 100 rooms", "sync ≤ 1,000 messages", "sync > 5,000 is a resync", "sync seq above last_seq", "sync other epoch", "sync includes own messages",
		"visible from joining", "visible from 1 when named at creation", "visible from 1 in public rooms", "visible to the leaving", "visible with history_all",
		"welcome lists ≤ 1,000 rooms", "client_seq in order", "client_seq refused uses up its number", "seqs are dense, in one order", "head tells of what is missing",
	}},
	{"what keeps and what closes a socket", false, []string{
		"keeps: malformed JSON", "keeps: unknown type or field", "keeps: bad values", "keeps: not a member", "keeps: over message_bytes",
		"close: any frame before auth", "close: 5 s of silence before auth", "close: 20 bad frames a minute", "refused: Origin", "refused: admission",
		"bad token is upgraded", "close reason", "pings", "any frame is life",
	}},
	{"close codes", false, []string{
		"close 1002", "close 1003", "close 1007", "close 1009", "close 1012",
		"close 4001", "close 4002", "close 4003", "close 4004", "close 4005",
		"close 4500", "close 4501", "close 4502", "close 4503", "close 4504", "close 4505", "close 4506",
	}},
	{"configuration", false, []string{
		"config files", "config variables", "config secrets from files", "config unknown keys", "config all errors at once", "config seed file",
		"config rabbitmq.queue is accepted", "config ports as strings", "config release refuses secrets", "config limits can be 0", "config exchange is the prefix",
	}},
	{"promises", false, []string{
		"a killed gateway's users go offline", "a killed worker loses nothing", "sends go on without Redis", "sends recover after RabbitMQ", "the thirteen stops",
	}},
}

// unprovoked are rows of the documents that no client can bring about from outside, with the reason.
var unprovoked = map[string]string{
	"code internal": "needs a fault in the server: internal/api tests it with a twin that panics",
	"close 1000":    "the client's own", "close 1001": "never sent: reserved for proxies", "close 1013": "never sent: reserved for proxies",
	"close 1006": "never sent: the absence of a close", "close 1011": "never sent: a proxy's", "close 1008": "never sent: reserved for proxies",
	"close 4000": "never sent: the drain closes with 1012",
	"close 4006": "needs a welcome older than 30 s, and the wait for it ends before: internal/gateway tests it with its own clock",
}

type mark struct {
	test string
	good bool
}

// TestRows checks that every row has its tests, and that the documents know no other rows. With -v it prints the list.
func TestRows(t *testing.T) {
	marks := readMarks(t)
	known := map[string]bool{}
	for _, group := range rows {
		t.Log("== " + group.about)
		for _, name := range group.names {
			known[name] = true
			var tests []string
			good, bad := false, false
			for _, m := range marks[name] {
				good, bad = good || m.good, bad || !m.good
				if !slices.Contains(tests, m.test) {
					tests = append(tests, m.test)
				}
			}
			slices.Sort(tests)
			t.Logf("%-45s %s", name, strings.Join(tests, ", "))
			if len(tests) == 0 || group.bad && !(good && bad) {
				t.Errorf("%s: good input tested: %v, bad input tested: %v", name, good, bad)
			}
		}
	}
	for name := range marks {
		if !known[name] {
			t.Errorf("%s is marked in %v and is no row", name, marks[name])
		}
	}
	for _, name := range documented(t) {
		if !known[name] && unprovoked[name] == "" {
			t.Errorf("%s is in docs/protocol.md and no row", name)
		}
	}
}

// readMarks finds the calls of good and bad in this package's tests.
func readMarks(t *testing.T) map[string][]mark {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	marks := map[string][]mark{}
	fset := token.NewFileSet()
	for _, name := range files {
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			test := fn.Name.Name
			if fn.Recv != nil {
				test = "TestFaults/" + test
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				id, ok := call.Fun.(*ast.Ident)
				if !ok || id.Name != "good" && id.Name != "bad" {
					return true
				}
				for _, arg := range call.Args[1:] {
					lit, ok := arg.(*ast.BasicLit)
					if !ok {
						t.Errorf("%s: name rows by literals", fset.Position(arg.Pos()))
						continue
					}
					row, _ := strconv.Unquote(lit.Value)
					marks[row] = append(marks[row], mark{test, id.Name == "good"})
				}
				return true
			})
		}
	}
	return marks
}

var (
	cells  = regexp.MustCompile("`([^`]+)`")
	digits = regexp.MustCompile(`\b[14]\d{3}\b`)
)

// documented lists the codes, frames and close codes of docs/protocol.md.
func documented(t *testing.T) (names []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
		columns := strings.Split(line, "|")
		if len(columns) < 3 {
			continue
		}
		first := columns[1]
		prefix := map[string]string{"Errors": "code ", "Frames from the client": "> ", "Frames from the server": "< "}[section]
		if prefix != "" {
			for _, m := range cells.FindAllStringSubmatch(first, -1) {
				names = append(names, prefix+m[1])
			}
		}
		if section == "Close codes" {
			for _, n := range digits.FindAllString(first, -1) {
				names = append(names, "close "+n)
			}
		}
	}
	if len(names) < 50 {
		t.Fatalf("docs/protocol.md has only %d codes and frames that can be read: %v", len(names), names)
	}
	return names
}
