package envelope_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// fill sets every field of a struct to a drawn value that isn't zero, so that a field forgotten in the codec shows.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Name != "Kind" {
				fill(t, v.Field(i))
			}
		}
	case reflect.Slice:
		n := rapid.IntRange(1, 3).Draw(t, "len")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i))
		}
	case reflect.String:
		v.SetString(rapid.StringN(1, 20, 40).Draw(t, "string"))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(rapid.Uint64Range(1, 255).Draw(t, "byte"))
	case reflect.Uint64, reflect.Uint:
		v.SetUint(rapid.Uint64Range(1, 1<<63).Draw(t, "uint"))
	case reflect.Int64, reflect.Int:
		v.SetInt(rapid.Int64Range(1, 1<<62).Draw(t, "int"))
	default:
		t.Fatalf("no rule for %v", v.Type())
	}
}

func TestCommandComesBackWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := envelope.Command{Kind: envelope.CommandKind(rapid.IntRange(1, int(envelope.SendMore)).Draw(t, "kind"))}
		fill(t, reflect.ValueOf(&want).Elem())
		got, err := envelope.DecodeCommand(want.Append(nil))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%v %s", err, d)
		}
	})
}

func TestDeliveryComesBackWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := envelope.Delivery{Kind: envelope.DeliveryKind(rapid.IntRange(1, int(envelope.Changed)).Draw(t, "kind"))}
		fill(t, reflect.ValueOf(&want).Elem())
		got, err := envelope.DecodeDelivery(want.Append(nil))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Fatalf("%v %s", err, d)
		}
	})
}

// TestEachFieldTravelsAlone: none is written only where another one is, too. Fields that few records have are looked at together, and a
// look that forgets one loses it where it is the only one.
func TestEachFieldTravelsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for i := range reflect.TypeFor[envelope.Command]().NumField() {
			want := envelope.Command{Kind: envelope.Send}
			if name := reflect.TypeFor[envelope.Command]().Field(i).Name; name != "Kind" {
				fill(t, reflect.ValueOf(&want).Elem().Field(i))
			}
			if got, err := envelope.DecodeCommand(want.Append(nil)); err != nil || !cmp.Equal(want, got) {
				t.Fatalf("%v %s", err, cmp.Diff(want, got))
			}
		}
		for i := range reflect.TypeFor[envelope.Delivery]().NumField() {
			want := envelope.Delivery{Kind: envelope.ToSocket}
			if name := reflect.TypeFor[envelope.Delivery]().Field(i).Name; name != "Kind" {
				fill(t, reflect.ValueOf(&want).Elem().Field(i))
			}
			if got, err := envelope.DecodeDelivery(want.Append(nil)); err != nil || !cmp.Equal(want, got) {
				t.Fatalf("%v %s", err, cmp.Diff(want, got))
			}
		}
	})
}

func TestBatchComesBackWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 300)).Draw(t, "records")
		got, err := envelope.Records(envelope.Frame([]byte{}, want))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d records came back as %d: %v", len(want), len(got), err)
		}
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				t.Fatalf("record %d differs", i)
			}
		}
	})
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	c := envelope.Command{Kind: envelope.Send, Room: 7}
	b := c.Append(nil)
	b = protowire.AppendString(protowire.AppendTag(b, 900, protowire.BytesType), "from a later release")
	b = protowire.AppendFixed64(protowire.AppendTag(b, 901, protowire.Fixed64Type), 1)
	got, err := envelope.DecodeCommand(b)
	if d := cmp.Diff(c, got); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
}

func TestMalformed(t *testing.T) {
	good := (&envelope.Command{Kind: envelope.Send, Content: "x"}).Append(nil)
	for name, err := range map[string]error{
		"no batch":       second(envelope.Records(nil)),
		"no magic":       second(envelope.Records([]byte("{}"))),
		"later version":  second(envelope.Records([]byte{0xC5, envelope.Version + 1})),
		"length too big": second(envelope.Records([]byte{0xC5, 1, 9, 1})),
		"endless length": second(envelope.Records(append([]byte{0xC5, 1}, bytes.Repeat([]byte{0xff}, 11)...))),
		"cut record":     second(envelope.DecodeCommand(good[:len(good)-1])),
		"no kind":        second(envelope.DecodeCommand(nil)),
		"delivery":       second(envelope.DecodeDelivery([]byte{0xff})),
	} {
		if !errors.Is(err, envelope.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

// A kind of a later release is read as what it is: nobody takes it for malformed, nor for a kind that has the same low bits.
func TestLaterKindsAreUnknown(t *testing.T) {
	for _, kind := range []uint64{200, 256 + uint64(envelope.Read), 1<<16 + uint64(envelope.Send), 1 << 40} {
		b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), kind)
		c, err := envelope.DecodeCommand(b)
		if err != nil || c.Kind.Known() || c.Kind.String() != "unknown" {
			t.Errorf("command %d: read as %v, %v", kind, c.Kind, err)
		}
		d, err := envelope.DecodeDelivery(b)
		if err != nil || d.Kind.Known() || d.Kind.String() != "unknown" {
			t.Errorf("delivery %d: read as %v, %v", kind, d.Kind, err)
		}
	}
}

// The registries are what decoding, dispatch, metrics and documents come from: each kind has one row, with everything in it.
func TestRegistriesAreWhole(t *testing.T) {
	kinds, names := map[int]bool{}, map[string]bool{}
	row := func(kind int, name, doc string, ok bool) {
		if kinds[kind] || names[name] || name == "" || doc == "" || !ok {
			t.Errorf("kind %d, %q: named twice, or a column is empty", kind, name)
		}
		kinds[kind], names[name] = true, true
	}
	for _, s := range envelope.Commands() {
		row(int(s.Kind), s.Name, s.Doc, s.Key != 0 && s.Kind.String() == s.Name)
	}
	for _, k := range numbered(t, "CommandKind") {
		if !kinds[k] {
			t.Errorf("command %d has no row", k)
		}
	}
	clear(kinds)
	clear(names)
	for _, s := range envelope.Deliveries() {
		row(int(s.Kind), s.Name, s.Doc, s.For != 0 && s.Kind.String() == s.Name)
	}
	for _, k := range numbered(t, "DeliveryKind") {
		if !kinds[k] {
			t.Errorf("delivery %d has no row", k)
		}
	}
	clear(kinds)
	clear(names)
	for i, s := range envelope.Announcements() {
		row(i, string(s.Kind), s.Doc, (s.Key == envelope.ByRoom || s.Key == envelope.ByUser) && s.Kind.Known())
	}
	if envelope.AnnouncementKind("later").Known() {
		t.Error("a kind that no table has is known")
	}
}

// numbered returns the numbers of a type's constants, as the package's source counts them up from 1.
func numbered(t *testing.T, typ string) (numbers []int) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			first, _ := g.Specs[0].(*ast.ValueSpec)
			if id, ok := first.Type.(*ast.Ident); !ok || id.Name != typ || len(g.Specs) == 1 { // a probe's stands alone
				continue
			}
			for i, s := range g.Specs {
				if v, ok := s.(*ast.ValueSpec); ok && v.Names[0].Name != "_" {
					numbers = append(numbers, i+1)
				}
			}
		}
	}
	if len(numbers) == 0 {
		t.Fatalf("no constants of %s", typ)
	}
	return numbers
}

