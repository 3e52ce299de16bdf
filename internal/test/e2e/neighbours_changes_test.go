//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"chat-service/internal/test/testkit"
)

// firstEdition is an object without what only this tree shows: the change_seqs of rooms.
func firstEdition(f frame) string {
	f = maps.Clone(f)
	delete(f, "change_seq")
	for name, v := range f {
		if list, ok := v.([]any); ok {
			plain := make([]string, len(list))
			for i, x := range list {
				if o, ok := x.(map[string]any); ok {
					plain[i] = firstEdition(o)
				} else {
					plain[i] = fmt.Sprint(x)
				}
			}
			f[name] = strings.Join(plain, ",")
		}
	}
	return f.String()
}

// lives changes messages where all workers are of this tree, and a gateway and an api of the release before are beside them. Who is at
// the earlier gateway knows nothing of changes, is told of none that it can't pass on, and reads no text that was recalled.
func (n *neighbours) lives(t *testing.T) {
	us := n.users(t, 2)
	old, ann, bob := n.dial(t, 1, us[1]), n.dial(t, 2, us[0]), n.dial(t, 2, us[1])
	room := n.API(2).CreateRoom(t, us[0], us[1])
	for _, s := range []*sock{old, ann, bob} {
		s.Expect(t, is("joined"))
	}
	n.routed(t, room, 1, 2)
	seq, secret := n.chat(t, ann, room, "first"), n.chat(t, ann, room, "secret")
	n.API(1).History(t, us[1], room) // the earlier api keeps the page
	change(t, ann, "edit", room, seq, obj{"content": "second"})
	change(t, bob, "react", room, seq, obj{"key": "k", "on": true})
	n.API(2).Must(t, 200, "DELETE", messagePath(room, secret, ""), us[0].Token, nil)
	for cursor := uint64(0); cursor < 3; {
		cursor = bob.Expect(t, is("change", "room_id", room)).Num("change_seq")
	}
	for i, a := range []testkit.API{n.API(1), n.API(2)} {
		testkit.Eventually(t, patience, func() (bool, string) {
			page := a.History(t, us[1], room)
			return page[seq-1].Str("content") == "second" && page[secret-1]["content"] == "", fmt.Sprintf("api %d shows %v", i+1, page)
		})
	}
	old.Send(t, obj{"type": "sync", "rooms": obj{fmt.Sprint(room): 0}})
	if m := old.Expect(t, is("message", "seq", secret, "content", "")); m.Str("kind") != "text" {
		t.Errorf("the earlier gateway's client catches up on %s", m)
	}
	old.ExpectNone(t, is("change"))
	refusal(t, old, "unknown_type", "edit", obj{"type": "edit", "room_id": room, "seq": seq, "content": "x"})
	n.chat(t, old, room, "goes on")
	ann.Expect(t, is("message", "content", "goes on"))
	n.API(2).Must(t, 200, "PATCH", "/me", us[0].Token, obj{"nickname": "Annie"})
	bob.Expect(t, is("user"))
}
