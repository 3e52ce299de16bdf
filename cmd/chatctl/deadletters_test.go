package main

import (
	"strings"
	"testing"

	"chat-service/internal/envelope"
	"chat-service/internal/store/operator"
)

func TestDeadContent(t *testing.T) {
	c := envelope.Command{Kind: envelope.Send, Room: 7, User: 1, Gateway: "g.1", Content: "hi"}
	for _, tt := range []struct {
		name, kind string
		payload    []byte
		command    bool
		text       string
	}{
		{"command", "send", c.Append(nil), true, ""},
		{"outbox row", "outbox", []byte(`{"x":1}`), false, `{"x":1}`},
		{"bytes", "batch", []byte{0xff, 0xfe}, false, "//4="},
	} {
		r := deadRow{Dead: operator.Dead{Kind: tt.kind}}
		r.content(tt.payload)
		if (r.Command != nil) != tt.command || r.Payload != tt.text {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
	if got := oneLine("a\n  b "+strings.Repeat("é", 10), 6); got != "a b é…" {
		t.Errorf("cut to %q", got)
	}
}
