package line

import (
	"reflect"
	"testing"
	"time"

	"chat-service/internal/chat"
	"chat-service/internal/envelope"
)

// TestSendsCarryEveryField: what a command says about a message reaches the store.
func TestSendsCarryEveryField(t *testing.T) {
	var cmd envelope.Command
	for i, v := 0, reflect.ValueOf(&cmd).Elem(); i < v.NumField(); i++ {
		switch f := v.Field(i); {
		case f.CanUint():
			f.SetUint(1)
		case f.Kind() == reflect.String:
			f.SetString("x")
		}
	}
	cmd.Data = "{}"
	l := &Line{o: Options{Now: time.Now}}
	l.spent.bound(chat.Rate{})
	c := &Committer{l: l}
	_, sends := c.decide([]Job{{Cmd: cmd}}, nil)
	if len(sends) != 1 {
		t.Fatalf("%d sends, want 1", len(sends))
	}
	for i, v := 0, reflect.ValueOf(sends[0]); i < v.NumField(); i++ {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() != (name == "Refused") {
			t.Errorf("chat.Send.%s is %v: decide must take it from the command", name, v.Field(i))
		}
	}
}
