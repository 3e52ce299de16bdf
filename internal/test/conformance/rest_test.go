//go:build e2e

package conformance

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chat-service/internal/test/testkit"
)

// The variables that a longer run sets (make fuzz-rest): how many requests, and the seed of a run to repeat.
const (
	requestsVar = "CHAT_FUZZ_REQUESTS"
	seedVar     = "CHAT_FUZZ_SEED"
)

const (
	defaultRequests = 1500
	defaultSeed     = 20261129
	mostFaults      = 20 // after which a run ends
)

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	lost   bool // the connection ended first
}

// request is one that the fuzzer made, and what the document says about it.
type request struct {
	op          *operation
	what        string // how it was made
	method      string
	path        string // below the base, with the query
	token       string
	contentType string
	body        []byte
	headers     http.Header
	verdict     verdict
	edge        []int // what HTTP itself may answer; nil: nothing
}

// verdict is what a request is by the document.
type verdict uint8

const (
	unsure verdict = iota // words say more than the schemas
	fits                  // it must not be refused as invalid
	bad                   // it must be refused
)

// fuzzer makes requests for one api.
type fuzzer struct {
	t        *testing.T
	api      testkit.API
	base     string // where its requests go: the api's, or that of one that is to be found out
	report   func(fault string)
	doc      *document
	dice     dice
	users    []testkit.User
	key      string // of the application's backend
	rooms    []uint64
	own      []string // rooms of the application's own
	made     int      // ids that own has used up
	export   uint64   // a job
	sessions []string
	cursors  []string
	webhook  string // an endpoint's id
	client   *http.Client
	seen     map[string]map[int]int // operation → status → how often
	verdicts map[verdict]int
	faults   int
}

// TestREST sends requests that are made from the OpenAPI document, good and bad ones, and checks every answer against it: the status is
// documented for the operation, body and headers fit, nothing fails inside; what fits the document isn't refused as invalid, and what
// doesn't is refused.
func TestREST(t *testing.T) {
	f := testkit.StartFleet(t, testkit.FleetOptions{APIs: 1, Env: calm(t)})
	t.Run("requests", func(t *testing.T) { manyRequests(t, f, f.API(1).Base, given(t, requestsVar, defaultRequests)) })
	t.Run("bites", func(t *testing.T) { bites(t, f) })
}

// manyRequests sends requests to a base that leads to the fleet's first api.
func manyRequests(t *testing.T, f *testkit.Fleet, base string, requests int) {
	seed := given(t, seedVar, defaultSeed)
	t.Logf("%d requests with seed %d (%s=%[2]d repeats them)", requests, seed, seedVar)
	z := newFuzzer(t, f, uint64(seed))
	z.base = base
	z.examples()
	z.edges()
	for range requests {
		z.try(z.request())
		if z.faults >= mostFaults {
			t.Fatalf("%d faults are enough", z.faults)
		}
	}
	t.Log(z.table())
	if requests >= defaultRequests {
		z.covered()
	}
}

func given(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number above 0", name, text)
	}
	return n
}

func newFuzzer(t *testing.T, f *testkit.Fleet, seed uint64) *fuzzer {
	t.Helper()
	api := f.API(1)
	z := &fuzzer{
		t: t, api: api, base: api.Base, report: func(fault string) { t.Error(fault) }, doc: readDocument(t, api), dice: dice{rand.New(rand.NewPCG(seed, seed))},
		client: &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		seen:   map[string]map[int]int{}, verdicts: map[verdict]int{},
	}
	t.Cleanup(z.client.CloseIdleConnections)
	for range 3 {
		z.users = append(z.users, api.User(t))
	}
	out := f.Chatctl(t, "key", "create", "--name", "fuzz", "--scope", "users,tokens,rooms,messages,moderation,read,webhooks")
	z.key, _, _ = strings.Cut(out[strings.Index(out, "sk_"):], "\n")
	api.Must(t, 200, "POST", "/server/users", z.key, map[string]any{"users": []map[string]any{{"id": "ext:ann"}, {"id": ownUsers[0]}, {"id": ownUsers[1]}}})
	z.export = api.Must(t, 201, "POST", "/server/export", z.key, map[string]any{"user": "ext:ann"}).Num("id")
	z.furnish()
	return z
}

// ownUsers are ids of the application's own. The document's examples are about the user ext:ann.
var ownUsers = []string{"ext:user-1", "ext:user-2"}

