package gateway

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
	"chat-service/internal/protocol"
)

// clientFrames lists the types of the frames that clients send.
func clientFrames() (types []protocol.Type) {
	for _, f := range protocol.ClientFrames() {
		types = append(types, f.Type)
	}
	return types
}

func TestEveryClientFrameIsHandledOrBecomesACommand(t *testing.T) {
	all := admissions()
	types := clientFrames()
	slices.Sort(types)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, types) {
		t.Errorf("admitted: %v; the client's frames: %v", got, types)
	}
	for typ, a := range all {
		keyed := a.key == envelope.ByRoom || a.key == envelope.ByUser || a.key == envelope.BySocket
		if command := a.kind.Known() && keyed; command == (a.handle != nil) {
			t.Errorf("%s: must either be handled here or become a command with a partition: %+v", typ, a)
		}
	}
	for _, c := range envelope.Commands() { // a command's row and a handler for the same frame would hide each other
		for _, f := range c.Frames {
			if all[protocol.Type(f)].kind != c.Kind && c.Kind != envelope.SendMore {
				t.Errorf("frame %s doesn't become the command %s", f, c.Name)
			}
		}
	}
}

// samples are a frame of each type, and the ref of an error about it.
func samples() map[protocol.Type]sample {
	m := map[protocol.Type]sample{
		protocol.TMessage:   {`{"type":"message","room_id":7,"content":"x","client_msg_id":"m"}`, "m"},
		protocol.TJoinRoom:  {`{"type":"join_room","room_id":7}`, "join_room"},
		protocol.TLeaveRoom: {`{"type":"leave_room","room_id":7}`, "leave_room"},
		protocol.TRead:      {`{"type":"read","room_id":7,"seq":1}`, "read"},
		protocol.TTyping:    {`{"type":"typing","room_id":7}`, "typing"},
		protocol.TSync:      {`{"type":"sync","rooms":{"7":1},"ref":"r"}`, "r"},
		protocol.TPresence:  {`{"type":"presence","user_ids":[1]}`, "presence"},
		protocol.TAuth:      {`{"type":"auth","token":"1:s1"}`, "auth"},
		protocol.TPing:      {`{"type":"ping"}`, "ping"},
		protocol.TEdit:      {`{"type":"edit","room_id":7,"seq":1,"content":"x","change_id":"c"}`, "c"},
		protocol.TRecall:    {`{"type":"recall","room_id":7,"seq":1,"change_id":"c","ref":"r"}`, "r"},
		protocol.TReact:     {`{"type":"react","room_id":7,"seq":1,"key":"k","on":true}`, "react"},
		protocol.TPin:       {`{"type":"pin","room_id":7,"seq":1,"change_id":"c"}`, "c"},
	}
	maps.Copy(m, probeSamples)
	return m
}

type sample struct{ frame, ref string }

// TestCommandsCarryEveryField: a field of a client frame reaches the worker under the same name.
func TestCommandsCarryEveryField(t *testing.T) {
	f := protocol.Frame{
		Type: protocol.TMessage, Room: 1, Content: "x", ClientMsgID: "m", ClientSeq: 2, Seq: 3, Users: []chat.UserID{4},
		Sync: []protocol.SyncPoint{{Room: 5}}, Ref: "r", Token: "t", Data: "{}", ReplyTo: 6,
		ChangeID: "c", Key: "k", Off: true, IfVersion: 7, HasContent: true, HasData: true,
	}
	elsewhere := []string{
		"Type", "Sync", "Token", // the kind, Points, and what stays here
		"ChangeID", "Key", "Off", "IfVersion", "HasContent", "HasData", // Asked
	}
	frame, command := reflect.ValueOf(f), reflect.ValueOf(new(socket).command(&f, envelope.Send))
	for i := range frame.NumField() {
		name := frame.Type().Field(i).Name
		switch got := command.FieldByName(name); {
		case frame.Field(i).IsZero():
			t.Errorf("protocol.Frame.%s is new: set it here", name)
		case slices.Contains(elsewhere, name):
		case !got.IsValid() || !reflect.DeepEqual(got.Interface(), frame.Field(i).Interface()):
			t.Errorf("internal/gateway/admit.go: protocol.Frame.%s isn't copied into the command", name)
		}
	}
}

// TestUnadmittedFramesAreNeverPublished: the protocol knows a type of frame that the registries of this build don't.
func TestUnadmittedFramesAreNeverPublished(t *testing.T) {
	gt := newGate(t, nil, nil)
	clear(gt.admissions)
	s := gt.login(1)
	for _, typ := range clientFrames() {
		sample := samples()[typ]
		s.send("%s", sample.frame)
		if f := s.want("error"); f.Code != "unavailable" || !f.Retry || f.Ref != sample.ref {
			t.Errorf("%s: %+v", typ, f)
		}
	}
	gt.bus.set(func(b *fakeBus) {
		if b.malformed != 0 {
			t.Errorf("%d commands without a kind were published", b.malformed)
		}
		for _, c := range b.got {
			if c.Kind != envelope.Connect && c.Kind != envelope.Attach {
				t.Errorf("published: %+v", c)
			}
		}
	})
}

// TestCommandsTravelByTheirKey: commands that are keyed alike share a partition.
func TestCommandsTravelByTheirKey(t *testing.T) {
	gt := newGate(t, nil, func(o *Options) { o.Partitions = 16 })
	s := gt.login(3)
	for _, typ := range []protocol.Type{protocol.TMessage, protocol.TJoinRoom, protocol.TRead, protocol.TTyping, protocol.TSync, protocol.TPresence} {
		s.send("%s", samples()[typ].frame)
	}
	s.send(`{"type":"ping"}`)
	for f, err := s.text(); f.Type != "pong"; f, err = s.text() {
		if err != nil {
			t.Fatal(err)
		}
	}
	room, user := testRoom.Partition(16), chat.UserID(3).Partition(16)
	want := map[envelope.CommandKind]int{
		envelope.Send: room, envelope.Join: room, envelope.Read: room, envelope.Typing: room, envelope.Sync: user, envelope.Watch: user,
	}
	gt.bus.set(func(b *fakeBus) {
		for kind, p := range want {
			if got := b.partitions[kind]; !slices.Equal(got, []int{p}) {
				t.Errorf("%v travelled in partitions %v, want %d", kind, got, p)
			}
		}
	})
	if room == user {
		t.Fatal("the room and the user share a partition: choose others")
	}
}
