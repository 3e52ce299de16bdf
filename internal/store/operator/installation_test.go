package operator

import (
	"strings"
	"testing"

	"chat-service/internal/chat"
	"chat-service/internal/store/db"
)

func TestServerWithoutRoomForLongMessagesIsRefused(t *testing.T) {
	d, err := db.Open(db.Options{Host: "db.example", User: "chat"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := New(d)
	if err := s.roomFor(PacketMin); err != nil {
		t.Error(err)
	}
	lasting := chat.AsPermanent(s.roomFor(4096))
	if lasting == nil || !strings.Contains(lasting.Error(), "db.example:3306, user chat") || !strings.Contains(lasting.Error(), "SET GLOBAL max_allowed_packet") {
		t.Errorf("4096: %v", lasting)
	}
}
