package messages

import (
	"testing"

	"chat-service/internal/chat"
)

func TestMergeHeads(t *testing.T) {
	got := mergeHeads(
		[]chat.Head{{Room: 1, Before: 1, Seq: 2}, {Room: 3, Before: 5, Seq: 6}},
		[]chat.Head{{Room: 2, Before: 0, Seq: 1}, {Room: 3, Before: 6, Seq: 9}},
	)
	if len(got) != 3 || got[1].Room != 2 || got[2] != (chat.Head{Room: 3, Before: 5, Seq: 9}) {
		t.Fatal(got)
	}
}
