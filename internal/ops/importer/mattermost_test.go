package importer

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const export = `{"type":"version","version":1,"info":{"generator":"mattermost-server"}}
{"type":"emoji","emoji":{"name":"party"}}
{"type":"team","team":{"name":"acme","display_name":"Acme","type":"O"}}
{"type":"channel","channel":{"team":"acme","name":"town-square","display_name":"Town Square","type":"O"}}
{"type":"channel","channel":{"team":"acme","name":"ops","display_name":"","type":"P"}}
{"type":"user","user":{"username":"ann","email":"ann@example.com","nickname":"","first_name":"Ann","last_name":"Lee","roles":"system_user","teams":[{"name":"acme","channels":[{"name":"town-square","roles":"channel_user"},{"name":"ops","roles":"channel_user"}]}]}}
{"type":"user","user":{"username":"bob","email":"bob@example.com","teams":[{"name":"acme","channels":[{"name":"town-square","roles":"channel_user channel_admin"}]}]}}
{"type":"post","post":{"team":"acme","channel":"town-square","user":"ann","message":"first","create_at":1600000001000,"replies":[{"user":"bob","message":"late reply","create_at":1600000009000,"reactions":[{"user":"ann","emoji_name":"+1"}]}],"attachments":[{"path":"a.png"}]}}
{"type":"post","post":{"team":"acme","channel":"town-square","user":"bob","message":"second","create_at":1600000002000,"edit_at":1600000003000}}
{"type":"post","post":{"team":"acme","channel":"town-square","user":"bob","type":"system_join_channel","message":"bob joined","create_at":1600000002000}}
{"type":"post","post":{"team":"acme","channel":"ops","user":"ann","message":"","create_at":1600000002000}}
{"type":"direct_channel","direct_channel":{"members":["bob","ann"]}}
{"type":"direct_post","direct_post":{"channel_members":["ann","bob"],"user":"bob","message":"psst","create_at":1600000004000}}
{"type":"direct_post","direct_post":{"channel_members":["ann","bob","cyd"],"user":"bob","message":"three","create_at":1600000005000}}
{"type":"post","post":{"te`

func TestMattermostsExportBecomesLines(t *testing.T) {
	var left map[string]int64
	var read atomic.Int64
	m, err := newMattermost(t.Context(), strings.NewReader(export), &left, &read)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for {
		l, err := m.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(l.number, " ", string(l.bytes), l.cut))
	}
	if m.done() < int64(len(export))-2 {
		t.Errorf("%d bytes of %d are done", m.done(), len(export))
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
	parts := []string{
		`15 {"type":"post","post":{"tetrue`,
		`6 "id":"ann" "nickname":"Ann Lee" "username":"ann" "email":"ann@example.com"`,
		`7 "id":"bob" "nickname":"bob"`,
		`4 "type":"room" "id":"acme/town-square" "name":"Town Square" "kind":"group" "visibility":"public" "owner":"bob" "user":"ann","role":"member" "user":"bob","role":"admin"`,
		`5 "id":"acme/ops" "name":"ops" "visibility":"private" "owner":"ann"`,
		`12 "id":"direct/ "kind":"direct" "name":"" "user":"ann" "user":"bob"`,
		`14 "id":"direct/ "kind":"group" "name":"ann, bob, cyd" "owner":"ann"`,
		`8 "sender":"ann" "at":"2020-09-13T12:26:41.000Z" "content":"first" "reply_to":""`,
		`9 "sender":"bob" "content":"second"`,
		`13 "room":"direct/ "content":"psst"`,
		`14 "room":"direct/ "content":"three"`,
		`8 "sender":"bob" "content":"late reply" "reply_to":"`,
	}
	if len(got) != len(parts) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(parts), strings.Join(got, "\n"))
	}
	for i, want := range parts {
		for part := range strings.SplitSeq(want, " \"") {
			if !strings.Contains(got[i], strings.TrimPrefix(part, "\"")) {
				t.Errorf("line %d is %s, want %q", i, got[i], part)
			}
		}
		if number, _, _ := strings.Cut(want, " "); !strings.HasPrefix(got[i], number+" ") {
			t.Errorf("line %d is %s, want number %s", i, got[i], number)
		}
	}
	if strings.Contains(got[len(got)-1], `"reply_to":""`) {
		t.Errorf("the reply answers nothing: %s", got[len(got)-1])
	}
	want := map[string]int64{
		`lines of type "emoji"`: 1, "reactions": 1, "attachments": 1, "marks that a post was edited": 1, "posts without a text": 1,
		"posts of Mattermost itself or of its plugins": 1,
	}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Error(diff)
	}
}

// TestSorter: by time, and of one time as they came, also where they don't fit into memory.
func TestSorter(t *testing.T) {
	for _, limit := range []int{1, 500, 1 << 20} {
		s := &sorter{limit: limit}
		var want []record
		for i := range int64(300) {
			r := record{rand.Int64N(40), i, []byte(strings.Repeat("x", int(i%7)))}
			want = append(want, r)
			if err := s.add(r); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortStableFunc(want, func(a, b record) int { return int(a.at - b.at) })
		if err := s.begin(); err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			g, err := s.next()
			if err != nil || g.at != w.at || g.line != w.line || string(g.json) != string(w.json) {
				t.Fatalf("limit %d: record %d is %+v, %v, want %+v", limit, i, g, err, w)
			}
		}
		if _, err := s.next(); !errors.Is(err, io.EOF) {
			t.Errorf("limit %d: behind the last one: %v", limit, err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
