package docs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chat-service/internal/protocol"
)

// TestWebhookExamples: the posts in the document are such as the service makes, to the letter.
func TestWebhookExamples(t *testing.T) {
	for _, block := range blocks(t, "docs/webhooks.md", "json webhook") {
		var w protocol.Webhook
		dec := json.NewDecoder(strings.NewReader(block))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&w); err != nil || !w.Type.Known() {
			t.Errorf("%v in %s", err, block)
			continue
		}
		again, err := protocol.Marshal(w)
		if err != nil || string(again) != block {
			t.Errorf("%v (-document +service):\n%s", err, cmp.Diff(block, string(again)))
		}
	}
}
