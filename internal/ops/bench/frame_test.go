package bench

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// The scanner is held to the product's own encoder.
func TestScanFrame(t *testing.T) {
	m := chat.Message{Room: 12, Seq: 34, Kind: chat.Text, Sender: 5, ClientMsgID: "run.1.2.3", Content: text(128), CreatedAt: time.Unix(1, 0)}
	for _, tt := range []struct {
		name  string
		frame []byte
		want  frameKind
	}{
		{"message", protocol.AppendMessage(nil, m), messageFrame},
		{"ack", protocol.AppendAck(nil, m, 0, false), ackFrame},
		{"ack with client_seq", protocol.AppendAck(nil, m, 9, true), ackFrame},
	} {
		f := scanFrame(tt.frame)
		if f.kind != tt.want || f.room != 12 || f.seq != 34 || string(f.id) != "run.1.2.3" {
			t.Errorf("%s: %+v (id %s) of %s", tt.name, f, f.id, tt.frame)
		}
	}
	e := protocol.AppendError(nil, chat.E(chat.RateLimited, "slow down"), protocol.ErrorRef{Ref: "run.1.2.3"})
	if f := scanFrame(e); f.kind != errorFrame || string(f.id) != "run.1.2.3" {
		t.Errorf("error: %+v of %s", f, e)
	}
	if f := scanFrame(protocol.AppendPong(nil)); f.kind != otherFrame {
		t.Errorf("pong: %+v", f)
	}
	for _, broken := range []string{"", "{", `{"type":"`, `{"type":"message","room_id":`, `{"type":"ack","client_msg_id":"`} {
		scanFrame([]byte(broken)) // must not panic
	}
}

func TestIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lane := rapid.IntRange(0, 20_000).Draw(t, "lane")
		n := rapid.Uint32().Draw(t, "n")
		due := rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "due")
		id := appendID(nil, "k3x9q2a", lane, n, due)
		if len(id) > 36 {
			t.Fatalf("%s is longer than the protocol allows", id)
		}
		l, m, d, ok := readID(id, "k3x9q2a")
		if !ok || l != lane || m != n || d != due {
			t.Fatalf("%s reads %d %d %d %v", id, l, m, d, ok)
		}
	})
	for _, other := range []string{"", "run", "run.", "run.1", "run.1.2", "run.1.2.3.4", "other.1.2.3", "run.A.2.3", "runx1.2.3"} {
		if _, _, _, ok := readID([]byte(other), "run"); ok {
			t.Errorf("%q passed for one of this run", other)
		}
	}
}

func TestAppendMessage(t *testing.T) {
	for _, size := range []int{1, 57, 58, 128, 16 << 10} {
		var got struct {
			Type    string `json:"type"`
			Room    uint64 `json:"room_id"`
			ID      string `json:"client_msg_id"`
			Content string `json:"content"`
		}
		if err := json.Unmarshal(appendMessage(nil, 7, []byte("a.1.2.3"), size), &got); err != nil {
			t.Fatal(err)
		}
		if got.Type != "message" || got.Room != 7 || got.ID != "a.1.2.3" || len(got.Content) != size || got.Content != text(size) {
			t.Errorf("size %d: %+v", size, got)
		}
	}
}

func TestAppendFrame(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 300, 65_535} {
		want := bytes.Repeat([]byte("x"), n)
		r := bytes.NewReader(appendFrame(nil, ws.OpText, want))
		h, err := ws.ReadHeader(r)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, r.Len())
		_, _ = r.Read(got)
		ws.Cipher(got, h.Mask, 0)
		if !h.Masked || h.OpCode != ws.OpText || !h.Fin || h.Length != int64(n) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %+v", n, h)
		}
	}
}