// settle makes the two rooms of the application's own, under other ids where requests have dissolved those that they had.
func (z *fuzzer) settle() {
	z.t.Helper()
	if z.own == nil {
		z.own = []string{"ext:room-1", "ext64:cm9vbS0y"}
	}
	for i := range z.own {
		for tries := 0; ; tries++ {
			if status, _ := z.api.Do(z.t, "GET", "/server/rooms/"+z.own[i], z.key, nil); status == http.StatusOK {
				break
			}
			status, r := z.api.Do(z.t, "PUT", "/server/rooms/"+z.own[i], z.key, map[string]any{"name": "Own", "owner": "ext:ann"})
			if status == http.StatusCreated {
				break
			}
			if status != http.StatusConflict || tries == 1000 {
				z.t.Fatalf("a room of the application's own: %d %s", status, r)
			}
			z.made++
			name := fmt.Sprintf("room-%d-%d", i, z.made)
			if z.own[i] = "ext:" + name; i == 1 {
				z.own[i] = "ext64:" + base64.RawURLEncoding.EncodeToString([]byte(name))
			}
		}
	}
}

// token is one that the operation takes: the user's, or the backend's key.
func (z *fuzzer) token(op *operation, u testkit.User) string {
	if op.keyed {
		return z.key
	}
	return u.Token
}

// firstText is the seq of a room's first message of a user: before it stands the one that says who made the room.
const firstText = 2

// furnish makes rooms with messages, for requests to be about. It is done again now and then, because requests dissolve and leave them.
func (z *fuzzer) furnish() {
	z.t.Helper()
	z.freshTokens()
	owner, member := z.users[0], z.users[1]
	z.rooms = []uint64{
		z.api.CreateRoom(z.t, owner, member),
		z.api.CreateRoomAs(z.t, owner, map[string]any{"visibility": "public"}, member).Num("id"),
	}
	status, direct := z.api.Do(z.t, "POST", "/rooms", owner.Token, map[string]any{"type": "direct", "member_ids": []uint64{member.ID}})
	if status != http.StatusOK && status != http.StatusCreated {
		z.t.Fatalf("a direct room: %d %v", status, direct)
	}
	z.rooms = append(z.rooms, direct.Num("id"))
	for i, room := range z.rooms {
		for j := range 3 {
			z.api.Must(z.t, 201, "POST", fmt.Sprintf("/rooms/%d/messages", room), owner.Token, map[string]any{"content": fmt.Sprint("message ", i, j)})
		}
	}
	z.settle()
	for i, room := range z.own {
		z.api.Must(z.t, 200, "PUT", "/server/rooms/"+room+"/members/"+ownUsers[i], z.key, nil)
	}
	for _, w := range z.api.Must(z.t, 200, "GET", "/server/webhooks", z.key, nil).List("webhooks") { // there may be few
		z.api.Must(z.t, 204, "DELETE", fmt.Sprintf("/server/webhooks/%d", w.Num("id")), z.key, nil)
	}
	z.webhook = fmt.Sprint(z.api.Must(z.t, 201, "POST", "/server/webhooks", z.key, map[string]any{"url": "https://hooks.invalid/", "enabled": false}).Num("id"))
	z.sessions = nil
	for _, s := range z.api.Must(z.t, 200, "GET", "/auth/sessions", member.Token, nil).List("sessions") {
		z.sessions = append(z.sessions, s.Str("id"))
	}
	z.cursors = nil
	for _, path := range []string{"/rooms?limit=1", fmt.Sprintf("/rooms/%d/members?limit=1", z.rooms[0])} {
		z.cursors = append(z.cursors, z.api.Must(z.t, 200, "GET", path, owner.Token, nil).Str("next_cursor"))
	}
}

// freshTokens logs everybody in again: requests end sessions.
func (z *fuzzer) freshTokens() {
	z.t.Helper()
	for i, u := range z.users {
		fresh := z.api.Login(z.t, u.Username, u.Password, "")
		z.users[i].Token, z.users[i].Refresh = fresh.Token, fresh.Refresh
	}
}

