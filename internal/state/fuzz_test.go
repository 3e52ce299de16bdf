package state

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

// What stands in Redis may be of another version, or cut: a decoder refuses it or reads what can be written again.

func FuzzRecent(f *testing.F) {
	m := chat.Message{Seq: 5, Ord: 4, Sender: 3, Kind: chat.Text, ClientMsgID: "id", Content: "content", CreatedAt: time.UnixMicro(1_700_000_000_000_000)}
	f.Add(string(encodeRecent(2, 0, &m)))
	m.Data, m.ReplyTo = "{}", 3
	m.State = &chat.State{ChangeSeq: 9, Version: 2, EditedAt: m.CreatedAt, Reactions: []chat.Reaction{{Key: "k", Count: 1, Users: []chat.UserID{3}}}}
	f.Add(string(encodeRecent(2, 9, &m)))
	f.Fuzz(func(t *testing.T, s string) {
		epoch, changes, m, ok := decodeRecent(7, s)
		if !ok {
			return
		}
		again, as, n, ok := decodeRecent(7, string(encodeRecent(epoch, changes, &m)))
		if !ok || again != epoch || as != changes || !cmp.Equal(n, m) {
			t.Fatalf("%q is %d %d %+v, and again %v %d %d %+v", s, epoch, changes, m, ok, again, as, n)
		}
	})
}

func FuzzSocket(f *testing.F) {
	f.Add(entryField("gw-1.boot", 42), `{"s":"session","d":"phone","at":1700000000000}`, indexMember(9, 42))
	f.Fuzz(func(t *testing.T, field, value, member string) {
		if s, err := decodeSocket(9, field, value); err == nil {
			g, id, ok := splitField(entryField(s.Gateway, s.Socket))
			if !ok || g != s.Gateway || id != s.Socket || s.User != 9 {
				t.Fatalf("%q is %+v, and again %v %q %d", field, s, ok, g, id)
			}
		}
		if u, id, ok := splitMember(member); ok {
			if v, again, ok := splitMember(indexMember(u, id)); !ok || v != u || again != id {
				t.Fatalf("%q is %d %d, and again %v %d %d", member, u, id, ok, v, again)
			}
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("0", "gw-1.boot", "7+")
	f.Add("1700000000001", "gw-1.boot", "7")
	f.Add("", "", "+")
	now := time.UnixMilli(1_700_000_000_000)
	f.Fuzz(func(t *testing.T, marker, gateway, value string) {
		r := decodeRoute(map[string]string{gateway: value, routeMarker: marker}, now)
		if _, in := r.Gateways[routeMarker]; in || len(r.Gateways) > 1 {
			t.Fatalf("the marker counts as a gateway: %+v", r)
		}
		if n, in := r.Gateways[chat.GatewayID(gateway)]; in && value[len(value)-1] != '+' {
			t.Fatalf("%q = %q is attached with %d", gateway, value, n)
		}
	})
}
