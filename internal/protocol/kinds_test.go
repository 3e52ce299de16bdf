package protocol_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// sample is a server frame from its encoder: with everything in it, and with as little as it can have.
type sample struct{ full, least []byte }

func samples() map[protocol.Type]sample {
	at := time.Date(2026, 11, 29, 8, 30, 0, 0, time.UTC)
	m := chat.Message{Room: 1, Seq: 2, Kind: chat.Text, Sender: 3, ClientMsgID: "c", Content: "x", CreatedAt: at}
	most := m
	most.Data, most.ReplyTo = `{"a":1}`, 1
	most.State = &chat.State{
		ChangeSeq: 4, Version: 2, EditedAt: at, RecalledBy: 3, RecalledAt: at, PinnedBy: 4, PinnedAt: at,
		Reactions: []chat.Reaction{{Key: "k", Count: 1, Users: []chat.UserID{5}}},
	}
	changed := chat.Changed{Change: chat.Change{Room: 1, Seq: 2, User: 3, ID: "i", Kind: chat.ChangeReaction, Key: "k", On: true}, ChangeSeq: 4, Message: most}
	fourth := chat.ChangeSeq(4)
	unread := uint64(0)
	e := &chat.Error{Kind: chat.OutOfOrder, Msg: "m", Expected: 3, Fields: []chat.FieldError{{Field: "f", Message: "m"}}}
	one := func(b []byte) sample { return sample{b, b} }
	all := map[protocol.Type]sample{
		protocol.TWelcome: {
			protocol.AppendWelcome(nil, protocol.Welcome{More: true, Features: []string{"f"}}),
			protocol.AppendWelcome(nil, protocol.Welcome{}),
		},
		protocol.TAck:     {protocol.AppendAck(nil, m, 4, true), protocol.AppendAck(nil, m, 0, false)},
		protocol.TError:   {protocol.AppendError(nil, e, protocol.ErrorRef{Ref: "r", Room: 1, ClientSeq: 2}), protocol.AppendError(nil, &chat.Error{}, protocol.ErrorRef{})},
		protocol.TMessage: {protocol.AppendMessage(nil, most), protocol.AppendMessage(nil, m)},
		protocol.THead: {
			protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{1: 2}, map[chat.RoomID]chat.ChangeSeq{1: 4}),
			protocol.AppendHead(nil, map[chat.RoomID]chat.Seq{1: 2}, nil),
		},
		protocol.TJoined: one(protocol.AppendJoined(nil, protocol.ListedRoom{})),
		protocol.TLeft:   one(protocol.AppendLeft(nil, 1, 0, chat.LeftUnsub)),
		protocol.TRoom:   {protocol.AppendRoom(nil, protocol.Room{}, chat.RoleChanged, 1), protocol.AppendRoom(nil, protocol.Room{}, chat.RoomUpdated, 0)},
		protocol.TRead:   {protocol.AppendRead(nil, 1, 2, 3, &unread), protocol.AppendRead(nil, 1, 2, 3, nil)},
		protocol.TTyping: one(protocol.AppendTyping(nil, 1, 2)),
		protocol.TPresence: {
			protocol.AppendPresence(nil, []chat.Presence{{User: 1, Known: true, LastSeen: at}}), protocol.AppendPresence(nil, nil),
		},
		protocol.TSynced: {protocol.AppendSynced(nil, protocol.Synced{Ref: "r", ChangeSeq: &fourth, MoreChanges: true}), protocol.AppendSynced(nil, protocol.Synced{})},
		protocol.TResync: {protocol.AppendResync(nil, 1, 2, "r"), protocol.AppendResync(nil, 1, 2, "")},
		protocol.TGoaway: one(protocol.AppendGoaway(nil, time.Second, "drain")),
		protocol.TPong:   one(protocol.AppendPong(nil)),
		protocol.TDone:   one(protocol.AppendDone(nil, changed, "")),
		protocol.TChange: {protocol.AppendChange(nil, changed, 0), protocol.AppendBareChange(nil, changed, 0)},
		protocol.TMine:   one(protocol.AppendMine(nil, 1, 2, nil)),
		protocol.TUser:   one(protocol.AppendUser(nil, chat.User{ID: 1})),
	}
	maps.Copy(all, probeSamples())
	return all
}

// TestServerFramesAreTheirRows: what an encoder writes is what the registry says: this type, these members, of this form.
func TestServerFramesAreTheirRows(t *testing.T) {
	left := samples()
	for _, spec := range protocol.ServerFrames() {
		s, ok := left[spec.Type]
		if !ok {
			t.Errorf("%s: no sample", spec.Type)
			continue
		}
		delete(left, spec.Type)
		full, least := map[string]protocol.Form{"type": protocol.FormText}, map[string]protocol.Form{"type": protocol.FormText}
		for _, f := range spec.Fields {
			full[f.Name] = f.Form
			if !f.Optional {
				least[f.Name] = f.Form
			}
		}
		for _, c := range []struct {
			frame []byte
			want  map[string]protocol.Form
		}{{s.full, full}, {s.least, least}} {
			var got map[string]any
			if err := json.Unmarshal(c.frame, &got); err != nil || got["type"] != string(spec.Type) {
				t.Errorf("%s: %s: %v", spec.Type, c.frame, err)
			}
			if d := cmp.Diff(c.want, forms(got)); d != "" {
				t.Errorf("%s: %s has other members than its row (-row +frame):\n%s", spec.Type, c.frame, d)
			}
		}
	}
	for typ := range left {
		t.Errorf("%s has a sample and no row", typ)
	}
}

