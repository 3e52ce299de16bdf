package bench

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// fakeChat is a chat system in memory, as far as the tool needs one, with faults on demand.
type fakeChat struct {
	srv *httptest.Server

	mu    sync.Mutex
	users map[string]uint64 // name → id; a token is "t" and the id
	rooms map[uint64]*fakeRoom
	live  map[*fakeSocket]bool
	n     int // messages so far, over all rooms

	// tamper changes what goes to a member; nil = nothing. It returns the frames to send in place of f.
	tamper func(n int, f []byte) [][]byte
	forget func(n int) bool // acked, not stored
	ignore func(n int) bool // neither acked nor stored
	drops  bool             // reactions, and one of the changes that a client missed
}

type fakeRoom struct {
	members map[uint64]bool
	rows    []chat.Message
	seq     chat.Seq
	changed []chat.Seq               // by change_seq
	reacted map[chat.UserID]chat.Seq // who reacts to what
}

type fakeSocket struct {
	user uint64
	nc   net.Conn
	mu   sync.Mutex
}

func (s *fakeSocket) send(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = wsutil.WriteServerText(s.nc, p)
}

func newFakeChat(t *testing.T) *fakeChat {
	t.Helper()
	f := &fakeChat{users: map[string]uint64{}, rooms: map[uint64]*fakeRoom{}, live: map[*fakeSocket]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/auth/register", f.login(http.StatusCreated))
	mux.HandleFunc("POST /api/v1/auth/login", f.login(http.StatusOK))
	mux.HandleFunc("POST /api/v1/rooms", f.makeRoom)
	mux.HandleFunc("POST /api/v1/rooms/{id}/messages", f.post)
	mux.HandleFunc("GET /api/v1/rooms/{id}/messages", f.page)
	mux.HandleFunc("POST /api/v1/rooms/{id}/members", f.join)
	mux.HandleFunc("PATCH /api/v1/rooms/{id}/messages/{seq}", f.edit)
	mux.HandleFunc("GET /api/v1/rooms/{id}/messages/{seq}", f.message)
	mux.HandleFunc("GET /api/v1/rooms/{id}", f.show)
	mux.HandleFunc("GET /api/v1/rooms", f.list)
	mux.HandleFunc("GET /api/v1/ws", f.socket)
	f.srv = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.mu.Lock()
		for s := range f.live {
			_ = s.nc.Close()
		}
		f.mu.Unlock()
		f.srv.Close()
	})
	return f
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func caller(r *http.Request) uint64 {
	id, _ := strconv.ParseUint(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer t"), 10, 64)
	return id
}

func (f *fakeChat) login(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Username string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		f.mu.Lock()
		defer f.mu.Unlock()
		id, known := f.users[in.Username]
		if !known && status == http.StatusOK {
			answer(w, http.StatusUnauthorized, nil)
			return
		}
		if !known {
			id = uint64(len(f.users) + 1)
			f.users[in.Username] = id
		}
		answer(w, status, map[string]any{"access_token": fmt.Sprintf("t%d", id), "user": map[string]any{"id": id}})
	}
}

func (f *fakeChat) makeRoom(w http.ResponseWriter, r *http.Request) {
	var in struct {
		MemberIDs []uint64 `json:"member_ids"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	id := uint64(len(f.rooms) + 1)
	room := &fakeRoom{members: map[uint64]bool{caller(r): true}, reacted: map[chat.UserID]chat.Seq{}}
	for _, m := range in.MemberIDs {
		room.members[m] = true
	}
	f.rooms[id] = room
	room.add(chat.Message{Room: chat.RoomID(id), Kind: chat.System})
	answer(w, http.StatusCreated, map[string]any{"id": id})
}

func (r *fakeRoom) add(m chat.Message) chat.Message {
	r.seq++
	m.Seq, m.CreatedAt = r.seq, time.Now()
	r.rows = append(r.rows, m)
	return m
}

func (f *fakeChat) room(r *http.Request) *fakeRoom {
	id, _ := strconv.ParseUint(r.PathValue("id"), 10, 64)
	return f.rooms[id]
}

func (f *fakeChat) post(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.room(r).add(chat.Message{Sender: chat.UserID(caller(r))})
	answer(w, http.StatusCreated, stored{uint64(m.Seq), m.ClientMsgID})
}

func (f *fakeChat) join(w http.ResponseWriter, r *http.Request) {
	var in struct {
		MemberIDs []uint64 `json:"member_ids"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range in.MemberIDs {
		f.room(r).members[m] = true
	}
	answer(w, http.StatusOK, nil)
}

func (f *fakeChat) edit(w http.ResponseWriter, r *http.Request) {
	seq, _ := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room(r).changed = append(f.room(r).changed, chat.Seq(seq))
	answer(w, http.StatusOK, nil)
}

func (f *fakeChat) message(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"reactions": []map[string]any{{"key": "+", "count": len(f.room(r).reacted)}}})
}

func (f *fakeChat) show(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"last_seq": f.room(r).seq, "change_seq": len(f.room(r).changed)})
}