// examples sends each operation's examples, which must not be refused as invalid.
func (z *fuzzer) examples() {
	for _, op := range z.doc.operations {
		r := request{op: op, what: "the document's example", method: op.method, token: z.token(op, z.users[0]), verdict: fits}
		r.path = strings.NewReplacer("{room_id}", fmt.Sprint(z.rooms[0]), "{user_id}", fmt.Sprint(z.users[1].ID), "{session_id}", z.sessions[0],
			"{seq}", fmt.Sprint(firstText), "{key}", url.PathEscape("👍"), "{user}", ownUsers[0], "{room}", z.own[0], "{webhook_id}", z.webhook, "{job}", fmt.Sprint(z.export)).Replace(op.path)
		r.path += "?" + required(op).Encode()
		if op.body != nil {
			body := []byte(encoded(z.there(op.body.example.(object))))
			if err := op.body.judge.Validate(op.body.example); err != nil {
				z.fault(r, answer{}, fmt.Errorf("the example of %s doesn't fit its own schema: %w", op.id, err))
			}
			r.body, r.contentType = body, "application/json"
		}
		z.try(r)
		if op.body != nil {
			o := z.there(op.body.example.(object))
			z.known(z.users[0], o)
			r.what, r.body, r.verdict = "the document's example, as its user would send it", []byte(encoded(o)), unsure
			z.try(r)
		}
		if !op.open {
			r.what, r.token, r.verdict = "no valid token", "", bad
			z.try(r)
		}
	}
	z.furnish()
}

// required are the parameters of a query that must be there.
func required(op *operation) url.Values {
	query := url.Values{}
	for _, p := range op.params {
		if p.in == "query" && p.required {
			query.Set(p.name, "an")
		}
	}
	return query
}

// edges sends, for each parameter of a query and each field of a body, the values at the ends of what its schema takes and beside them,
// and values of other types.
func (z *fuzzer) edges() {
	for _, op := range z.doc.operations {
		good := request{op: op, method: op.method, token: z.token(op, z.users[0]), headers: http.Header{}}
		for _, p := range op.params {
			if p.in != "query" {
				continue
			}
			for _, v := range edgesOf(p.schema) {
				r := good
				r.path, r.what, r.verdict = z.path(op, true), "an edge of "+p.name, z.fitsQuery(p, v)
				query := required(op)
				query.Set(p.name, v)
				r.path += "?" + query.Encode()
				z.try(r)
			}
		}
		if op.body == nil {
			continue
		}
		properties := op.body.schema["properties"].(object)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			for _, v := range edgesOfField(properties[name].(object)) {
				r := good
				r.path, r.what, r.verdict = z.path(op, true), "an edge of "+name, fits
				body := z.there(op.body.example.(object))
				body[name] = v
				z.put(&r, body)
				z.try(r)
			}
		}
	}
	z.furnish()
}

// fitsQuery is what the document says about a value of a query's parameter.
func (z *fuzzer) fitsQuery(p parameter, v string) verdict {
	var parsed any = v
	if kind, _ := typeOf(p.schema); kind == "integer" {
		if strings.Trim(v, "0123456789") != "" || v == "" {
			return bad
		}
		parsed = json.Number(v)
	}
	switch {
	case p.judge.Validate(parsed) != nil || z.doc.overBytes(p.schema, parsed):
		return bad
	case p.rule != "":
		return unsure
	}
	return fits
}

// there is an example with ids of users who are there.
func (z *fuzzer) there(example object) object {
	o := maps.Clone(example)
	id := json.Number(fmt.Sprint(z.users[1].ID))
	for name, v := range map[string]any{"user_id": id, "member_ids": []any{id}, "user_ids": []any{id}} {
		if _, ok := o[name]; ok {
			o[name] = v
		}
	}
	return o
}