func forms(members map[string]any) map[string]protocol.Form {
	fs := map[string]protocol.Form{}
	for name, v := range members {
		switch v.(type) {
		case string:
			fs[name] = protocol.FormText
		case float64:
			fs[name] = protocol.FormNumber
		case bool:
			fs[name] = protocol.FormBool
		case []any:
			fs[name] = protocol.FormList
		case map[string]any:
			fs[name] = protocol.FormObject
		}
	}
	return fs
}

// legal is a value of each field of the client frames, as JSON.
var legal = map[string]string{
	"room_id": `1`, "content": `"x"`, "client_msg_id": `"a"`, "client_seq": `1`, "seq": `1`, "user_ids": `[1]`, "rooms": `{"1":2}`,
	"token": `"t"`, "ref": `"r"`, "data": `{"a":1}`, "reply_to": `1`, "if_version": `1`, "key": `"k"`, "on": `false`, "change_id": `"i"`,
}

// TestClientFramesDecodeByTheirRows: a frame with all its fields decodes; without a required one, with one of another form, or with one
// that is another frame's, it doesn't.
func TestClientFramesDecodeByTheirRows(t *testing.T) {
	all := map[string]protocol.Form{}
	for _, spec := range protocol.ClientFrames() {
		for _, f := range spec.Fields {
			all[f.Name] = f.Form
		}
	}
	for _, spec := range protocol.ClientFrames() {
		values := map[string]string{}
		for _, f := range spec.Fields {
			values[f.Name] = legal[f.Name]
		}
		decode := func(name, value string) error {
			b := `{"type":"` + string(spec.Type) + `"`
			changed := maps.Clone(values)
			changed[name] = value
			for _, n := range slices.Sorted(maps.Keys(changed)) {
				if changed[n] != "" {
					b += `,"` + n + `":` + changed[n]
				}
			}
			f, err := protocol.Decode([]byte(b+"}"), protocol.DefaultLimits(), protocol.AllFeatures())
			if f.Type != spec.Type {
				t.Errorf("%s} is a %q", b, f.Type)
			}
			return err
		}
		if err := decode("", ""); err != nil {
			t.Errorf("%s with all its fields: %v", spec.Type, err)
		}
		for name := range all {
			i := slices.IndexFunc(spec.Fields, func(f protocol.Field) bool { return f.Name == name })
			switch {
			case i < 0:
				refused(t, spec.Type, name, decode(name, legal[name]), chat.UnknownField)
			case spec.Fields[i].Optional:
				if err := decode(name, ""); err != nil {
					t.Errorf("%s without %s: %v", spec.Type, name, err)
				}
			default:
				refused(t, spec.Type, name, decode(name, ""), chat.Invalid)
			}
			if i >= 0 {
				for _, wrong := range []string{`null`, `true`, `-1`, `"\u0000"`, `[[]]`, `{"x":{}}`} {
					if !decodesAnyway(spec.Type, name, wrong) {
						refused(t, spec.Type, name, decode(name, wrong), chat.Invalid)
					}
				}
			}
		}
	}
}

// decodesAnyway: two are texts without a form of their own, one is any object, and an edit removes by null.
func decodesAnyway(typ protocol.Type, name, value string) bool {
	switch value {
	case `"\u0000"`:
		return name == "token" || name == "ref"
	case `{"x":{}}`:
		return name == "data"
	case `true`:
		return name == "on"
	}
	return value == `null` && typ == protocol.TEdit && (name == "content" || name == "data")
}

func refused(t *testing.T, typ protocol.Type, field string, err error, want chat.Kind) {
	t.Helper()
	e := chat.As(err)
	if err == nil || e.Kind != want || len(e.Fields) != 1 || e.Fields[0].Field != field {
		t.Errorf("%s: %s refused by %v, want %v about the field", typ, field, err, want)
	}
}

// TestFramesAndCommandsAgree: a frame that asks for a command is a frame, and the gateway answers the others itself.
func TestFramesAndCommandsAgree(t *testing.T) {
	asks := map[protocol.Type]bool{}
	for _, c := range envelope.Commands() {
		for _, f := range c.Frames {
			asks[protocol.Type(f)] = true
		}
	}
	byGateway := []protocol.Type{protocol.TAuth, protocol.TPing, protocol.TLeaveRoom}
	for _, spec := range protocol.ClientFrames() {
		if asks[spec.Type] == slices.Contains(byGateway, spec.Type) {
			t.Errorf("%s: asks for a command: %v, which is not what the gateway does", spec.Type, asks[spec.Type])
		}
		delete(asks, spec.Type)
	}
	for typ := range asks {
		t.Errorf("a command is asked for by %s, which is no frame", typ)
	}
}

// TestRowsOfFramesAreWhole: each type has one row in its direction, no field stands twice, and an answer is a frame.
func TestRowsOfFramesAreWhole(t *testing.T) {
	server := map[protocol.Type]bool{}
	for _, spec := range protocol.ServerFrames() {
		server[spec.Type] = true
	}
	for direction, specs := range map[protocol.Direction][]protocol.FrameSpec{
		protocol.FromClient: protocol.ClientFrames(), protocol.FromServer: protocol.ServerFrames(),
	} {
		types := map[protocol.Type]bool{}
		for _, spec := range specs {
			names := map[string]bool{"type": true}
			for _, f := range spec.Fields {
				if names[f.Name] || f.Name == "" || f.Form == "" {
					t.Errorf("%s: the field %q is there twice, or has no form", spec.Type, f.Name)
				}
				names[f.Name] = true
			}
			for _, a := range spec.Answers {
				if !server[a] {
					t.Errorf("%s is answered by %s, which no server sends", spec.Type, a)
				}
			}
			if types[spec.Type] || spec.Direction != direction || spec.Doc == "" {
				t.Errorf("%s: there twice, of another direction, or without a word about it", spec.Type)
			}
			types[spec.Type] = true
		}
	}
}
