package protocol

import (
	"net/http"
	"testing"

	"chat-service/internal/chat"
)

func TestRefusals(t *testing.T) {
	last := 0
	for _, r := range Refusals() {
		e, ok := Refuse(r.Status)
		if !ok || e.Kind != r.Kind || e.Msg != r.Doc || r.Doc == "" || http.StatusText(r.Status) == "" {
			t.Errorf("%d: %v %v", r.Status, e, ok)
		}
		if r.Status <= last {
			t.Errorf("%d stands behind %d", r.Status, last)
		}
		if r.Kind.Retry() || r.Status >= 500 && r.Kind != chat.Invalid {
			t.Errorf("%d is %v: only the request is at fault", r.Status, r.Kind)
		}
		last = r.Status
	}
	if _, ok := Refuse(http.StatusTeapot); ok {
		t.Error("a refusal that isn't in the table")
	}
}

func TestFramed(t *testing.T) {
	for _, tt := range []struct {
		headers string
		http11  bool
		want    bool
	}{
		{"", true, true},
		{"", false, true},
		{"Host: x\r\nContent-Length: 2\r\n\r\n", true, true},
		{"content-length: 2\r\n", false, true},
		{"Transfer-Encoding: chunked\r\n", true, true},
		{"transfer-encoding:Chunked \r\n", true, true},
		{"X-Transfer-Encoding: gzip\r\nX-Content-Length: 1\r\nContent-Length: 2\r\n", true, true},
		{"Transfer-Encoding: chunked\r\n", false, false},
		{"Transfer-Encoding: identity\r\n", true, false},
		{"Transfer-Encoding: gzip, chunked\r\n", true, false},
		{"Transfer-Encoding:\r\n", true, false},
		{"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", true, false},
		{"Transfer-Encoding : chunked\r\nContent-Length: 2\r\n", true, false},
		{"Content-Length: 2\r\nContent-Length: 2\r\n", true, false},
		{"Content-Length:\r\n 2\r\n", true, false},
		{"X: a\r\n\tContent-Length: 2\r\n", true, false},
		{"X: a\n b\n", true, false},
	} {
		if got := Framed([]byte(tt.headers), tt.http11); got != tt.want {
			t.Errorf("%q, HTTP/1.1 %v: %v, want %v", tt.headers, tt.http11, got, tt.want)
		}
	}
}