// path fills in a path's parameters: with what is there, or at random. good: all of them fit.
func (z *fuzzer) path(op *operation, good bool) string {
	path := op.path
	for _, p := range op.params {
		if p.in != "path" {
			continue
		}
		var v string
		switch {
		case !good:
			v = pick(z.dice, []string{"x", "-1", "1.5", "%31", "1e3", "0x1", "+1", "%00", "\u0661", "01", "1;", "null", "9007199254740992", "0", "18446744073709551616"})
		case p.name == "room_id":
			v = fmt.Sprint(pick(z.dice, z.rooms))
			if z.dice.often(10) {
				v = "9007199254740991"
			}
		case p.name == "user_id":
			v = pick(z.dice, []string{"me", fmt.Sprint(z.users[1].ID), fmt.Sprint(z.users[2].ID), "9007199254740991"})
		case p.name == "user":
			v = pick(z.dice, append(slices.Clone(ownUsers), "ext:ann", "9007199254740991"))
		case p.name == "room":
			v = pick(z.dice, append(slices.Clone(z.own), "9007199254740991"))
			if op.id != "putRoom" && z.dice.often(40) { // whose example names an owner who isn't in it
				v = fmt.Sprint(pick(z.dice, z.rooms))
			}
		case p.name == "job":
			v = pick(z.dice, []string{fmt.Sprint(z.export), "9007199254740991"})
		case p.name == "webhook_id":
			v = pick(z.dice, []string{z.webhook, z.webhook, z.webhook, "9007199254740991"})
		case p.name == "seq":
			v = pick(z.dice, []string{"1", "2", "3", "4", "5", "9007199254740991"})
		case p.name == "key":
			v = url.PathEscape(pick(z.dice, []string{"👍", "+1", "heart", "a/b", "%", "ü", strings.Repeat("x", 32)}))
		default:
			v = pick(z.dice, append(z.sessions, "0123456789abcdef0123456789abcdef", "x", url.PathEscape(z.doc.text(z.dice, p.schema)+"x")))
		}
		path = strings.Replace(path, "{"+p.name+"}", v, 1)
	}
	return path
}

// request makes the next request: mostly a good one with one thing that may be wrong.
func (z *fuzzer) request() request {
	op := pick(z.dice, z.doc.operations)
	r := request{op: op, what: "made from the schemas", method: op.method, path: z.path(op, true), token: z.token(op, pick(z.dice, z.users)), verdict: fits, headers: http.Header{}}
	query := z.query(&r)
	z.body(&r)
	z.head(&r)
	asks := slices.ContainsFunc(op.params, func(p parameter) bool { return p.in == "query" })
	switch n := z.dice.IntN(20); {
	case n < 8 && asks:
		query = z.disturbQuery(&r, query)
	case n < 4 && op.body != nil:
		z.disturbBody(&r)
	case n < 6 && strings.Contains(op.path, "{") && !strings.Contains(op.path, "{session_id}"):
		r.what, r.path, r.verdict = "a path that names nothing", z.path(op, false), bad
	case n < 8:
		query = z.disturbQuery(&r, query)
	case n < 10:
		z.disturbHead(&r)
	case n < 11:
		z.disturbLine(&r)
	}
	if query != "" {
		r.path += "?" + query
	}
	return r
}

// query makes a query: the required parameters, and one of the others, since words say which go together.
func (z *fuzzer) query(r *request) string {
	query := url.Values{}
	var others []parameter
	add := func(p parameter) {
		v, _ := z.doc.value(z.dice, p.schema)
		text := fmt.Sprint(v)
		if p.name == "cursor" && z.dice.often(70) {
			text = pick(z.dice, z.cursors)
		}
		query.Set(p.name, text)
		if p.rule != "" {
			r.verdict = unsure
		}
	}
	for _, p := range r.op.params {
		switch {
		case p.in == "query" && p.required:
			if query.Set(p.name, "an"); z.dice.often(50) {
				add(p)
			}
		case p.in == "query":
			others = append(others, p)
		}
	}
	if len(others) > 0 && z.dice.often(60) {
		add(pick(z.dice, others))
	}
	return query.Encode()
}

// body makes a body.
func (z *fuzzer) body(r *request) {
	b := r.op.body
	if b == nil || !b.required && z.dice.often(30) {
		return
	}
	v, _ := z.doc.object(z.dice, b.schema, func(p object, _ string) bool { return z.dice.often(40) })
	if z.dice.often(40) { // nothing that words say more about, unless it is as in the example
		v = maps.Clone(b.example.(object))
		if b.rule == "" {
			properties := b.schema["properties"].(object)
			for _, name := range slices.Sorted(maps.Keys(properties)) { // in order, so that a seed repeats a run
				if p := properties[name].(object); text(p["x-rule"]) == "" && z.dice.often(50) {
					v[name], _ = z.doc.value(z.dice, p)
				}
			}
		}
	}
	z.know(r, v)
	z.put(r, v)
}