func second[T any](_ T, err error) error { return err }

func FuzzRecords(f *testing.F) {
	c := envelope.Command{Kind: envelope.Sync, Points: []envelope.Point{{Room: 1, Seq: 2, Epoch: 3, Changes: 4, From: 5, HasChanges: true}}}
	change := envelope.Command{Kind: envelope.Change, Data: "{}", ReplyTo: 1, Change: envelope.Asked{What: "edit", ID: "i", HasData: true}}
	d := envelope.Delivery{Kind: envelope.Attached, Entries: []envelope.Entry{{Seq: 1, Frame: []byte("f")}}, States: []envelope.Presence{{User: 1}}}
	changed := envelope.Delivery{Kind: envelope.Changed, Changes: 2, Prev: 1, AtSeq: 3, Bare: []byte("b"), Mine: []byte("m"), Froms: []chat.Seq{0}}
	f.Add(envelope.Frame(nil, [][]byte{c.Append(nil), d.Append(nil), change.Append(nil), changed.Append(nil)}))
	f.Add([]byte{0xC5, 1, 2, 8, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		rs, _ := envelope.Records(b)
		for _, r := range rs {
			if c, err := envelope.DecodeCommand(r); err == nil {
				if again, err := envelope.DecodeCommand(c.Append(nil)); err != nil || !cmp.Equal(c, again) {
					t.Fatalf("command %+v changed on the way: %+v, %v", c, again, err)
				}
			}
			if d, err := envelope.DecodeDelivery(r); err == nil {
				again, err := envelope.DecodeDelivery(d.Append(nil))
				if err != nil || again.Kind != d.Kind || again.Seq != d.Seq || !bytes.Equal(again.Frame, d.Frame) ||
					d.Kind == envelope.Changed && (again.Changes != d.Changes || again.Prev != d.Prev || again.AtSeq != d.AtSeq || !bytes.Equal(again.Bare, d.Bare)) {
					t.Fatalf("delivery %+v changed on the way: %+v, %v", d, again, err)
				}
			}
		}
	})
}

func BenchmarkCommand(b *testing.B) {
	c := envelope.Command{
		Kind: envelope.Send, Gateway: "gw1.abcdef", Socket: 12345, User: 99, Session: "01890a5d-ac96-774b-bcce-b302099a8057", Room: 77,
		ClientMsgID: "00000000000000000000000000000042", Content: string(bytes.Repeat([]byte("x"), 128)), At: 1_700_000_000_000,
	}
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		buf = c.Append(buf[:0])
		if _, err := envelope.DecodeCommand(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// What a command asks for comes back as it was asked: nothing, and the removal of something, are told apart.
func TestChangeOf(t *testing.T) {
	text, none := "x", ""
	for _, want := range []chat.Change{
		{Kind: chat.ChangeEdit, Content: &text, IfVersion: 2},
		{Kind: chat.ChangeEdit, Content: &none, Data: &text},
		{Kind: chat.ChangeEdit, Data: &none},
		{Kind: chat.ChangeRecall},
		{Kind: chat.ChangeReaction, Key: "k", On: true},
		{Kind: chat.ChangePin},
	} {
		want.Room, want.Seq, want.User, want.Session, want.ID = 1, 2, 3, "s", "i"
		c := envelope.Command{Kind: envelope.Change, Room: 1, Seq: 2, User: 3, Session: "s"}
		c.Change = envelope.Asked{What: want.Kind, ID: "i", Key: want.Key, On: want.On, IfVersion: want.IfVersion}
		if want.Content != nil {
			c.Content, c.Change.HasContent = *want.Content, true
		}
		if want.Data != nil {
			c.Data, c.Change.HasData = *want.Data, true
		}
		back, err := envelope.DecodeCommand(c.Append(nil))
		if d := cmp.Diff(want, back.ChangeOf()); err != nil || d != "" {
			t.Errorf("%v came back otherwise: %v\n%s", want.Kind, err, d)
		}
	}
}
