package chat_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chat-service/internal/chat"
)

func TestCheckContent(t *testing.T) {
	for _, c := range []struct {
		name, in string
		limit    int
		want     chat.Kind
		ok       bool
	}{
		{"text", "hello", 10, 0, true},
		{"at the limit", "12345", 5, 0, true},
		{"above the limit", "123456", 5, chat.TooLarge, false},
		{"no limit", strings.Repeat("x", 1<<20), 0, 0, true},
		{"emoji and marks", "👩‍👩‍👧 ẹ́̂ مرحبا", 100, 0, true},
		{"empty", "", 5, chat.Invalid, false},
		{"blank", " \t\n ", 5, chat.Invalid, false},
		{"nul", "a\x00b", 5, chat.Invalid, false},
		{"not UTF-8", "a\xff", 5, chat.Invalid, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := chat.CheckContent(c.in, c.limit)
			if (err == nil) != c.ok || err != nil && chat.KindOf(err) != c.want {
				t.Errorf("got %v, want ok %v, kind %v", err, c.ok, c.want)
			}
		})
	}
}

func TestCheckClientMsgID(t *testing.T) {
	for in, ok := range map[string]bool{
		"a": true, "A.z_0:-": true, strings.Repeat("x", 36): true,
		"": false, strings.Repeat("x", 37): false, "a b": false, "ä": false, "a\n": false, "a/b": false,
	} {
		if err := chat.CheckClientMsgID(in); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", in, err, ok)
		}
	}
}

func TestNames(t *testing.T) {
	for in, ok := range map[string]bool{
		"testuser": true, "测试用户": true, "a.b_c-9": true, "x": false, "": false, "a b": false, "a@b": false,
		strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a\u202eb": false,
	} {
		if err := chat.CheckUsername(in); (err == nil) != ok {
			t.Errorf("username %q: got %v, want ok %v", in, err, ok)
		}
	}
	for in, ok := range map[string]bool{
		"": true, "test@example.com": true, "no-at": false, "Name <a@b.c>": false, "a@b@c": false,
		strings.Repeat("x", 190) + "@b.c": false,
	} {
		if err := chat.CheckEmail(in); (err == nil) != ok {
			t.Errorf("email %q: got %v, want ok %v", in, err, ok)
		}
	}
	for in, ok := range map[string]bool{"fine": true, "": false, "  ": false, "a\nb": false, strings.Repeat("长", 10): true, strings.Repeat("长", 11): false} {
		if err := chat.CheckLine("name", in, 1, 10); (err == nil) != ok {
			t.Errorf("line %q: got %v, want ok %v", in, err, ok)
		}
	}
	for in, ok := range map[string]bool{"": true, "  ": true, "Ann": true, "\u200d": false, "\u061c": false, "\u200e\u200f": false, "\ufe0f": false, "\U000e0041\U000e0042": false} {
		if err := chat.CheckLine("nickname", in, 0, 64); (err == nil) != ok {
			t.Errorf("a line that may be left out, %q: got %v, want ok %v", in, err, ok)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name     string
		m        chat.Member
		last     chat.Seq
		from, to chat.Seq
		ok       bool
	}{
		{"stranger", chat.Member{}, 9, 0, 0, false},
		{"founder", chat.Member{User: 1, VisibleFrom: 1}, 9, 1, 9, true},
		{"joined at 4", chat.Member{User: 1, VisibleFrom: 4}, 9, 4, 9, true},
		{"left at 6", chat.Member{User: 1, VisibleFrom: 2, LeftSeq: 6}, 9, 2, 6, true},
		{"empty room", chat.Member{User: 1, VisibleFrom: 1}, 0, 1, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			from, to, ok := c.m.Window(c.last)
			if from != c.from || to != c.to || ok != c.ok {
				t.Errorf("got %d–%d %v, want %d–%d %v", from, to, ok, c.from, c.to, c.ok)
			}
		})
	}
}

