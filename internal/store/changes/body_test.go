package changes

import (
	"reflect"
	"testing"

	"chat-service/internal/chat"
)

// changeFields says of each field of chat.Change whether it belongs to what one change_id stands for.
var changeFields = map[string]bool{
	"Room": false, "User": false, "ID": false, // the key under which the body is compared
	"Session": false, // a retry may come from a new one
	"App":     false, // says the same as a User of 0
	"Seq":     true, "Kind": true, "Content": true, "Data": true, "IfVersion": true, "Key": true, "On": true,
}

// TestBodyCoversChange fails when chat.Change gets a field of which nobody has said whether it makes another change.
func TestBodyCoversChange(t *testing.T) {
	base := chat.Change{Room: 1, Seq: 2, User: 3, Session: "s", ID: "c", Kind: chat.ChangeEdit}
	typ := reflect.TypeFor[chat.Change]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		body, known := changeFields[name]
		if !known {
			t.Errorf("chat.Change.%s is new: add it to changeFields and, if it makes another change, to bodyOf", name)
			continue
		}
		other := base
		switch f := reflect.ValueOf(&other).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		case reflect.Uint64:
			f.SetUint(f.Uint() + 1)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Pointer:
			f.Set(reflect.ValueOf(new(string)))
		default:
			t.Fatalf("no other value for a %s", f.Type())
		}
		if changed := bodyOf(other) != bodyOf(base); changed != body {
			t.Errorf("chat.Change.%s: another value changes the hash: %v, want %v", name, changed, body)
		}
	}
	if len(changeFields) != typ.NumField() {
		t.Error("changeFields names a field that chat.Change no longer has")
	}
}

func TestCursor(t *testing.T) {
	for _, c := range []chat.ChangeSeq{1, 35, 36, chat.MaxID} {
		if got, err := parseCursor(cursorOf(c)); err != nil || got != c {
			t.Errorf("%d came back as %d, %v", c, got, err)
		}
	}
	if got, err := parseCursor(""); err != nil || got != 0 {
		t.Errorf("the empty cursor is %d, %v", got, err)
	}
	good := cursorOf(77)
	for _, bad := range []string{"x", "1.2", good + "0", good[1:], "-1." + chat.CursorSum(reactors, "-1"), "0" + good, ".", cursorOf(chat.MaxID + 1)} {
		if _, err := parseCursor(bad); chat.KindOf(err) != chat.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
