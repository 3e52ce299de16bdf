package messages

import (
	"crypto/sha256"
	"reflect"
	"testing"

	"chat-service/internal/chat"
)

// sendFields says of each field of chat.Send whether it belongs to the body. Who sends, where, and how the send travels
// doesn't: a retry may differ there and is still the same message.
var sendFields = map[string]bool{
	"Room": false, "Sender": false, "ClientMsgID": false, // the key under which the body is compared
	"Session": false, "ClientSeq": false, // a new session numbers anew what the last one left unanswered
	"Refused": false, // a judgement on the send, made by the worker
	"Content": true, "Data": true, "ReplyTo": true,
}

// TestBodyCoversSend fails when chat.Send gets a field of which nobody has said whether it makes another message: a
// reply or a mention that the hash forgets would be answered with the first message, silently.
func TestBodyCoversSend(t *testing.T) {
	base := chat.Send{Room: 1, Sender: 2, Session: "s", ClientMsgID: "c", ClientSeq: 3, Content: "text"}
	typ := reflect.TypeFor[chat.Send]()
	for i := range typ.NumField() {
		name := typ.Field(i).Name
		body, known := sendFields[name]
		if !known {
			t.Errorf("chat.Send.%s is new: add it to sendFields and, if it makes another message, to bodyOf (DESIGN: BodyHash)", name)
			continue
		}
		other := base
		change(t, reflect.ValueOf(&other).Elem().Field(i))
		if changed := bodyOf(other) != bodyOf(base); changed != body {
			t.Errorf("chat.Send.%s: another value changes the hash: %v, want %v", name, changed, body)
		}
	}
	if len(sendFields) != typ.NumField() {
		t.Error("sendFields names a field that chat.Send no longer has")
	}
}

// change gives a field another value.
func change(t *testing.T, f reflect.Value) {
	t.Helper()
	switch f.Kind() {
	case reflect.String:
		f.SetString(f.String() + "x")
	case reflect.Uint64:
		f.SetUint(f.Uint() + 1)
	case reflect.Bool:
		f.SetBool(!f.Bool())
	case reflect.Pointer:
		f.Set(reflect.New(f.Type().Elem()))
	case reflect.Slice:
		f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
	default:
		t.Fatalf("no other value for a %s", f.Type())
	}
}

func TestBodyHash(t *testing.T) {
	sum := sha256.Sum256([]byte("hello"))
	if h := BodyHash("hello"); string(h[:]) != string(sum[:16]) {
		t.Error("a plain text has another hash than rows of the releases before")
	}
	extra := func(name, value string) Extra { return Extra{name, []byte(value)} }
	if BodyHash("x", extra("a", "1"), extra("b", "2")) != BodyHash("x", extra("b", "2"), extra("a", "1")) {
		t.Error("the order of extras matters")
	}
	seen := map[[16]byte]int{}
	for i, h := range [][16]byte{
		BodyHash("x"), BodyHash(""), BodyHash("x", extra("a", "")), BodyHash("x", extra("", "a")), BodyHash("xa", extra("", "")),
		BodyHash("", extra("xa", "")), BodyHash("x", extra("a", "1"), extra("b", "2")), BodyHash("x", extra("a", "2"), extra("b", "1")),
		BodyHash("x", extra("a", "1b"), extra("", "2")), BodyHash("x", extra("a1", "b2")), BodyHash("x", extra("a", ""), extra("a", "")),
	} {
		if first, ok := seen[h]; ok {
			t.Errorf("bodies %d and %d have one hash", first, i)
		}
		seen[h] = i
	}
	golden := [16]byte{0xd0, 0x06, 0xde, 0x91, 0x68, 0xda, 0x3a, 0x52, 0xa8, 0xeb, 0x69, 0xb8, 0xb5, 0xf3, 0x58, 0xab}
	// The form is stored: a change of it would turn every retry over an upgrade into a conflict.
	if h := BodyHash("hello", extra("reply_to", "7")); h != golden {
		t.Errorf("the tagged hash has changed: %x", h)
	}
}