func TestWhoMayWhat(t *testing.T) {
	group, direct := chat.Room{ID: 1, Type: chat.Group, Visibility: chat.Private}, chat.Room{ID: 2, Type: chat.Direct}
	public := group
	public.Visibility = chat.Public
	owner, admin, plain := chat.Member{User: 1, Role: chat.Owner}, chat.Member{User: 2, Role: chat.Admin}, chat.Member{User: 3, Role: chat.Plain}
	late, yes, no := chat.Member{User: 2, Role: chat.Admin, VisibleFrom: 50}, true, false
	open := chat.Public
	other := chat.Member{User: 4, Role: chat.Admin}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"owner invites", chat.MayInvite(group, owner), "ok"},
		{"admin invites", chat.MayInvite(group, admin), "ok"},
		{"member invites, private", chat.MayInvite(group, plain), "forbidden"},
		{"member invites, public", chat.MayInvite(public, plain), "ok"},
		{"direct room grows", chat.MayInvite(direct, plain), "forbidden"},
		{"admin edits", chat.MayEdit(group, admin), "ok"},
		{"admin who joined late makes it public", chat.MayOpen(group, late, chat.RoomPatch{Visibility: &open}), "forbidden"},
		{"admin who joined late opens the history", chat.MayOpen(group, late, chat.RoomPatch{HistoryAll: &yes}), "forbidden"},
		{"admin who joined late closes the history", chat.MayOpen(group, late, chat.RoomPatch{HistoryAll: &no}), "ok"},
		{"admin who joined late renames", chat.MayOpen(group, late, chat.RoomPatch{Name: new(string)}), "ok"},
		{"admin from the beginning makes it public", chat.MayOpen(group, admin, chat.RoomPatch{Visibility: &open, HistoryAll: &yes}), "ok"},
		{"admin who joined late opens what is open", chat.MayOpen(chat.Room{Type: chat.Group, HistoryAll: true}, late, chat.RoomPatch{Visibility: &open}), "ok"},
		{"member edits", chat.MayEdit(group, plain), "forbidden"},
		{"direct edits", chat.MayEdit(direct, plain), "forbidden"},
		{"owner kicks admin", chat.MayRemove(group, owner, admin), "ok"},
		{"admin kicks admin", chat.MayRemove(group, admin, other), "forbidden"},
		{"admin kicks owner", chat.MayRemove(group, admin, owner), "forbidden"},
		{"member kicks member", chat.MayRemove(group, plain, chat.Member{User: 9, Role: chat.Plain}), "forbidden"},
		{"direct kick", chat.MayRemove(direct, plain, plain), "forbidden"},
		{"member leaves", chat.MayLeave(group, plain), "ok"},
		{"owner leaves", chat.MayLeave(group, owner), "conflict"},
		{"direct leave", chat.MayLeave(direct, plain), "forbidden"},
		{"owner transfers", chat.MayOwn(group, owner), "ok"},
		{"admin transfers", chat.MayOwn(group, admin), "forbidden"},
		{"owner ranks", chat.MayRank(group, owner, plain, chat.Admin), "ok"},
		{"owner ranks to owner", chat.MayRank(group, owner, plain, chat.Owner), "invalid"},
		{"owner ranks himself", chat.MayRank(group, owner, owner, chat.Plain), "conflict"},
		{"admin ranks", chat.MayRank(group, admin, plain, chat.Admin), "forbidden"},
		{"admin mutes member", chat.MayMute(group, admin, plain), "ok"},
		{"admin mutes owner", chat.MayMute(group, admin, owner), "forbidden"},
		{"direct mute", chat.MayMute(direct, owner, plain), "forbidden"},
	} {
		got := "ok"
		if c.err != nil {
			got = chat.KindOf(c.err).String()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestPartitionsStay(t *testing.T) {
	// These are stored with rows: another function would lose them.
	for key, want := range map[uint64]int{0: 15, 1: 1, 2: 14, 3: 13, 1 << 40: 9, 12345: 0} {
		if got := chat.PartitionOf(key, 16); got != want {
			t.Errorf("partition of %d is %d, want %d", key, got, want)
		}
	}
}

func TestPartitionsSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, from := rapid.IntRange(1, 64).Draw(t, "n"), rapid.Uint64Range(0, 1<<50).Draw(t, "from")
		load := make([]int, n)
		for k := range uint64(n) * 200 {
			load[chat.PartitionOf(from+k, n)]++
		}
		for p, c := range load {
			if c < 100 || c > 300 {
				t.Fatalf("partition %d of %d got %d of %d consecutive keys, expected about 200", p, n, c, n*200)
			}
		}
	})
}