// react takes a reaction, or one's taking it back.
func (f *fakeChat) react(from *fakeSocket, room chat.RoomID, on bool, ref string) {
	r := f.rooms[uint64(room)]
	if delete(r.reacted, chat.UserID(from.user)); on && !f.drops {
		r.reacted[chat.UserID(from.user)] = 1
	}
	from.send(fmt.Appendf(nil, `{"type":"done","ref":%q}`, ref))
}

// sync tells what changed since, or that it is too much.
func (f *fakeChat) sync(to *fakeSocket, rooms map[string]struct{ Changes int }) {
	for id, point := range rooms {
		n, _ := strconv.ParseUint(id, 10, 64)
		missed := f.rooms[n].changed[point.Changes:]
		if len(missed) > resyncAfter {
			to.send([]byte(`{"type":"resync"}`))
			continue
		}
		if f.drops {
			missed = missed[1:]
		}
		for range missed {
			to.send([]byte(`{"type":"change"}`))
		}
		to.send([]byte(`{"type":"synced"}`))
	}
}

func (f *fakeChat) page(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.FormValue("after_seq"), 10, 64)
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []stored{}
	more := false
	for _, m := range f.room(r).rows {
		if uint64(m.Seq) > after {
			if more = len(out) == 100; more {
				break
			}
			out = append(out, stored{uint64(m.Seq), m.ClientMsgID})
		}
	}
	answer(w, http.StatusOK, map[string]any{"messages": out, "has_more": more})
}

func (f *fakeChat) list(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rooms := []map[string]any{}
	for id, room := range f.rooms {
		if room.members[caller(r)] {
			rooms = append(rooms, map[string]any{"id": id, "last_seq": room.seq, "unread": room.seq - 1})
		}
	}
	answer(w, http.StatusOK, map[string]any{"rooms": rooms})
}

func (f *fakeChat) socket(w http.ResponseWriter, r *http.Request) {
	user := caller(r)
	nc, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer nc.Close()
	s := &fakeSocket{user: user, nc: nc}
	f.mu.Lock()
	f.live[s] = true
	rooms := []map[string]any{}
	for id, room := range f.rooms {
		if room.members[user] {
			rooms = append(rooms, map[string]any{"id": id, "last_seq": room.seq})
		}
	}
	welcome, _ := json.Marshal(map[string]any{"type": "welcome", "rooms": rooms})
	s.send(welcome)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.live, s)
		f.mu.Unlock()
	}()
	for {
		p, err := wsutil.ReadClientText(nc)
		if err != nil {
			return
		}
		f.take(s, p)
	}
}

// take is the whole product: number, store, ack, deliver.
func (f *fakeChat) take(from *fakeSocket, p []byte) {
	var in struct {
		Type    string                           `json:"type"`
		Room    chat.RoomID                      `json:"room_id"`
		ID      string                           `json:"client_msg_id"`
		Content string                           `json:"content"`
		On      bool                             `json:"on"`
		Ref     string                           `json:"ref"`
		Rooms   map[string]struct{ Changes int } `json:"rooms"`
	}
	_ = json.Unmarshal(p, &in)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch in.Type {
	case "react":
		f.react(from, in.Room, in.On, in.Ref)
		return
	case "sync":
		f.sync(from, in.Rooms)
		return
	}
	f.n++
	if f.ignore != nil && f.ignore(f.n) {
		return
	}
	room := f.rooms[uint64(in.Room)]
	m := room.add(chat.Message{Room: in.Room, Kind: chat.Text, Sender: chat.UserID(from.user), ClientMsgID: in.ID, Content: in.Content})
	if f.forget != nil && f.forget(f.n) {
		room.rows = room.rows[:len(room.rows)-1]
	}
	from.send(protocol.AppendAck(nil, m, 0, false))
	frame := protocol.AppendMessage(nil, m)
	for s := range f.live {
		if s == from || !room.members[s.user] {
			continue
		}
		frames := [][]byte{frame}
		if f.tamper != nil {
			frames = f.tamper(f.n, frame)
		}
		for _, p := range frames {
			s.send(p)
		}
	}
}

// bench is a small run against the fake; the processes it accounts are this test's.
func (f *fakeChat) bench(t *testing.T) *bench {
	t.Helper()
	base := f.srv.URL + "/api/v1"
	plan := DefaultPlan().Quick()
	plan.Duration, plan.Warmup, plan.Conns, plan.Settle, plan.IdleCPU = 200*time.Millisecond, 50*time.Millisecond, 20, 50*time.Millisecond, 40*time.Millisecond
	api := newREST(base, 16)
	t.Cleanup(api.close)
	say := func(format string, args ...any) { t.Logf(format, args...) }
	a, err := openAccounts(t.Context(), t.TempDir()+"/accounts.json", api, say)
	if err != nil {
		t.Fatal(err)
	}
	sys := System{
		API: base, Gateways: []string{"ws" + strings.TrimPrefix(base, "http") + "/ws"},
		Pids: func() (map[string]int, error) { return map[string]int{"gw1": os.Getpid()}, nil },
	}
	return &bench{sys: sys, plan: plan, api: api, accounts: a, say: say, patience: 5 * time.Second}
}
