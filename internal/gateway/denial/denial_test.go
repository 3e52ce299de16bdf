package denial_test

import (
	"testing"

	"chat-service/internal/gateway/denial"
	"chat-service/internal/protocol"
)

// TestDenialsAreDocumented: the status of each HTTP error is its kind's, or stands in protocol's table with that kind.
func TestDenialsAreDocumented(t *testing.T) {
	for _, e := range denial.All() {
		if r, ok := protocol.Refuse(e.Status); e.Status != protocol.Status(e.Kind) && (!ok || r.Kind != e.Kind) {
			t.Errorf("%d with code %v (%s) is in no table", e.Status, e.Kind, e.Detail)
		}
	}
}
