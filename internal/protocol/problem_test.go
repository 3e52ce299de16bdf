package protocol_test

import (
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
	"chat-service/internal/protocol"
)

// TestEveryKindHasAnAnswerAtEveryEdge walks the kinds of errors through HTTP, socket and close codes.
func TestEveryKindHasAnAnswerAtEveryEdge(t *testing.T) {
	for _, k := range chat.Kinds() {
		e := &chat.Error{Kind: k}
		if after := protocol.RetryAfter(e); after > 0 && !k.Retry() || k.Retry() && after == 0 && k != chat.OutOfOrder {
			t.Errorf("%v: retry %v, after %v", k, k.Retry(), after)
		}
		if c := protocol.CloseFor(e); c.String() == "" || k.Retry() && !c.Retry() {
			t.Errorf("%v closes with %d", k, c)
		}
		// What may succeed later, unchanged, is a status that says so; 409 says it of out_of_order.
		status := protocol.Status(k)
		later := status >= 500 || status == http.StatusTooManyRequests || k == chat.OutOfOrder
		if status < 400 || http.StatusText(status) == "" || later != k.Retry() {
			t.Errorf("%v is answered with %d, retry is %v", k, status, k.Retry())
		}
		var f, p map[string]any
		if err := json.Unmarshal(protocol.AppendError(nil, e, protocol.ErrorRef{Ref: "r"}), &f); err != nil {
			t.Errorf("%v: error frame: %v", k, err)
		}
		if err := json.Unmarshal(protocol.AppendProblem(nil, protocol.NewProblem(e, 0, "id")), &p); err != nil {
			t.Errorf("%v: problem: %v", k, err)
		}
		if f["code"] != k.String() || p["code"] != k.String() || f["message"] == "" || f["message"] != p["detail"] {
			t.Errorf("%v: the socket says %v, REST %v", k, f, p)
		}
	}
	if got := protocol.Status(chat.Kind(math.MaxUint8)); got != 500 {
		t.Errorf("a number that is no kind is answered with %d", got)
	}
}

func TestProblemIsPinned(t *testing.T) {
	e := &chat.Error{Kind: chat.OutOfOrder, Msg: `a "<b>"`, Expected: 4, Fields: []chat.FieldError{{Field: "client_seq", Message: "m"}}}
	for want, p := range map[string]protocol.Problem{
		`{"type":"about:blank","title":"Conflict","status":409,"detail":"a \"<b>\"","code":"out_of_order","request_id":"r","errors":[{"field":"client_seq","message":"m"}],"expected":4}`: protocol.NewProblem(e, 0, "r"),

		`{"type":"about:blank","title":"Upgrade Required","status":426,"detail":"d","code":"invalid","request_id":"r"}`: protocol.NewProblem(chat.E(chat.Invalid, "d"), 426, "r"),
	} {
		if d := cmp.Diff(want, string(protocol.AppendProblem(nil, p))); d != "" {
			t.Error(d)
		}
	}
}

func TestRetrySecondsRoundUp(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90"} {
		if got := protocol.RetrySeconds(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestRowsOfCloseCodesAreWhole: ascending, and what a row tells the client to do is what its band means.
func TestRowsOfCloseCodesAreWhole(t *testing.T) {
	last := protocol.CloseCode(0)
	for _, s := range protocol.CloseCodes() {
		again := !strings.HasPrefix(s.Client, "stops")
		if s.Code <= last || s.Doc == "" || s.Client == "" || s.Code.String() != s.Name {
			t.Errorf("%+v: out of order, or a column is empty", s)
		}
		if s.Name != "" && s.Code.Retry() != again {
			t.Errorf("%d: the client %s, but retry is %v", s.Code, s.Client, s.Code.Retry())
		}
		last = s.Code
	}
}
