//go:build integration

package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/store"
)

// logModel is a room's log as a list: an entry's seq is its place.
type logModel struct {
	entries  []string             // "sender id content"; a system entry is ""
	ids      map[string]chat.Seq  // by "sender id"
	in       map[chat.UserID]bool // members
	returned map[chat.UserID]bool // who left and came back
}

func entryOf(s chat.Send) string { return fmt.Sprint(s.Sender, s.ClientMsgID, " ", s.Content) }

// want is what the store must answer to a send, and does it.
func (m *logModel) want(s chat.Send) (seq chat.Seq, duplicate bool, kind chat.Kind) {
	key := fmt.Sprint(s.Sender, s.ClientMsgID)
	old, sent := m.ids[key]
	switch {
	case sent && m.entries[old-1] != entryOf(s):
		return 0, false, chat.IdempotencyConflict
	case sent: // what stands is confirmed to who has left, too
		return old, true, 0
	case !m.in[s.Sender]:
		return 0, false, chat.NotFound
	}
	m.entries = append(m.entries, entryOf(s))
	m.ids[key] = chat.Seq(len(m.entries))
	return m.ids[key], false, 0
}

// TestLogModel compares batches of sends, with repeats and conflicts, and members who leave and return, with a list.
func TestLogModel(t *testing.T) {
	onBoth(t, nil, func(t *testing.T, d *store.Store) {
		users := makeUsers(t, d, 3)
		rapid.Check(t, func(rt *rapid.T) {
			room := makeRoom(t, d, users...).Room.ID
			m := &logModel{entries: []string{""}, ids: map[string]chat.Seq{}, in: map[chat.UserID]bool{}, returned: map[chat.UserID]bool{}}
			for _, u := range users {
				m.in[u] = true
			}
			for range rapid.IntRange(1, 20).Draw(rt, "steps") {
				if u := rapid.SampledFrom(users[1:]).Draw(rt, "member"); rapid.IntRange(0, 4).Draw(rt, "what") == 0 {
					m.toggle(rt, d, room, users[0], u)
					continue
				}
				batch := make([]chat.Send, rapid.IntRange(1, 4).Draw(rt, "n"))
				for i := range batch {
					id, content := rapid.SampledFrom([]string{"a", "A", "b", "c"}).Draw(rt, "id"), rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "content")
					batch[i] = send(room, rapid.SampledFrom(users).Draw(rt, "sender"), id, content)
				}
				sent, _, err := d.Messages.Append(ctx, batch, time.Now())
				if err != nil {
					rt.Fatal(err)
				}
				for i, s := range batch {
					seq, dup, kind := m.want(s)
					got := sent[i]
					switch {
					case kind != 0 && (got.Err == nil || got.Err.Kind != kind):
						rt.Fatalf("%s: %+v, want %s", entryOf(s), got, kind)
					case kind == 0 && (got.Err != nil || got.Message.Seq != seq || got.Duplicate != dup):
						rt.Fatalf("%s: %+v, want seq %d duplicate %v", entryOf(s), got, seq, dup)
					}
				}
			}
			for _, u := range users {
				m.compare(rt, d, room, u)
			}
		})
	})
}

// toggle has a member leave, or adds them again.
func (m *logModel) toggle(rt *rapid.T, d *store.Store, room chat.RoomID, owner, u chat.UserID) {
	var err error
	if m.in[u] {
		err = d.Rooms.RemoveMember(ctx, room, owner, u)
	} else {
		_, err = d.Rooms.AddMembers(ctx, room, owner, []chat.UserID{u})
		m.returned[u] = true
	}
	if err != nil {
		rt.Fatal(err)
	}
	m.in[u] = !m.in[u]
	m.entries = append(m.entries, "")
}

// compare reads the log as a member, page by page, and wants the list: all of it for those who never left, its end for
// the others.
func (m *logModel) compare(rt *rapid.T, d *store.Store, room chat.RoomID, u chat.UserID) {
	if !m.in[u] {
		return
	}
	var got []string
	first, next := chat.Seq(0), chat.Seq(0)
	for more := true; more; {
		page, err := d.Messages.History(ctx, chat.HistoryQuery{Room: room, User: u, After: &next, Limit: 7})
		if err != nil {
			rt.Fatal(err)
		}
		for _, x := range page.Messages {
			if first == 0 {
				first, next = x.Seq, x.Seq-1
			}
			if x.Seq != next+1 {
				rt.Fatalf("user %d: seq %d after %d", u, x.Seq, next)
			}
			next = x.Seq
			if x.Kind == chat.System {
				got = append(got, "")
			} else {
				got = append(got, entryOf(chat.Send{Sender: x.Sender, ClientMsgID: x.ClientMsgID, Content: x.Content}))
			}
		}
		more = page.HasMore
	}
	if first == 0 || first > 1 && !m.returned[u] {
		rt.Fatalf("user %d: the log begins at %d", u, first)
	}
	if diff := cmp.Diff(m.entries[first-1:], got); diff != "" {
		rt.Fatalf("user %d, from %d:\n%s", u, first, diff)
	}
}