// head sets the headers that the document knows, now and then.
func (z *fuzzer) head(r *request) {
	for _, p := range r.op.params {
		if p.in == "header" && z.dice.often(40) {
			v, _ := z.doc.value(z.dice, p.schema)
			r.headers.Set(p.name, fmt.Sprint(v))
		}
	}
}

// know puts values into a body that nobody could make up, now and then.
func (z *fuzzer) know(r *request, body object) {
	who := slices.IndexFunc(z.users, func(u testkit.User) bool { return u.Token == r.token })
	if who >= 0 && z.dice.often(50) {
		z.known(z.users[who], body)
	}
}

// known puts what a user knows into a body, and the ids of others.
func (z *fuzzer) known(u testkit.User, body object) {
	for name, v := range map[string]any{
		"token": foreignToken(u), "refresh_token": u.Refresh, "old_password": u.Password, "new_password": u.Password, "username": u.Username, "password": u.Password,
		"user_id": json.Number(fmt.Sprint(z.users[1].ID)), "member_ids": []any{json.Number(fmt.Sprint(z.users[2].ID))},
	} {
		if _, ok := body[name]; ok {
			body[name] = v
		}
	}
}

// foreignSecret is that of the application's issuer.
const foreignSecret = "the application signs with this secret of its own"

// foreignToken is the application's token for a user of the name.
func foreignToken(u testkit.User) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iss":"https://app.example.com","aud":"chat","sub":%q,"exp":%d}`, u.Username, time.Now().Add(time.Hour).Unix())
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(foreignSecret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// put encodes a body and finds what the document says about it.
func (z *fuzzer) put(r *request, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		z.t.Fatal(err)
	}
	r.body, r.contentType = text, "application/json"
	b := r.op.body
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text)) // as the server sees it
	if err != nil {
		z.t.Fatal(err)
	}
	o, isObject := parsed.(object)
	switch {
	case b.judge.Validate(parsed) != nil || z.doc.overBytes(b.schema, parsed):
		r.verdict = bad
	case isObject && (z.doc.ruled(b.schema, o) || b.rule != "" && string(text) != encoded(b.example)):
		r.verdict = unsure
	}
}

