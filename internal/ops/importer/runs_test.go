package importer

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

// TestRuns: messages of users that follow each other are one run, whatever system messages are between; what others wrote ends it, and a
// message that was there before it changes nothing.
func TestRuns(t *testing.T) {
	r := newRuns()
	for _, m := range []chat.Message{
		{Room: 1, Seq: 3, Ord: 2, Sender: 7},
		{Room: 1, Seq: 4, Ord: 3, Sender: 8},
		{Room: 1, Seq: 6, Ord: 4, Sender: 7},
		{Room: 2, Seq: 2, Ord: 1, Sender: 7},
		{Room: 1, Seq: 4, Ord: 3, Sender: 8},
		{Room: 1, Seq: 9, Ord: 7, Sender: 8},
	} {
		r.add(&m)
	}
	end := func(seq chat.Seq, ord uint64) chat.ImportedEnd { return chat.ImportedEnd{Seq: seq, Ord: ord} }
	done := []chat.ImportedRun{{Room: 1, Before: 1, Seq: 6, Ord: 4, Senders: map[chat.UserID]chat.ImportedEnd{7: end(6, 4), 8: end(4, 3)}}}
	open := map[chat.RoomID]*chat.ImportedRun{
		1: {Room: 1, Before: 6, Seq: 9, Ord: 7, Senders: map[chat.UserID]chat.ImportedEnd{8: end(9, 7)}},
		2: {Room: 2, Before: 0, Seq: 2, Ord: 1, Senders: map[chat.UserID]chat.ImportedEnd{7: end(2, 1)}},
	}
	if diff := cmp.Diff(done, r.done) + cmp.Diff(open, r.open); diff != "" {
		t.Error(diff)
	}
	if r.senders != 4 {
		t.Errorf("%d senders", r.senders)
	}
}
