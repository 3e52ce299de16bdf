package table

import (
	"database/sql"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

// TestCells scans what the driver can hand over: numbers of both signs' columns, bytes, times and NULL, which must wipe
// what the row before left behind.
func TestCells(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	var m Message
	into := Log.Cells(&m)
	for _, row := range []struct {
		values []any
		want   chat.Message
	}{
		{
			[]any{uint64(1 << 63), int64(2), []byte("3"), []byte("text"), uint64(4), []byte("c"), "hello", when, nil, uint64(9)},
			chat.Message{Room: 1 << 63, Seq: 2, Ord: 3, Kind: chat.Text, Sender: 4, ClientMsgID: "c", Content: "hello", CreatedAt: when, ReplyTo: 9},
		},
		{[]any{nil, nil, nil, nil, nil, nil, nil, nil, nil, nil}, chat.Message{}},
	} {
		for i, v := range row.values {
			if err := into[i].(sql.Scanner).Scan(v); err != nil {
				t.Fatalf("column %d: %v", i, err)
			}
		}
		if diff := cmp.Diff(row.want, m.Message); diff != "" {
			t.Fatal(diff)
		}
	}
	for i := range into {
		if err := into[i].(sql.Scanner).Scan(1.5); err == nil {
			t.Errorf("column %d takes a float", i)
		}
	}
	if err := into[0].(sql.Scanner).Scan([]byte("x")); err == nil {
		t.Error("a text passes for a number")
	}
}

// TestEveryFieldHasAColumn fails when a noun gets a field that no column holds, or two columns share one: each column
// is given a value of its own, written and scanned again, and all fields must then be set and come out as they went in.
func TestEveryFieldHasAColumn(t *testing.T) {
	covers(t, Messages)
	covers(t, Cursors)
	covers(t, Rooms)
	covers(t, Members)
	covers(t, Users)
	covers(t, Sessions)
	covers(t, Tokens)
	covers(t, Identities)
	covers(t, ExternalRooms)
	covers(t, Outbox)
	covers(t, DeadCommands)
	covers(t, Audit)
	covers(t, Workers)
	covers(t, Meta)
	covers(t, States)
	covers(t, Changes)
	covers(t, Reactions)
	covers(t, Pins)
	covers(t, Recalls)
}

func covers[R any](t *testing.T, tb *Table[R]) {
	t.Helper()
	var in, out R
	n := fill(reflect.ValueOf(&in).Elem(), 0)
	if n == 0 {
		t.Fatalf("%s: no fields", tb.name)
	}
	for _, c := range tb.columns {
		v, err := c.Cell(&in).Value()
		if err != nil {
			t.Fatalf("%s.%s: %v", tb.name, c.Name, err)
		}
		if err := c.Cell(&out).Scan(v); err != nil && !strings.Contains(err.Error(), "scan bool") {
			t.Fatalf("%s.%s: %v", tb.name, c.Name, err)
		} else if err != nil { // a server gives a TINYINT
			_ = c.Cell(&out).Scan(int64(1))
		}
	}
	if diff := cmp.Diff(in, out); diff != "" {
		t.Errorf("%s: what is written is not what is read (-written +read):\n%s", tb.name, diff)
	}
}

// fill sets every field to a value of its own.
func fill(v reflect.Value, n int) int {
	for i := range v.NumField() {
		f := v.Field(i)
		n++
		switch x := f.Addr().Interface().(type) {
		case *time.Time:
			*x = time.Unix(int64(1_700_000_000+n), 0).UTC()
			continue
		case *[]byte:
			*x = []byte{byte(n)}
			continue
		}
		switch f.Kind() {
		case reflect.Struct:
			n = fill(f, n)
		case reflect.String:
			f.SetString("v" + string(rune('a'+n)))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int:
			f.SetInt(int64(n))
		case reflect.Uint64:
			f.SetUint(uint64(n))
		case reflect.Array:
			f.Index(0).SetUint(uint64(n))
		}
	}
	return n
}

func TestViews(t *testing.T) {
	if got := LastMessage.Select(); got != "x.kind, x.sender_id, x.client_msg_id, x.content, x.created_at, x.data, x.reply_to" {
		t.Error(got)
	}
	if got := Cursors.Insert() + Cursors.Marks(); got != "INSERT INTO sender_cursors (room_id, user_id, session_id, last_seq) VALUES (?,?,?,?)" {
		t.Error(got)
	}
	r := Room{Room: chat.Room{ID: 7, Name: " Ünï "}, ActiveAt: time.Unix(120, 0)}
	m := Rooms.Map(&r)
	if _, there := m["id"]; there || m["name_key"] != "ünï" || m["active_min"] != int64(2) || m["direct_key"] != nil || m["dissolved_at"] != nil {
		t.Errorf("%v", m)
	}
	if len(Rooms.Values(&r)) != strings.Count(Rooms.Marks(), "?") || slices.Contains(Rooms.Values(&r), any(uint64(7))) {
		t.Error("values and marks differ, or the number that the server counts is written")
	}
	defer func() {
		if recover() == nil {
			t.Error("a column that isn't there is a view")
		}
	}()
	Rooms.Only("nam")
}

// TestPacked scans packed rows, the same cells row after row: fields that are empty, the end of a field within the last
// one, no row at all, and rows that aren't any.
func TestPacked(t *testing.T) {
	if got := Pins.Only("room_id", "seq").Packed(); got != "CONCAT(p.room_id, '|', IFNULL(p.seq, ''))" {
		t.Error(got)
	}
	var s State
	into := besides.Unpack(&s)
	when := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	for _, row := range []struct {
		packed any
		want   chat.State
	}{
		{[]byte(`7|2|2026-01-02 03:04:05.000006|||9|2026-01-02 03:04:05|[{"k":"|","n":1,"u":[3]}]`), chat.State{
			ChangeSeq: 7, Version: 2, EditedAt: when, PinnedBy: 9, PinnedAt: when.Truncate(time.Second),
			Reactions: []chat.Reaction{{Key: "|", Count: 1, Users: []chat.UserID{3}}},
		}},
		{nil, chat.State{}},
		{nil, chat.State{}},
		{[]byte("1|1|||||||"[:9]), chat.State{ChangeSeq: 1, Version: 1}},
	} {
		if err := into.Scan(row.packed); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row.want, s.State); diff != "" {
			t.Errorf("%s: %s", row.packed, diff)
		}
	}
	for _, bad := range []any{[]byte("1|1"), []byte("x|1||||||"), []byte("1|1|yesterday|||||"), 1.5} {
		if err := into.Scan(bad); err == nil {
			t.Errorf("%v passes for a packed row", bad)
		}
	}
}
