package testkit

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"chat-service/internal/test/testkit/history"
)

// faults are what a fakeServer does wrong, one time in n each; 0: never. The first three are of the network, and clients
// have to cope; the others are broken promises, and the checker has to see them.
type faults struct {
	losePush, loseAck, hangUp int
	twice, skipSync, foreign  bool
	again, silent             bool // a retried change is made again; no head tells of changes
}

// fakeServer is one room kept in memory behind the protocol.
type fakeServer struct {
	faults
	http *httptest.Server

	mu  sync.Mutex
	wg  sync.WaitGroup
	rnd *rand.Rand
	log []history.DumpMessage
	fakeChanges
	conns map[*fakeConn]bool
}

type fakeConn struct {
	net.Conn
	user uint64
}

const fakeRoom = 1

func newFakeServer(t *testing.T, f faults) *fakeServer {
	t.Helper()
	s := &fakeServer{faults: f, rnd: rand.New(rand.NewPCG(1, 1)), conns: map[*fakeConn]bool{}}
	s.states = map[uint64]*history.DumpState{}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.http.Close()
		s.mu.Lock()
		for c := range s.conns {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *fakeServer) url() string { return "ws" + strings.TrimPrefix(s.http.URL, "http") }

func (s *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("token")
	if token == "refused" {
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	user, _ := strconv.ParseUint(token, 10, 64)
	c := &fakeConn{conn, user}
	if user == 0 {
		_ = ws.WriteFrame(c, ws.NewCloseFrame(ws.NewCloseFrameBody(4500, `{"code":4500}`)))
		_ = c.Close()
		return
	}
	s.mu.Lock()
	s.conns[c] = true
	s.wg.Add(1)
	s.push(c, map[string]any{"type": "welcome", "session_id": "s", "features": []string{"changes"}, "rooms": []any{map[string]any{"id": fakeRoom, "last_seq": len(s.log), "epoch": 1, "change_seq": len(s.logged)}}})
	s.mu.Unlock()
	defer s.wg.Done()
	for {
		f, err := readFrame(rw)
		if err != nil || f.Header.OpCode == ws.OpClose {
			break
		}
		cmd, err := parseFrame(ws.UnmaskFrame(f).Payload)
		if err != nil {
			continue
		}
		s.mu.Lock()
		s.handle(c, cmd)
		s.mu.Unlock()
	}
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close()
}

func (s *fakeServer) chance(n int) bool { return n > 0 && s.rnd.IntN(n) == 0 }

func (s *fakeServer) push(c *fakeConn, v any) {
	b, _ := json.Marshal(v)
	_ = ws.WriteFrame(c, ws.NewTextFrame(b))
}

func (s *fakeServer) handle(c *fakeConn, cmd Frame) {
	switch cmd.Type() {
	case "ping":
		s.push(c, map[string]any{"type": "pong"})
	case "message":
		s.append(c, cmd)
	case "edit", "recall", "react", "pin":
		s.change(c, cmd)
	case "sync":
		point := cmd.Obj("rooms").Obj(strconv.Itoa(fakeRoom))
		have := point.Num("seq")
		for _, m := range s.log[min(have, uint64(len(s.log))):] {
			if !s.skipSync || m.Seq%7 != 0 {
				s.push(c, s.stateOf(m.Seq, messageFrame(m)))
			}
		}
		s.syncChanges(c, point.Num("changes"), have)
		s.push(c, map[string]any{"type": "synced", "room_id": fakeRoom, "epoch": 1, "from_seq": have + 1, "to_seq": len(s.log), "last_seq": len(s.log), "change_seq": len(s.logged)})
	}
}

func messageFrame(m history.DumpMessage) map[string]any {
	return map[string]any{"type": "message", "room_id": m.Room, "seq": m.Seq, "sender_id": m.Sender, "client_msg_id": m.ClientMsgID, "content": m.Content}
}

func (s *fakeServer) append(c *fakeConn, cmd Frame) {
	m := history.DumpMessage{
		Room: fakeRoom, Seq: uint64(len(s.log)) + 1, Ord: uint64(len(s.log)) + 1, Kind: "text", Sender: c.user,
		ClientMsgID: cmd.Str("client_msg_id"), Content: cmd.Str("content"),
	}
	duplicate := false
	for _, old := range s.log {
		if !s.twice && old.Sender == m.Sender && old.ClientMsgID == m.ClientMsgID {
			m, duplicate = old, true
		}
	}
	if !duplicate {
		s.log = append(s.log, m)
		for other := range s.conns {
			if other != c && !s.chance(s.losePush) {
				s.push(other, messageFrame(m))
			}
		}
	}
	if s.chance(s.hangUp) {
		_ = c.Close()
		return
	}
	if !s.chance(s.loseAck) {
		s.push(c, map[string]any{"type": "ack", "room_id": fakeRoom, "client_msg_id": m.ClientMsgID, "seq": m.Seq, "duplicate": duplicate})
	}
	for other := range s.conns {
		s.push(other, map[string]any{"type": "head", "rooms": map[string]any{strconv.Itoa(fakeRoom): len(s.log)}})
	}
}

// dump is the database's view: users 1 and 2 are members, or only 1 where the server is to leak.
func (s *fakeServer) dump() history.Dump {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := uint64(len(s.log))
	d := history.Dump{
		Rooms: []history.DumpRoom{{ID: fakeRoom, LastSeq: n, MsgCount: n, Epoch: 1, Changes: uint64(len(s.logged))}}, Messages: append([]history.DumpMessage(nil), s.log...),
		Members:   []history.DumpMember{{Room: fakeRoom, User: 1, VisibleFrom: 1}},
		Reactions: slices.Clone(s.reactions), Logged: slices.Clone(s.logged), Asked: slices.Clone(s.asked),
	}
	for _, st := range s.states {
		d.States = append(d.States, *st)
	}
	if !s.foreign {
		d.Members = append(d.Members, history.DumpMember{Room: fakeRoom, User: 2, VisibleFrom: 1})
	}
	return d
}
