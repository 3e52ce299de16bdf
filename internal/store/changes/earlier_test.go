package changes

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/chat"
)

// TestEarlier: what edits replaced is read as it was written, the last one first; what was cut off at the front is passed over.
func TestEarlier(t *testing.T) {
	at := time.Date(2026, 11, 29, 8, 30, 0, 123e6, time.UTC)
	vs := []chat.Version{
		{Version: 1, Content: "line one\nline two \"\u2028\" \\", At: at},
		{Version: 2, Data: `{"a":"<b>"}`, At: at.Add(time.Second)},
		{Version: 3, Content: "😀", Data: "{}", At: at.Add(time.Minute)},
	}
	var text string
	for _, v := range vs {
		text += lineOf(v)
	}
	if diff := cmp.Diff([]chat.Version{vs[2], vs[1], vs[0]}, linesOf(text)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]chat.Version{vs[2], vs[1]}, linesOf(text[3:])); diff != "" {
		t.Errorf("cut:\n%s", diff)
	}
	if got := linesOf(strings.Repeat(lineOf(vs[0]), keptVersions+1)); len(got) != keptVersions {
		t.Errorf("%d versions", len(got))
	}
	if got := linesOf(""); got != nil {
		t.Error(got)
	}
}
