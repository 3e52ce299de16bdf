package envelope_test

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// The bytes of a command and of a delivery in which every field is set, as the first release wrote them (what came later: as
// the first that had it). A number that changes, or is used again, shows here.
const (
	goldenCommand = "0801120167180220032a01733004380542016d4806520163580760016808700970007a01617a00820106080a100b180c82010082010620" +
		"10281130018a01017292010164980101a0010daa010165b2010166ba01027b7dc0010eca01110a01771201691a016b2001280f30013801"
	goldenDelivery = "0801120167180220032a01733004380540064a01665201615a016562016a68086800700978018201066b69636b656488010a9001019a0109080b" +
		"100c1a0178200d9a0100a0010eaa0106080f10101811b201016fb80112c00113c80107d20106081410011815da010172e00116e80117f00118fa010162" +
		"8202016d88021990021a9002009a020166"
)

func fullCommand() envelope.Command {
	return envelope.Command{
		Kind: envelope.Send, Gateway: "g", Socket: 2, User: 3, Session: "s", At: 4, Room: 5, ErrorRef: "e", ClientMsgID: "m", ClientSeq: 6,
		Content: "c", Data: "{}", ReplyTo: 14,
		Change: envelope.Asked{What: "w", ID: "i", Key: "k", On: true, IfVersion: 15, HasContent: true, HasData: true},
		Seq:    7, Repair: true, Number: 8, Users: []chat.UserID{9, 0}, Sessions: []chat.SessionID{"a", ""},
		Points: []envelope.Point{{Room: 10, Seq: 11, Epoch: 12}, {}, {Changes: 16, From: 17, HasChanges: true}}, Ref: "r",
		Device: "d", Replace: true, Partitions: 13, Features: []string{"f"},
	}
}

func fullDelivery() envelope.Delivery {
	return envelope.Delivery{
		Kind: envelope.InRoom, Gateway: "g", Socket: 2, User: 3, Session: "s", Room: 4, Seq: 5, Epoch: 6, At: 7, Frame: []byte("f"), Ref: "r", Changes: 22, Prev: 23, AtSeq: 24,
		Bare: []byte("b"), Mine: []byte("m"), From: 25, Froms: []chat.Seq{26, 0}, Features: []string{"f"},
		Ack: []byte("a"), Event: []byte("e"), JoinedTo: []byte("j"), Added: []chat.UserID{8, 0}, Removed: []chat.UserID{9}, All: true,
		Reason: chat.LeftKicked, Number: 10, Repair: true,
		Entries: []envelope.Entry{{Seq: 11, Sender: 12, Frame: []byte("x"), Added: []chat.UserID{13}}, {}}, Users: []chat.UserID{14},
		Points: []envelope.Point{{Room: 15, Seq: 16, Epoch: 17}}, Sessions: []chat.SessionID{"o"}, Code: 18, RetryMS: 19,
		States: []envelope.Presence{{User: 20, Online: true, LastSeen: 21}},
	}
}

func TestCommandKeepsItsBytes(t *testing.T) {
	c := fullCommand()
	whole(t, c)
	if got := hex.EncodeToString(c.Append(nil)); got != goldenCommand {
		t.Errorf("written as\n%s, want\n%s", got, goldenCommand)
	}
	b, err := hex.DecodeString(goldenCommand)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.DecodeCommand(b)
	if d := cmp.Diff(c, got); err != nil || d != "" {
		t.Errorf("read otherwise (-stored +now): %v\n%s", err, d)
	}
}

func TestDeliveryKeepsItsBytes(t *testing.T) {
	d := fullDelivery()
	whole(t, d)
	if got := hex.EncodeToString(d.Append(nil)); got != goldenDelivery {
		t.Errorf("written as\n%s, want\n%s", got, goldenDelivery)
	}
	b, err := hex.DecodeString(goldenDelivery)
	if err != nil {
		t.Fatal(err)
	}
	got, err := envelope.DecodeDelivery(b)
	if diff := cmp.Diff(d, got); err != nil || diff != "" {
		t.Errorf("read otherwise (-stored +now): %v\n%s", err, diff)
	}
}

// whole checks that the golden value sets every field, so that a new one is given its bytes here.
func whole(t *testing.T, v any) {
	t.Helper()
	s := reflect.ValueOf(v)
	for i := range s.NumField() {
		if s.Field(i).IsZero() {
			t.Errorf("%s.%s is not in the golden bytes: set it, and append what it adds", s.Type(), s.Type().Field(i).Name)
		}
	}
}