func encoded(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// disturbBody changes the body so that it rarely fits.
func (z *fuzzer) disturbBody(r *request) {
	b := r.op.body
	r.verdict = fits
	if z.dice.often(5) {
		r.what, r.body, r.verdict = "a body over the limit", bytes.Repeat([]byte(" "), 200<<10), bad
		return
	}
	if z.dice.often(70) {
		r.what = "a body with something changed"
		z.put(r, z.doc.disturbed(z.dice, b.schema, b.example.(object)))
		return
	}
	good := encoded(b.example)
	r.contentType, r.verdict = "application/json", bad
	r.what = "a body that can't be read"
	r.body = []byte(pick(z.dice, []string{
		"{", good + "}", good + good, "[" + good + "]", "\ufeff" + good, good[:len(good)-1], "'" + good + "'", "{\"\xff\":1}", "{\"a\":\"\\ud800\"}",
		`{"content":"a","content":"b"}`, `{"username":"a","username":"b"}`, strings.Repeat("[", 20_000), "NaN", "{,}", "{\"a\":1,}", "\x00", "// x\n" + good,
	}))
}

// disturbQuery adds something to the query that doesn't fit.
func (z *fuzzer) disturbQuery(r *request, query string) string {
	var own []parameter
	for _, p := range r.op.params {
		if p.in == "query" {
			own = append(own, p)
		}
	}
	if len(own) == 0 || z.dice.often(20) {
		r.what = "a query with more than the document knows"
		return strings.TrimPrefix(query+"&utm_source=x&%zz&=&;", "&")
	}
	p := pick(z.dice, own)
	r.what, r.verdict = "a query that doesn't fit", bad
	values, _ := url.ParseQuery(query)
	values.Del(p.name)
	kind, _ := typeOf(p.schema)
	switch {
	case z.dice.often(20):
		v, _ := z.doc.value(z.dice, p.schema)
		values[p.name] = []string{fmt.Sprint(v), fmt.Sprint(v)}
	case kind == "integer":
		low, high := bound(p.schema, "minimum", 0), bound(p.schema, "maximum", 0)
		values.Set(p.name, pick(z.dice, []string{"", "x", "1.5", "-1", "+1", " 1", "1e1", "0x1", fmt.Sprint(high + 1), fmt.Sprint(low - 1), "99999999999999999999"}))
	case p.schema["enum"] != nil:
		values.Set(p.name, "other")
	case p.name == "cursor":
		values.Set(p.name, z.tampered())
	default:
		values.Set(p.name, strings.Repeat("x", int(bound(p.schema, "maxLength", 0))+1))
	}
	return values.Encode()
}

// tampered is a cursor with something changed, cut or added.
func (z *fuzzer) tampered() string {
	c := pick(z.dice, z.cursors)
	at := z.dice.IntN(len(c))
	const letters = "ABCxyz019._-= \n"
	other := string(letters[z.dice.IntN(len(letters))])
	switch {
	case z.dice.often(40) && c[at:at+1] != other:
		return c[:at] + other + c[at+1:]
	case z.dice.often(50) && at > 0:
		return c[:at]
	}
	return c[:at] + other + c[at:]
}

// disturbHead changes headers.
func (z *fuzzer) disturbHead(r *request) {
	keyed := slices.ContainsFunc(r.op.params, func(p parameter) bool { return p.in == "header" })
	switch n := z.dice.IntN(3); {
	case keyed && z.dice.often(50):
		r.what, r.verdict = "a key that doesn't fit", bad
		for _, p := range r.op.params {
			if p.in == "header" {
				r.headers[http.CanonicalHeaderKey(p.name)] = pick(z.dice, [][]string{{""}, {"a b"}, {"ü"}, {strings.Repeat("x", 37)}, {"a", "a"}, {"a", "b"}})
			}
		}
	case z.dice.often(10):
		r.what, r.verdict, r.edge = "headers over the limit", bad, []int{431}
		r.headers.Set("X-Long", strings.Repeat("x", 20<<10))
	case n == 0 && !r.op.open:
		r.what, r.verdict = "no valid token", bad
		r.token = pick(z.dice, []string{"", "x", r.token + "x", "..", "eyJhbGciOiJub25lIn0.e30."})
		if z.dice.often(20) {
			r.headers.Add("Authorization", "Bearer x")
		}
	case n == 1 && len(r.body) > 0:
		r.what, r.verdict = "a body of another type", bad
		r.contentType = pick(z.dice, []string{"text/plain", "application/xml", "application/json; charset=latin1", ";", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"})
		if z.dice.often(30) {
			r.contentType = "application/json"
			r.headers.Set("Content-Encoding", pick(z.dice, []string{"gzip", "br", "x"}))
		}
	default:
		r.what = "headers that say nothing to us"
		r.headers.Set(pick(z.dice, []string{"X-Request-Id", "X-Forwarded-For", "Accept", "Origin", "Range", "If-None-Match", "X-HTTP-Method-Override", "Cookie"}),
			pick(z.dice, []string{"", "x", "*", "../../etc", strings.Repeat("x", 2000), "ü", "DELETE", "null", "bytes=0-1"}))
	}
}

// disturbLine changes the method, or the spelling of the path.
func (z *fuzzer) disturbLine(r *request) {
	r.verdict = bad
	bare, _, _ := strings.Cut(r.path, "?")
	switch z.dice.IntN(4) {
	case 0:
		r.what, r.method, r.edge = "a method that nobody knows", pick(z.dice, []string{"FOO", "get", "PROPFIND"}), []int{501}
	case 1:
		known := func(method string) bool {
			return slices.ContainsFunc(z.doc.operations, func(op *operation) bool { return op.path == r.op.path && op.method == method })
		}
		r.what, r.edge = "a method that the path doesn't have", []int{405}
		for _, m := range []string{"PUT", "PATCH", "DELETE", "POST"} {
			if !known(m) {
				r.method = m
				return
			}
		}
		r.method = "TRACE"
	case 2:
		r.what, r.path, r.edge = "a slash at the end", bare+"/", []int{404, 405}
	default:
		r.what, r.edge = "another spelling of the path", []int{404, 405, 400} // 400: an id that ends in %00
		if strings.HasSuffix(r.op.path, "{key}") {
			r.edge = append(r.edge, http.StatusUnprocessableEntity) // it is another key then
		}
		r.path = pick(z.dice, []string{"/%" + fmt.Sprintf("%x", bare[1]) + bare[2:], "/" + bare, "/." + bare, strings.ToUpper(bare), bare + "%00"})
		if r.path == bare {
			r.path += "/"
		}
	}
}

// try sends a request and judges the answer.
func (z *fuzzer) try(r request) {
	a := z.send(r)
	if a.status == http.StatusUnauthorized && r.what != "no valid token" && !r.op.open { // an earlier request ended the session
		who := slices.IndexFunc(z.users, func(u testkit.User) bool { return u.Token == r.token })
		z.freshTokens()
		if who >= 0 {
			r.token = z.users[who].Token
		}
		a = z.send(r)
	}
	if z.seen[r.op.id] == nil {
		z.seen[r.op.id] = map[int]int{}
	}
	z.seen[r.op.id][a.status]++
	z.verdicts[r.verdict]++
	if err := z.judge(r, a); err != nil {
		z.fault(r, a, err)
	}
	if z.dice.often(1) || slices.Contains([]string{"dissolveRoom", "removeMember", "dropMember", "closeRoom", "deleteWebhook"}, r.op.id) && a.status == http.StatusNoContent {
		z.furnish()
	}
}

func (z *fuzzer) fault(r request, a answer, err error) {
	z.faults++
	z.report(fmt.Sprintf("%s (%s): %v\n  %s %.200s %s\n  %.300q\n  → %d %.400s",
		r.op.id, r.what, err, r.method, r.path, r.contentType, r.body, a.status, a.body))
}

// judge compares an answer with what the document says about the request.
func (z *fuzzer) judge(r request, a answer) error {
	code := ""
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		var p struct{ Code string }
		_ = json.Unmarshal(a.body, &p)
		code = p.Code
	}
	switch {
	case a.lost:
		return nil
	case a.status >= 500 && !slices.Contains(r.edge, a.status):
		return fmt.Errorf("it failed inside")
	case r.edge != nil && !slices.Contains(r.edge, a.status):
		return fmt.Errorf("answered %d, want one of %v", a.status, r.edge)
	case r.verdict == bad && (a.status < 400 || a.status == http.StatusTooManyRequests):
		return fmt.Errorf("it doesn't fit the document, and was taken")
	case r.verdict == bad && r.what == "no valid token" && a.status != http.StatusUnauthorized:
		return fmt.Errorf("answered without a token")
	case r.verdict == fits && (code == "invalid" || code == "unknown_field" || code == "too_large"):
		return fmt.Errorf("it fits the document, and was refused")
	}
	return z.doc.check(r.op, a, r.edge != nil)
}

func (z *fuzzer) send(r request) answer {
	z.t.Helper()
	base, _ := url.Parse(z.base)
	req, err := http.NewRequestWithContext(z.t.Context(), r.method, z.base, bytes.NewReader(r.body))
	if err != nil {
		z.t.Fatalf("%s %q: %v", r.method, r.path, err)
	}
	req.URL.Opaque = base.Path + r.path // as it is: url.URL would write it in another way
	maps.Copy(req.Header, r.headers)
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.token != "" {
		req.Header.Add("Authorization", "Bearer "+r.token)
	}
	res, err := z.client.Do(req)
	if err != nil && slices.Contains(r.edge, http.StatusRequestHeaderFieldsTooLarge) {
		return answer{lost: true} // the refusal came before the head was written, and the end of the connection with it
	}
	if err != nil {
		z.fault(r, answer{}, err)
		return answer{status: 599}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		z.fault(r, answer{}, err)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}
}

// table lists how often each operation answered with which status.
func (z *fuzzer) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d fit the document, %d don't, for %d it depends on what words say; answers by operation and status:",
		z.verdicts[fits], z.verdicts[bad], z.verdicts[unsure])
	for _, id := range slices.Sorted(maps.Keys(z.seen)) {
		fmt.Fprintf(&b, "\n%-16s", id)
		for _, status := range slices.Sorted(maps.Keys(z.seen[id])) {
			fmt.Fprintf(&b, " %d:%d", status, z.seen[id][status])
		}
	}
	return b.String()
}

// covered fails if an operation never succeeded or never refused: then the run proves little about it.
func (z *fuzzer) covered() {
	for _, op := range z.doc.operations {
		good, refused := false, false
		for status := range z.seen[op.id] {
			good, refused = good || status < 300, refused || status >= 400
		}
		if !good || !refused {
			z.t.Errorf("%s: succeeded %v, refused %v: %v", op.id, good, refused, z.seen[op.id])
		}
	}
}
