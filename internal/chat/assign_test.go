package chat_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

func TestAssignSpreadsWithinOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, p := rapid.IntRange(1, 9).Draw(t, "workers"), rapid.IntRange(1, 64).Draw(t, "partitions")
		var ws []string
		for i := range n {
			ws = append(ws, fmt.Sprintf("w%d-%s", i, rapid.StringMatching(`[a-z0-9]{6}`).Draw(t, "boot")))
		}
		load := map[string]int{}
		for i, a := range chat.Assign(ws, p) {
			load[a.Owner]++
			if (a.Standby == "") != (n == 1) || a.Standby == a.Owner {
				t.Fatalf("partition %d: owner %q, standby %q of %d workers", i, a.Owner, a.Standby, n)
			}
		}
		for _, w := range ws {
			if load[w] != p/n && load[w] != (p+n-1)/n {
				t.Fatalf("%s holds %d of %d partitions, %d workers", w, load[w], p, n)
			}
		}
	})
}
