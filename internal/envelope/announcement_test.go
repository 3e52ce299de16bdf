package envelope_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// full are announcements in which every field is set, beside the rows that the first edition wrote for them.
func full() map[string]envelope.Announcement {
	at := time.Date(2026, 11, 29, 8, 30, 0, 123e6, time.UTC)
	return map[string]envelope.Announcement{
		`{"message":{"Room":7,"Seq":9,"Ord":8,"Kind":"text","Sender":3,"ClientMsgID":"m-1","Content":"hi","CreatedAt":"2026-11-29T08:30:00.123Z"},` +
			`"room":{"ID":7,"Type":"group","Name":"n","Description":"d","Visibility":"public","Owner":3,"MemberCount":2,"LastSeq":9,"MsgCount":8,"Epoch":1,` +
			`"HistoryAll":true,"CreatedAt":"2026-11-29T08:30:00.123Z","DissolvedAt":"2026-11-29T08:30:00.123Z"},` +
			`"added":[3],"removed":[4],"all":true,"reason":"kicked","change":"member_left","about":4}`: {
			Message: &chat.Message{Room: 7, Seq: 9, Ord: 8, Kind: chat.Text, Sender: 3, ClientMsgID: "m-1", Content: "hi", CreatedAt: at},
			Room: &chat.Room{
				ID: 7, Type: chat.Group, Name: "n", Description: "d", Visibility: chat.Public, Owner: 3, MemberCount: 2, LastSeq: 9, MsgCount: 8,
				Epoch: 1, HistoryAll: true, CreatedAt: at, DissolvedAt: at,
			},
			Added: []chat.UserID{3}, Removed: []chat.UserID{4}, All: true, Reason: chat.LeftKicked, Change: chat.MemberLeft, About: 4,
		},
		`{"message":{"Room":7,"Seq":9,"Ord":8,"Kind":"custom","Sender":3,"ClientMsgID":"m-1","Content":"","CreatedAt":"2026-11-29T08:30:00.123Z",` +
			`"Data":"{\"a\":1}","ReplyTo":4},"room":{"ID":7,"Type":"","Name":"","Description":"","Visibility":"","Owner":0,"MemberCount":0,"LastSeq":9,` +
			`"MsgCount":8,"Changes":5,"Epoch":1,"HistoryAll":false,"CreatedAt":"2026-11-29T08:30:00.123Z","DissolvedAt":"2026-11-29T08:30:00.123Z"}}`: {
			Message: &chat.Message{
				Room: 7, Seq: 9, Ord: 8, Kind: chat.Custom, Sender: 3, ClientMsgID: "m-1", CreatedAt: at, Data: `{"a":1}`, ReplyTo: 4,
			},
			Room: &chat.Room{ID: 7, LastSeq: 9, MsgCount: 8, Changes: 5, Epoch: 1, CreatedAt: at, DissolvedAt: at},
		},
		`{"changed":{"room":7,"seq":4,"change_seq":6,"prev":5,"version":2,"at_seq":9,"by":3,"session":"s","kind":"reaction","key":"+","on":true,` +
			`"change_id":"c-1"}}`: {
			Changed: &chat.Changed{
				Change:    chat.Change{Room: 7, Seq: 4, User: 3, Session: "s", ID: "c-1", Kind: chat.ChangeReaction, Key: "+", On: true},
				ChangeSeq: 6, Prev: 5, Version: 2, AtSeq: 9,
			},
		},
		`{"read":{"Room":7,"User":3,"ReadSeq":9,"Unread":2,"Moved":true}}`: {
			Read: &chat.ReadState{Room: 7, User: 3, ReadSeq: 9, Unread: 2, Moved: true},
		},
		`{"revoked":{"user":3,"sessions":["s1"],"except":"s2","disabled":true}}`: {
			Revoked: &chat.Revoked{User: 3, Sessions: []chat.SessionID{"s1"}, Except: "s2", Disabled: true},
		},
		`{"user":{"id":3,"username":"ann","nickname":"Ann","avatar_url":"https://example.com/a.png","created_at":"2026-11-29T08:30:00.123Z"}}`: {
			Profile: &chat.User{ID: 3, Username: "ann", Nickname: "Ann", AvatarURL: "https://example.com/a.png", CreatedAt: at},
		},
	}
}

// Rows outlive the process that wrote them: renaming a Go field must not change them.
func TestAnnouncementsKeepTheirStoredForm(t *testing.T) {
	kinds := map[envelope.AnnouncementKind]bool{}
	for golden, a := range full() {
		got, err := a.Encode()
		if d := cmp.Diff(golden, string(got)); err != nil || d != "" {
			t.Errorf("%s is written otherwise (-stored +now): %v\n%s", a.Kind(), err, d)
		}
		back, err := envelope.DecodeAnnouncement(a.Kind(), []byte(golden))
		if d := cmp.Diff(a, back); err != nil || d != "" {
			t.Errorf("%s is read otherwise (-stored +now): %v\n%s", a.Kind(), err, d)
		}
		kinds[a.Kind()] = true
	}
	for _, s := range envelope.Announcements() {
		if !kinds[s.Kind] && s.Kind != "probe" { // of test builds
			t.Errorf("no golden row of %s", s.Kind)
		}
	}
}

// A field of a noun that the stored form doesn't know would be lost on the way through the outbox.
func TestAnnouncementsHoldEveryField(t *testing.T) {
	set := map[string]bool{}
	for _, a := range full() {
		v := reflect.ValueOf(a)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				set[v.Type().Field(i).Name] = true
			}
		}
	}
	for i := range reflect.TypeFor[envelope.Announcement]().NumField() {
		switch name := reflect.TypeFor[envelope.Announcement]().Field(i).Name; name {
		case "ID", "Partition", "Other", "Payload": // of the row, not of its payload
		default:
			if !set[name] {
				t.Errorf("no golden row sets %s", name)
			}
		}
	}
}

func TestAnnouncementsThatAreNone(t *testing.T) {
	for name, payload := range map[string]string{"no JSON": "{", "another kind": `{"read":{"Room":1}}`, "nothing": `{}`} {
		if _, err := envelope.DecodeAnnouncement(envelope.MessageAnnouncement, []byte(payload)); !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}
