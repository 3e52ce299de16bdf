package rooms

import (
	"testing"

	"chat-service/internal/chat"
)

func TestTail(t *testing.T) {
	ms := func(seqs ...chat.Seq) (out []chat.Message) {
		for _, s := range seqs {
			out = append(out, chat.Message{Seq: s})
		}
		return out
	}
	for _, tt := range []struct {
		have []chat.Message
		upTo chat.Seq
		n    int
		ok   bool
	}{
		{ms(1, 2, 3), 3, 3, true},
		{ms(1, 2, 3, 4), 3, 2, true},
		{ms(1, 2, 3), 4, 2, false},
		{ms(1, 3, 4), 4, 3, false},
		{ms(3, 4), 4, 3, false},
		{nil, 1, 1, false},
		{ms(1, 2, 4, 5), 5, 2, true},
	} {
		cut, ok := tail(tt.have, tt.upTo, tt.n)
		if ok != tt.ok || ok && (len(cut) != tt.n || cut[len(cut)-1].Seq != tt.upTo) {
			t.Errorf("tail(%v, %d, %d) = %v, %v", tt.have, tt.upTo, tt.n, cut, ok)
		}
	}
}
