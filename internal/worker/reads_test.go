package worker

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

func TestSync(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.start(t)
	wait(t, give(k, false, sendCmd(1, 5, "a", "1"), sendCmd(1, 5, "b", "2")), "sends")
	for _, c := range []struct {
		name  string
		point envelope.Point
		want  []string
	}{
		{"gap", envelope.Point{Room: 1, Seq: 1}, []string{`"seq":2`, `"type":"synced"`}},
		{"whole", envelope.Point{Room: 1, Seq: 2, Epoch: 1}, []string{`"type":"synced"`}},
		{"other epoch", envelope.Point{Room: 1, Seq: 1, Epoch: 7}, []string{`"type":"resync"`}},
		{"beyond the end", envelope.Point{Room: 1, Seq: 9}, []string{`"type":"resync"`}},
		{"stranger", envelope.Point{Room: 2}, []string{`"code":"not_found"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			give(k, false, envelope.Command{Kind: envelope.Sync, Gateway: "g1.a", Socket: 1, User: 5, Points: []envelope.Point{c.point}, Ref: "r"})
			for _, want := range c.want {
				if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte(want)) {
					t.Errorf("frame %s, want %s in it", d.Frame, want)
				}
			}
		})
	}
}

// TestSyncsThatFail: one client's trouble is no other one's.
func TestSyncsThatFail(t *testing.T) {
	w := newFakes()
	w.room(1, 5, 6)
	k := w.make(t, func(o *Options) { o.MaxSyncRooms, o.Lanes = 2, 1 })
	ask := func(socket chat.SocketID, user chat.UserID, rooms ...chat.RoomID) envelope.Command {
		c := envelope.Command{Kind: envelope.Sync, Gateway: "g1.a", Socket: socket, User: user}
		for _, r := range rooms {
			c.Points = append(c.Points, envelope.Point{Room: r})
		}
		return c
	}
	acked := give(k, false, ask(1, 5, 1), ask(2, 6, 1, 2, 3), ask(3, 5, poisoned), ask(4, 6, 1))
	w.run(t, k)
	wait(t, acked, "the batch")
	got := map[chat.SocketID]string{}
	for range 3 {
		d := w.next(t, envelope.ToSocket)
		got[d.Socket] = string(d.Frame)
	}
	for socket, want := range map[chat.SocketID]string{1: `"type":"synced"`, 2: `"code":"invalid"`, 4: `"type":"synced"`} {
		if !strings.Contains(got[socket], want) {
			t.Errorf("socket %d got %s, want %s in it", socket, got[socket], want)
		}
	}
	if n := len(w.store.Dead()); n != 1 {
		t.Errorf("%d quarantined, want the poisoned one", n)
	}
}

// TestFullSyncStation: a sync that finds no place is asked to come again, and what is written does not wait behind it.
func TestFullSyncStation(t *testing.T) {
	w := newFakes()
	w.room(1, 5)
	w.routes[1] = chat.Route{Known: true}
	k := w.make(t)
	ask := envelope.Command{Kind: envelope.Sync, Gateway: "g1.a", Socket: 1, User: 5, Points: []envelope.Point{{Room: 1}}, Ref: "r"}
	for k.catchup.InHand() < 256 { // nothing runs yet
		give(k, false, ask)
	}
	acked := give(k, false, sendCmd(1, 5, "a", "1"), ask)
	d := w.next(t, envelope.ToSocket)
	if f := string(d.Frame); !strings.Contains(f, `"code":"unavailable"`) || !strings.Contains(f, `"ref":"r"`) || !strings.Contains(f, `"retry":true`) {
		t.Errorf("a sync without a place: %s", f)
	}
	if n := k.line.InHand(); n != 1 {
		t.Errorf("%d writes are with the committer, want 1", n)
	}
	w.run(t, k)
	wait(t, acked, "the batch")
}

func TestJoinTypingWatchReadShow(t *testing.T) {
	w := newFakes()
	w.room(1, 5, writer)
	w.store.AddRoom(chat.Room{ID: 2, Visibility: chat.Public}, 5, writer)
	here := chat.Route{Known: true, Gateways: map[chat.GatewayID]uint64{"g2.b": 1}}
	w.routes[1], w.routes[2] = here, here
	k := w.start(t)
	cmd := func(kind envelope.CommandKind, room chat.RoomID, user chat.UserID) envelope.Command {
		return envelope.Command{Kind: kind, Gateway: "g1.a", Socket: 1, User: user, Room: room, Seq: 1, Session: "s"}
	}
	give(k, false, cmd(envelope.Join, 1, 5))
	w.next(t, envelope.Joined)
	give(k, false, cmd(envelope.Join, 1, 6))
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte("not_found")) {
		t.Errorf("joining a private room: %s", d.Frame)
	}
	asks := cmd(envelope.Join, 2, 6) // by the gateway itself: it makes nobody a member, and gets no error
	asks.Repair = true
	wait(t, give(k, false, asks), "a gateway's question")
	give(k, false, cmd(envelope.Typing, 2, 6))
	if d := w.next(t, envelope.ToSocket); !bytes.Contains(d.Frame, []byte("not_found")) {
		t.Errorf("typing in a room of others: %s", d.Frame)
	}
	w.post(t, 2)
	give(k, false, cmd(envelope.Join, 2, 6))
	if d := w.next(t, envelope.Joined); !bytes.Contains(d.Frame, []byte(`"last_message":{"room_id":2,"seq":2,`)) {
		t.Errorf("joined without the room's last message, that they have joined: %s", d.Frame)
	}
	give(k, false, cmd(envelope.Typing, 2, 6)) // at once: that the user was no member before is not remembered
	if d := w.next(t, envelope.Aside); d.User != 6 || d.Room != 2 {
		t.Errorf("typing after joining %+v", d)
	}
	give(k, false, cmd(envelope.Typing, 1, 5))
	if d := w.next(t, envelope.Aside); d.User != 5 || d.Room != 1 {
		t.Errorf("typing %+v", d)
	}
	give(k, false, cmd(envelope.Typing, 1, 6))
	w.next(t, envelope.ToSocket)
	w.post(t, 1) // by somebody else: what one writes is read
	give(k, false, cmd(envelope.Read, 1, 5))
	if d := w.next(t, envelope.ToUser); !bytes.Contains(d.Frame, []byte(`"unread":0`)) {
		t.Errorf("read to own devices: %s", d.Frame)
	}
	watch := cmd(envelope.Watch, 0, 5)
	watch.Users = []chat.UserID{6, 100}
	give(k, false, watch)
	if d := w.next(t, envelope.Watched); fmt.Sprint(d.Users) != "[6]" || !bytes.Contains(d.Frame, []byte(`"online":false`)) {
		t.Errorf("watched %v: %s", d.Users, d.Frame)
	}
	w.revoke("s", 5)
	show := cmd(envelope.Show, 0, 5)
	show.Users, show.Sessions = []chat.UserID{6, 5}, []chat.SessionID{"t", "s"}
	give(k, false, show)
	if d := w.next(t, envelope.Close); d.User != 5 || fmt.Sprint(d.Sessions) != "[s]" {
		t.Errorf("closed sessions %v of user %d, want [s] of 5", d.Sessions, d.User)
	} else if d.Code != int(protocol.CloseRevoked) {
		t.Errorf("code %d of a revoked session", d.Code)
	}
	if err := w.store.DisableUser(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	give(k, false, show)
	if d := w.next(t, envelope.Close); d.Code != int(protocol.CloseDisabled) {
		t.Errorf("code %d of a session whose account is disabled", d.Code)
	}
}
